"""relabel"""

import streamlit as st

st.title("Relabel")
