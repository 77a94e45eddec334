"""One press of the browser's Back leads from a page to the one before it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_component = st.components.v2.component(
    "tidyset_back_button", js=(Path(__file__).parent / "back_button.js").read_text("utf-8")
)


def draw() -> None:
    """Put it into the page; nothing is seen of it."""
    with st.sidebar, st.container(key="back_button"):
        _component(key="back_button_entries")
