"""What surrounds every page: navigation, the data-set picker, the tour, the heading, the net for errors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import streamlit as st

from dashboard import back_button, here, picker, sign_in, stale, tour, waiting
from dashboard.errors import shown_as_message
from dashboard.wording import as_text

PAGES = {
    "": [("overview.py", "Home", ":material/home:")],
    "Data": [
        ("explore.py", "Explore", ":material/photo_library:"),
        ("clean.py", "Clean", ":material/cleaning_services:"),
    ],
    "Models": [
        ("train.py", "Train", ":material/model_training:"),
        ("evaluate.py", "Evaluate", ":material/grid_on:"),
        ("embeddings.py", "Embeddings", ":material/scatter_plot:"),
        ("zero_shot.py", "Zero-shot", ":material/translate:"),
    ],
    "Labels": [
        ("issues.py", "Issues", ":material/troubleshoot:"),
        ("relabel.py", "Relabel", ":material/fact_check:"),
        ("label_next.py", "Label next", ":material/next_plan:"),
        ("fill.py", "Fill in", ":material/auto_fix_high:"),
        ("agreement.py", "Agreement", ":material/group:"),
        ("team.py", "Team", ":material/groups:"),
        ("history.py", "History", ":material/history:"),
        ("prove.py", "Prove", ":material/verified:"),
    ],
}
_STATIC = Path(__file__).parent / "static"


class _Ended(BaseException):
    """Leaves a page early; no ``except Exception`` on the way up stops it."""


def end_page() -> NoReturn:
    """Leave the page: what is drawn is all there is.

    Not ``st.stop()``: that throws away a button of a fragment that was pressed while the page was still at
    work (Streamlit 1.67 keeps the press for after the run, and its stop forgets what it keeps).
    """
    raise _Ended


def show() -> None:
    """Draw the frame and, inside it, the page that the address names."""
    st.set_page_config(page_title="Tidyset", page_icon=_STATIC / "icon.png", layout="wide")
    st.html(_STATIC / "frame.css")
    st.logo(_STATIC / "logo.svg", icon_image=_STATIC / "icon.svg", size="large")
    pages = {
        section: [
            st.Page(f"../pages/{file}", title=title, icon=icon, default=file == "overview.py")
            for file, title, icon in entries
        ]
        for section, entries in PAGES.items()
    }
    admitted = sign_in.is_admitted()
    # Expanded, else the last pages hide behind "View more".
    page = st.navigation(pages, expanded=True, position="sidebar" if admitted else "hidden")
    with shown_as_message():
        if not admitted:
            sign_in.draw()
            return
        here.arrive(page.url_path)
        back_button.draw()
        picker.draw()
        waiting.draw()
        tour.draw(page.url_path)
        stale.draw("data set")
        sign_in.draw_account()
        sign_in.note_presence(page.title)
        with contextlib.suppress(_Ended):
            page.run()


def header(title: str, sentence: str, action: Callable[[], None] | None = None) -> None:
    """The heading of every page: its title, one sentence on what it is for, and its main button.

    Args:
        title: The page's name, or that of the thing it shows.
        sentence: What it is for, or what it shows; plain text.
        action: Draws what stands at the right of the title, usually one ``st.button(type="primary")``.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="page_header"):
        with st.container(gap=None, key="page_words"):
            st.title(as_text(title), anchor=False)
            st.caption(as_text(sentence))
        if action is not None:
            with st.container(width="content", horizontal=True, horizontal_alignment="right"):
                action()
