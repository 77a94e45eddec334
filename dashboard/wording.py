"""Numbers, times and counted nouns as people read them; every page words them the same way."""

from __future__ import annotations

import re
import time

from core.wording import counted as counted
from core.wording import percent as percent

_OPENING = str.maketrans({mark: f"\\{mark}" for mark in "\\[]<>`*_$~"})
_NEGATIVE = re.compile(r"(?<![\w.])-(?=\d)")
_MARKDOWN = frozenset("\\`*_{}[]()#+-!|<>$:~")


def count(number: int) -> str:
    """70000 -> "70,000"."""
    return f"{number:,}"


def points(difference: float, digits: int = 1) -> str:
    """A difference of two shares, 0.006 -> "+0.6 pt", with a minus sign that is as wide as the plus."""
    return f"{100 * difference:+.{digits}f} pt".replace("-", "−")


def ago(at: float, now: float | None = None) -> str:
    """Unix time -> "just now", "4 min ago", "3 h ago", "2 days ago"."""
    seconds = (time.time() if now is None else now) - at
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86400:
        return f"{seconds // 3600:.0f} h ago"
    return f"{counted(int(seconds // 86400), 'day')} ago"


def duration(seconds: float) -> str:
    """75 -> "1 min 15 s"; 4000 -> "1 h 6 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plain(text: str) -> str:
    """Text from the data (a class name, a file name) with the characters that Markdown would read escaped."""
    return "".join(f"\\{character}" if character in _MARKDOWN else character for character in text)


def figures_in(sentence: str) -> str:
    """A sentence of core's, as ``plain``; "-0.6 to +8.3" gets the minus sign of ``points``."""
    return plain(_NEGATIVE.sub("−", sentence))


def as_text(sentence: str) -> str:
    """A sentence of ours with names in it: no link, picture, tag or emphasis comes of them.

    Unlike ``plain`` it leaves what cannot begin such a thing, so that our own words stay as they are.
    """
    return sentence.translate(_OPENING)
