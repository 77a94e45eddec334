"""Counts and shares as people read them; commands, reports and pages word them the same way."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """(1, "run") -> "1 run"; (2, "run") -> "2 runs"; (2, "class", "classes") -> "2 classes"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float, digits: int = 1) -> str:
    """0.9345 -> "93.5 %"; a share that is not a number -> "–"."""
    return "–" if share != share else f"{100 * share:.{digits}f} %"
