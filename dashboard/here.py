"""What a page remembers only while it stays open: all of it is forgotten as soon as another page is shown."""

from __future__ import annotations

from typing import Any

import streamlit as st

_PAGE, _KEPT = "here_page", "here_kept"


def arrive(page: str) -> None:
    """Note that ``page`` is being shown."""
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        st.session_state[_KEPT] = {}


def kept() -> dict[str, Any]:
    """What the present page has put here since it was opened."""
    found: dict[str, Any] = st.session_state.setdefault(_KEPT, {})
    return found
