"""The statistics of arms, seeds and items: against exact tests, against each other, and on null worlds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.prove_null import WORLDS, detectable_power, simulate, world
from core.errors import BadInput
from core.evaluation.crossed import detectable_errors, effect, sign_flip
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


# 150 null worlds each: 5 % would be 7.5, and 15 is what chance allows one time in a hundred.
@pytest.mark.parametrize(
    "name",
    [name for name in WORLDS if name not in ("twenty looks", "ten seeds", "luck, no taste", "unequal luck")],
)
def test_where_nothing_differs_at_most_one_verdict_in_twenty_says_otherwise(name: str) -> None:
    p_values = simulate(name, n_worlds=150, n_items=300)["ours"]
    assert (p_values < 0.05).sum() <= 15


def test_what_the_verdict_is_for() -> None:
    """Simpler tests find differences that are luck, copies, tries, or many labels of one image."""
    naive = {
        ("much luck", "mcnemar_one_seed"): 15,
        ("much luck", "items_only"): 15,
        ("groups of 20", "mcnemar_one_seed"): 50,
        ("twenty looks", "naive"): 15,
        ("placebo", "comparison_of_means"): 10,
        ("two models, groups of 5", "mcnemar"): 20,
        ("one image", "mcnemar_of_all_labels"): 60,
    }
    for (name, test), at_least in naive.items():
        p_values = simulate(name, n_worlds=80, n_items=300)[test]
        assert 100 * (p_values < 0.05).mean() >= at_least, (name, test)


def test_a_first_look_is_no_weaker_than_the_paired_t_test() -> None:
    for name in ("plain", "luck, no taste", "few seeds"):
        found = simulate(name, n_worlds=150, n_items=500, gain=0.8)
        ours, theirs = ((found[test] < 0.05).mean() for test in ("ours", "paired_t"))
        assert ours >= theirs - 0.02, name


@pytest.mark.parametrize("n_seeds", [2, 3])
def test_the_detectable_difference_is_found_four_times_in_five(n_seeds: int) -> None:
    found = detectable_power(n_seeds=n_seeds, n_worlds=120, n_items=800)
    assert 0.72 <= found["rate"] <= 0.95


def test_the_noncentral_t_gives_the_power() -> None:
    """Against a plain simulation of t-tests with two degrees of freedom."""
    rng = np.random.default_rng(0)
    errors = detectable_errors(2)
    t = (rng.normal(size=40_000) + errors) / np.sqrt(rng.chisquare(2, 40_000) / 2)
    assert (abs(t) > stats.t.isf(0.025, 2)).mean() == pytest.approx(0.8, abs=0.01)
    assert detectable_errors(1e6) == pytest.approx(2.8016, abs=1e-3)


def test_an_arm_with_much_more_luck_is_judged_by_its_own() -> None:
    right = world(np.random.default_rng(0), n_items=1000, luck=(0.02, 1.0, 0.02, 0.02), n_seeds=5)
    gaps = right[1].mean(axis=1) - right[0].mean(axis=1)
    found = effect(right, 0, 1)
    assert found.standard_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(5), rel=0.1)
    assert found.df < 6
