"""Errors as messages: a page shows a sentence and the mend, never a traceback."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence

import streamlit as st

from core.errors import ImportRejected, TidysetError
from dashboard.wording import counted, plain

_log = logging.getLogger("tidyset")


@contextlib.contextmanager
def shown_as_message() -> Iterator[None]:
    """Show an exception of the enclosed block as a message in its place. Also wrap fragments in it."""
    try:
        yield
    except Exception as error:
        show_error(error)


def show_damaged(messages: Sequence[str], noun: str) -> None:
    """A button that tells what could not be read and was left out; nothing where there is none."""
    if messages:
        label = f"{counted(len(messages), noun)} cannot be read"
        with st.popover(label, icon=":material/warning:", type="tertiary"):
            for message in messages:
                st.markdown(plain(message))


def _no_links(text: str) -> str:
    """A message with its marks of code, but what comes from a file makes no link and fetches no picture."""
    return text.replace("[", "\\[").replace("<", "\\<")


def show_error(error: Exception) -> bool:
    """Draw the message for ``error``. Returns True: Streamlit, whose last net this is, then adds nothing."""
    if isinstance(error, ImportRejected):
        st.error(f"{counted(len(error.problems), 'problem')} found. {error.mend}", icon=":material/error:")
        rows = [{"File": p.file, "Row": p.row, "Problem": p.what, "Mend": p.mend} for p in error.problems]
        st.dataframe(rows, hide_index=True)
    elif isinstance(error, TidysetError):
        st.error(_no_links(error.problem), icon=":material/error:")
        if error.mend:
            st.info(_no_links(error.mend), icon=":material/build:")
    else:
        _log.error("A page failed", exc_info=error)
        st.error(
            "Something went wrong on this page. Nothing that was saved is lost.", icon=":material/error:"
        )
        st.info(
            "Reload the page. If it happens again, the server's log has the details to report.",
            icon=":material/build:",
        )
    return True
