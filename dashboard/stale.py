"""An address that names what is not there: what is shown instead is said, while the page stays open."""

from __future__ import annotations

import streamlit as st

from dashboard import here
from dashboard.wording import plain


def note(noun: str, asked: str, shown: str) -> None:
    """Remember that the address asked for a ``noun`` called ``asked``, and that ``shown`` is there instead.

    Args:
        noun: "data set", "run".
        asked: What the address says; "" where it asked for nothing that is missing.
        shown: The name of what is shown; "" for none.
    """
    kept, key = here.kept(), f"stale_{noun}"
    if asked:
        kept[key] = (asked, shown)
    elif key in kept and kept[key][1] != shown:
        del kept[key]  # another was chosen since


def draw(noun: str) -> None:
    """Say it, where there is anything to say."""
    if told := here.kept().get(f"stale_{noun}"):
        asked, shown = map(plain, told)
        instead = f"this is {shown}" if shown else "so none is shown"
        st.info(f"There is no {noun} {asked}; {instead}.", icon=":material/link_off:")
