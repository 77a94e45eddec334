"""A bar over what a page waits for."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

import streamlit as st

from dashboard.wording import duration

_REDRAWN_SECONDS = 0.1


@contextlib.contextmanager
def progress(text: str) -> Iterator[Callable[[float], None]]:
    """A callable that draws a progress bar, with the time left, once it is called with a share (0 to 1); gone
    when the block ends, by an error too. It may be called as often as is convenient.
    """
    place, began, drawn = st.empty(), time.monotonic(), -math.inf

    def draw(share: float) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn >= _REDRAWN_SECONDS:
            drawn = now
            place.progress(min(share, 1.0), f"{text}{time_left(share, now - began)}")

    try:
        yield draw
    finally:
        place.empty()


def time_left(share: float, took: float) -> str:
    """As in "Reading, 40 s left", of work of which ``share`` (0 to 1) took ``took`` seconds."""
    return f", {duration(took * (1 / share - 1))} left" if took > 1 and 0 < share < 1 else ""
