"""The paired statistics against statsmodels, scipy, published figures and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from core.evaluation.paired import (
    detectable_difference,
    holm,
    mcnemar_exact,
    tango_interval,
    tango_score,
)


@settings(max_examples=100, deadline=None)
@given(only_a=st.integers(0, 400), only_b=st.integers(0, 400))
def test_mcnemar_equals_statsmodels(only_a: int, only_b: int) -> None:
    theirs = mcnemar([[50, only_a], [only_b, 50]], exact=True).pvalue
    assert mcnemar_exact(only_a, only_b) == pytest.approx(min(1.0, theirs), rel=1e-9)


def test_mcnemar_of_many_items_does_not_overflow() -> None:
    assert mcnemar_exact(50_000, 50_000) == pytest.approx(1.0)
    assert mcnemar_exact(40_000, 60_000) == 0.0
    assert mcnemar_exact(0, 0) == 1.0


def test_the_interval_is_that_of_tangos_paper() -> None:
    """The worked example of Tango (1998): 50 pairs, 12 and 2 discordant."""
    low, high = tango_interval(2, 12, 50)
    assert (low, high) == (pytest.approx(0.0611, abs=1e-4), pytest.approx(0.3447, abs=1e-4))


@settings(max_examples=40, deadline=None)
@given(only_a=st.integers(0, 30), only_b=st.integers(0, 30), alike=st.integers(1, 100))
def test_the_score_equals_one_from_a_numerically_restricted_likelihood(
    only_a: int, only_b: int, alike: int
) -> None:
    n, difference = only_a + only_b + alike, 0.07

    def unlikely(share_a: float) -> float:
        share_b = share_a + difference
        cells = np.array([share_a, share_b, 1 - share_a - share_b])
        return float(-(np.array([only_a, only_b, alike]) * np.log(np.maximum(cells, 1e-300))).sum())

    best = optimize.minimize_scalar(
        unlikely, bounds=(0, (1 - difference) / 2), method="bounded", options={"xatol": 1e-12}
    ).x
    variance = n * (2 * best + difference - difference**2)
    expected = (only_b - only_a - n * difference) / np.sqrt(variance)
    assert tango_score(only_a, only_b, n, difference) == pytest.approx(expected, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(only_a=st.integers(0, 50), only_b=st.integers(0, 50), alike=st.integers(0, 1000))
def test_the_interval_holds_the_difference(only_a: int, only_b: int, alike: int) -> None:
    n = max(1, only_a + only_b + alike)
    low, high = tango_interval(only_a, only_b, n)
    assert -1 <= low < (only_b - only_a) / n + 1e-12
    assert (only_b - only_a) / n - 1e-12 < high <= 1
    swapped = tango_interval(only_b, only_a, n)
    assert (swapped[0], swapped[1]) == (pytest.approx(-high), pytest.approx(-low))


def test_the_interval_covers_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    n, share_a, share_b = 300, 0.03, 0.06
    covered = 0
    for only_a, only_b, _ in rng.multinomial(n, [share_a, share_b, 1 - share_a - share_b], size=800):
        low, high = tango_interval(int(only_a), int(only_b), n)
        covered += low <= share_b - share_a <= high
    assert 0.93 <= covered / 800 <= 0.97


def test_the_detectable_difference_has_a_power_of_80_percent() -> None:
    rng = np.random.default_rng(1)
    n, disagreeing = 1000, 0.10
    difference = detectable_difference(int(n * disagreeing), n)
    shares = [(disagreeing - difference) / 2, (disagreeing + difference) / 2, 1 - disagreeing]
    draws = rng.multinomial(n, shares, size=500)
    shown = np.mean([mcnemar_exact(int(a), int(b)) < 0.05 for a, b, _ in draws])
    assert 0.76 <= shown <= 0.86
    assert detectable_difference(0, 1000) == pytest.approx(0.006, abs=0.002)


def test_holm_equals_statsmodels() -> None:
    p_values = np.array([0.01, 0.2, 0.04, 0.9, 0.001, 0.04])
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])
