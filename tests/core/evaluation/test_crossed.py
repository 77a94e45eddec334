"""The statistics of arms, seeds and items: against exact tests, against each other, and on null worlds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.prove_null import false_positives, false_positives_of_looks, world
from core.errors import BadInput
from core.evaluation.crossed import effect, sign_flip
from core.evaluation.paired import mcnemar_exact


@settings(max_examples=60, deadline=None)
@given(only_a=st.integers(0, 60), only_b=st.integers(0, 60), alike=st.integers(0, 20))
def test_the_sign_flip_test_of_one_seed_is_mcnemars(only_a: int, only_b: int, alike: int) -> None:
    sums = np.array([-1] * only_a + [1] * only_b + [0] * alike, np.int64)
    assert sign_flip(sums) == pytest.approx(mcnemar_exact(only_a, only_b), rel=1e-9)


def test_the_sign_flip_test_counts_every_way_to_flip() -> None:
    sums = np.array([3, 2, -1, 2, 1, 0, 3], np.int64)
    flips = np.array(np.meshgrid(*[[-1, 1]] * len(sums))).reshape(len(sums), -1)
    expected = float((np.abs(sums @ flips) >= abs(sums.sum())).mean())
    assert sign_flip(sums) == pytest.approx(expected)


def test_the_sign_flip_test_of_many_items_agrees_with_the_normal_distribution() -> None:
    sums = np.random.default_rng(0).integers(-3, 4, 20_000)
    z = sums.sum() / np.sqrt((sums**2).sum())
    assert sign_flip(sums) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=0.01)


def test_without_luck_of_the_seed_the_error_is_that_of_the_items() -> None:
    """All seeds alike: the items' mean differences are all there is, as in a paired t-test."""
    rng = np.random.default_rng(0)
    one = rng.random((2, 1, 500)) < 0.8
    found = effect(np.repeat(one, 3, axis=1), 0, 1)
    gap = one[1, 0].astype(float) - one[0, 0]
    assert found.difference == pytest.approx(gap.mean())
    assert found.standard_error == pytest.approx(gap.std(ddof=1) / np.sqrt(500))
    assert found.p_value >= mcnemar_exact(int((gap < 0).sum()), int((gap > 0).sum())) * 0.99


def test_luck_of_the_seed_widens_the_interval() -> None:
    """Two arms of equal mean accuracy whose seeds differ by far more than the items explain."""
    right = np.zeros((2, 3, 1000), bool)
    for arm, hits in enumerate(((700, 800, 900), (900, 800, 700))):
        for seed, n in enumerate(hits):
            right[arm, seed, :n] = True
    found = effect(right, 0, 1)
    between = stats.tstd([0.2, 0.0, -0.2]) / np.sqrt(3)
    assert found.standard_error == pytest.approx(between, rel=0.05)
    assert found.ci95[1] - found.ci95[0] > 2 * 1.96 * between
    assert found.p_value == pytest.approx(1.0)


def test_a_large_gain_is_proven_and_a_tiny_set_proves_nothing() -> None:
    right = np.zeros((2, 3, 1000), bool)
    right[0, :, :700], right[1, :, :760] = True, True
    found = effect(right, 0, 1)
    assert found.difference == pytest.approx(0.06)
    assert found.p_value < 0.001
    assert 0.04 < found.ci95[0] < 0.06 < found.ci95[1] < 0.08
    few = effect(right[:, :, 695:705], 0, 1)
    assert few.difference == 0.5
    assert few.p_value >= 2 / 2**5, "five items, each better: what the exact test says, or more"
    assert few.ci95[0] <= 0


def test_equal_answers_are_no_difference_with_an_interval_that_has_a_width() -> None:
    right = np.repeat((np.random.default_rng(0).random(200) < 0.8)[None, None], 2, axis=0).repeat(3, axis=1)
    found = effect(right, 0, 1)
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.ci95[0] < 0 < found.ci95[1]
    assert found.detectable == pytest.approx(6 / 200)


@pytest.mark.parametrize("shape", [(2, 1, 100), (1, 3, 100), (2, 3, 1)])
def test_too_little_to_compare_is_said(shape: tuple[int, int, int]) -> None:
    with pytest.raises(BadInput, match="At least two of each"):
        effect(np.ones(shape, bool), 0, shape[0] - 1)


@pytest.mark.parametrize(("luck", "taste"), [(0.0, 0.0), (0.0, 1.0), (0.15, 0.5), (0.3, 1.0)])
def test_where_nothing_differs_at_most_one_verdict_in_twenty_says_otherwise(
    luck: float, taste: float
) -> None:
    """400 null worlds each; 5 % would be 20, and 31 is what chance allows one time in a hundred."""
    n_false = false_positives(n_worlds=400, n_items=800, luck=luck, taste=taste, seed=1)["crossed"]
    assert n_false <= 31


def test_one_seed_would_be_fooled_by_luck() -> None:
    """What the combined test is for: McNemar's on one pair of models finds differences that are luck."""
    found = false_positives(n_worlds=200, n_items=800, luck=0.3, taste=0.0, seed=1)
    assert found["mcnemar_one_seed"] > 60
    assert found["items_only"] > 60
    assert found["crossed"] <= 18


def test_looking_again_with_more_seeds_until_p_is_small_is_paid_for() -> None:
    found = false_positives_of_looks(n_worlds=150, n_items=300, luck=0.15, taste=0.5, looks=[2, 4, 6, 8])
    assert found["naive"] > found["paid"]
    assert found["paid"] <= 15


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(3)
    null = [effect(world(rng, n_items=1500, luck=0.0, taste=1.0), 0, 1) for _ in range(100)]
    target = float(np.median([one.detectable for one in null]))
    shifted = [effect(world(rng, n_items=1500, luck=0.0, taste=1.0, gain=0.29), 0, 1) for _ in range(200)]
    gain = float(np.mean([one.difference for one in shifted]))
    assert gain == pytest.approx(target, rel=0.25)
    assert 0.6 < np.mean([one.p_value < 0.05 for one in shifted]) < 0.97
