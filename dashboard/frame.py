"""What surrounds every page: navigation, the data-set picker, and the net that catches errors."""

from __future__ import annotations

import streamlit as st

from dashboard import picker
from dashboard.errors import shown_as_message

PAGES = {
    "": [("overview.py", "Home", ":material/home:")],
    "Data": [("explore.py", "Explore", ":material/photo_library:")],
    "Models": [
        ("train.py", "Train", ":material/model_training:"),
        ("evaluate.py", "Evaluate", ":material/grid_on:"),
    ],
    "Labels": [("relabel.py", "Relabel", ":material/fact_check:")],
}


def show() -> None:
    """Draw the frame and, inside it, the page that the address names."""
    st.set_page_config(page_title="Tidyset", page_icon="🧹", layout="wide")
    pages = {
        section: [
            st.Page(f"../pages/{file}", title=title, icon=icon, default=file == "overview.py")
            for file, title, icon in entries
        ]
        for section, entries in PAGES.items()
    }
    page = st.navigation(pages)
    with shown_as_message():
        picker.draw()
        page.run()
