"""Every page of the app on some workspace, through AppTest: what it says, and whether it broke."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.frame import PAGES

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")
ALL = tuple(Path(file).stem for entries in PAGES.values() for file, _, _ in entries)
UNEXPLAINED = "Something went wrong on this page"


@dataclass(frozen=True)
class Seen:
    """What a page showed.

    Attributes:
        broke: What no person should see: exceptions, the message for what nobody thought of, and what the
            app's log says of it.
        errors: The messages of what is wrong.
        text: All that is written on it.
        n_shown: How many elements it has.
    """

    page: str
    broke: tuple[str, ...]
    errors: tuple[str, ...]
    text: str
    n_shown: int
    seconds: float


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(logging.Formatter().format(record))


@contextmanager
def errors_logged() -> Iterator[list[str]]:
    """What the app's log says meanwhile."""
    handler = _Kept()
    logging.getLogger("tidyset").addHandler(handler)
    try:
        yield handler.said
    finally:
        logging.getLogger("tidyset").removeHandler(handler)


def opened(page: str, data: str, **query: str) -> AppTest:
    """A new session that has opened a page."""
    test = AppTest.from_file(HOME, default_timeout=120)
    for name, value in {"data": data, **query}.items():
        test.query_params[name] = value
    return (test if page == "overview" else test.switch_page(f"../pages/{page}.py")).run()


def seen(page: str, data: str, **query: str) -> Seen:
    """Open a page in a new session, with nothing that this process knows from before."""
    st.cache_resource.clear()
    st.cache_data.clear()
    began = time.monotonic()
    with errors_logged() as logged:
        test = opened(page, data, **query)
    errors = [str(one.value) for one in test.error]
    broke = [f"{one.message}" for one in test.exception]
    broke += [one for one in errors if UNEXPLAINED in one] + logged
    texts = [str(getattr(one, "value", "")) for one in [*test.main, *test.sidebar]]
    texts += [str(getattr(one, "label", "")) for one in [*test.main, *test.sidebar]]
    return Seen(
        page,
        tuple(broke),
        tuple(errors),
        "\n".join(texts),
        sum(1 for _ in test.main),
        time.monotonic() - began,
    )


def walked(data: str, pages: Iterable[str] = ALL) -> list[Seen]:
    """Every page."""
    return [seen(page, data) for page in pages]
