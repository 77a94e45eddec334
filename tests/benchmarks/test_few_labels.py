"""The benchmark's sums, without its trainings."""

from __future__ import annotations

import pytest

from benchmarks.few_labels import CHARACTERS, FASHION, interval, summary, units
from benchmarks.readme import few_labels


def row(method: str, seed: int, score: float) -> dict[str, object]:
    return {"part": "fashion", "n_labelled": 250, "method": method, "seed": seed, "score": score}


def test_gains_are_taken_seed_by_seed() -> None:
    rows = [row("supervised", 0, 0.7), row("supervised", 1, 0.6)]
    rows += [row("fixmatch", 0, 0.8), row("fixmatch", 1, 0.7)]
    supervised, fixmatch = summary(rows)
    assert supervised["gain"] is None
    assert fixmatch["mean"] == pytest.approx(0.75)
    assert fixmatch["gain_interval"] == pytest.approx((0.1, 0.1))  # both seeds gained alike
    assert interval([0.5]) is None
    what, measured = few_labels({"summary": [supervised, fixmatch]})[0]
    assert "250 labels" in what
    assert "fixmatch 0.750 (+10.0 to +10.0 points)" in measured


def test_every_training_is_named_once() -> None:
    wanted = units(["fashion", "characters"], [0, 1, 2], [40, 250], 1)
    assert len({unit.key for unit in wanted}) == len(wanted) == 2 * 3 * len(FASHION) + 2 * len(CHARACTERS)
