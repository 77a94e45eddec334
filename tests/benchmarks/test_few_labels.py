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
    rows += [row("supervised-strong", 0, 0.65), row("supervised-strong", 1, 0.65)]
    supervised, strong, fixmatch = summary(rows)
    assert supervised["gain"] is None
    assert fixmatch["mean"] == pytest.approx(0.75)
    assert fixmatch["gain_interval"] == pytest.approx((0.1, 0.1))  # both seeds gained alike
    assert interval([0.5]) is None
    what, measured = few_labels({"summary": [supervised, strong, fixmatch]})[0]
    assert "250 labels" in what
    assert "mean of 2 seeds" in what
    assert (
        "fixmatch 0.750. fixmatch: +10.0 points (+10.0 to +10.0) over supervised, +10.0 points (" in measured
    )


def test_a_student_has_the_networks_of_the_bagging() -> None:
    by_method = {unit.method: unit for unit in units(["characters"], [0], [], 1)}
    assert by_method["bagging of 3"].networks == by_method["teacher-student"].networks
    assert by_method["bagging of 3"].key != by_method["teacher-student"].key


def test_every_training_is_named_once() -> None:
    wanted = units(["fashion", "characters"], [0, 1, 2], [40, 250], 1)
    assert len({unit.key for unit in wanted}) == len(wanted) == 2 * 3 * len(FASHION) + 2 * len(CHARACTERS)
