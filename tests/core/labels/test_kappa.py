"""Kappas against scikit-learn and statsmodels, where chance alone agrees and where nobody ever does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from core.labels.kappa import cohen, fleiss, krippendorff


@pytest.mark.parametrize("seed", range(20))
def test_cohen_is_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.choice(list("abc"), 15), rng.choice(list("bcd"), 15)
    second = np.where(rng.random(15) < 0.5, first, second)
    found = cohen(list(zip(first.tolist(), second.tolist(), strict=True)), n_draws=10)
    assert found.value == pytest.approx(cohen_kappa_score(first, second))


@pytest.mark.parametrize(
    ("both", "right"),
    [
        ([("a", "b")] * 12, 0.0),  # each of them always says one thing, and never the same
        ([("a", "b")] * 6 + [("b", "a")] * 6, -1.0),
        ([("a", "a")] * 11 + [("a", "b")], 0.0),  # one of them says a throughout
        ([("a", "b")], 0.0),
    ],
)
def test_disagreement_has_a_kappa(both: list[tuple[str, str]], right: float) -> None:
    found = cohen(both, n_draws=50)
    assert found.value == pytest.approx(right)
    assert found.ci95 is not None
    assert found.ci95[0] <= right <= found.ci95[1]
    assert found.strength == "no better than chance"


def test_only_one_class_throughout_has_none() -> None:
    for found in (cohen([("a", "a")] * 5), fleiss([["a"] * 3] * 5), krippendorff([["a", "a"]] * 5)):
        assert (found.value, found.ci95, found.agreed, found.strength) == (None, None, 1.0, "")


def test_the_others_of_nobody_agreeing() -> None:
    assert fleiss([["a", "b"]] * 12, n_draws=10).value == pytest.approx(-1)
    assert krippendorff([["a", "b"]] * 12, n_draws=10).value == pytest.approx(
        1 - 23 * 24 / (24**2 - 2 * 12**2)
    )
