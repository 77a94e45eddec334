"""Numbers and times in words."""

from __future__ import annotations

import math

import pytest

from dashboard import wording


def test_counts_and_shares() -> None:
    assert wording.count(70_000) == "70,000"
    assert wording.counted(1, "run") == "1 run"
    assert wording.counted(2, "class", "classes") == "2 classes"
    assert wording.percent(0.9345) == "93.5 %"
    assert wording.percent(math.nan) == "–"
    assert wording.points(-0.006) == "−0.6 pt"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "just now"), (240, "4 min ago"), (7200, "2 h ago"), (90_000, "1 day ago"), (200_000, "2 days ago")],
)
def test_ago(seconds: float, words: str) -> None:
    assert wording.ago(1_000_000 - seconds, now=1_000_000) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(59.4, "59 s"), (75, "1 min 15 s"), (4000, "1 h 6 min"), (3600, "1 h 0 min")]
)
def test_duration(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


def test_text_from_the_data_is_never_markdown() -> None:
    assert wording.plain("*bold* [x](http://y) $a$ :red[z]") == (
        "\\*bold\\* \\[x\\]\\(http\\://y\\) \\$a\\$ \\:red\\[z\\]"
    )
    assert wording.plain("Ankle boot") == "Ankle boot"


def test_a_sentence_with_figures_gets_true_minus_signs() -> None:
    assert wording.figures_in("r1-2 is (-0.6 to +8.3) of 2-3") == wording.plain(
        "r1-2 is (−0.6 to +8.3) of 2-3"
    )
