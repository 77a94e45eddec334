"""Statistics of two ways to train, each trained with several seeds, on the same items or groups of items.

Two trained models differ by luck of the seed too, so a test on one pair of them (McNemar's) says which model
is better, not which way to train (Dietterich, Neural Computation 10, 1998). Here both the items and the seeds
count as drawn at random: the design of readers and cases in diagnostic studies, with its analysis. Of one
seed and no control arm only the items are left: that is the comparison of two models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.evaluation.paired import FEWEST_DISCORDANT, tango_interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Right = NDArray[np.bool_] | NDArray[np.int64]
LEVEL = 0.05
POWER = 0.8
OWN_LUCK = 1.5
"""Two arms whose luck is that many times the pooled one are judged by their own."""


@dataclass(frozen=True, slots=True)
class Effect:
    """How much better one way to train is than another; shares, second minus first.

    Attributes:
        difference: Mean score of the second minus that of the first, over all seeds.
        ci95: 95 % interval for other seeds and other items (or groups) of the same kind.
        p_value: Two-sided, of "both are equally good".
        standard_error: Of ``difference``, over items and seeds.
        df: Degrees of freedom that this error is known with.
        detectable: The minimum detectable difference: a true difference of that size is found with a power
            of 80 %.
        n_units: Items, or groups where items belong together.
    """

    difference: float
    ci95: tuple[float, float]
    p_value: float
    standard_error: float
    df: float
    detectable: float
    n_units: int


def effect(
    right: Right,
    first: int,
    second: int,
    *,
    asked: Ints | None = None,
    groups: NDArray[Any] | None = None,
    level: float = LEVEL,
) -> Effect:
    """Test two arms against each other, with items (or groups of them) and seeds both drawn at random.

    The variance is that of the crossed random-effects model of Obuchowski and Rockette (Communications in
    Statistics 24, 1995), seeds as readers and items as cases, with the degrees of freedom of Hillis
    (Statistics in Medicine 26, 2007). How much luck of the seed matters is judged by
    all arms together, and never below what the items explain; two arms with much more luck than the others
    are judged by their own. The p-value is the larger one of this and of the exact sign-flip test, so that
    few differing items prove nothing: with fewer than six, no p-value is below 0.05.

    Args:
        right: (A, S, n) bool, whether arm a trained with seed s is right about item i; or int64, how many of
            several answers about it are right. At least two seeds.
        first, second: Which arms.
        asked: (n,) answers of each item; one each where not given. The score is right answers by answers.
        groups: (n,) which group an item belongs to; groups are drawn whole. None: each item by itself.
        level: Of the test that ``detectable`` is about.

    Raises:
        BadInput: Fewer than two arms, two seeds or two items.
    """
    if min(right.shape) < 2:
        raise BadInput(
            f"{right.shape[0]} arms, {right.shape[1]} seeds and {right.shape[2]} items cannot be compared.",
            "At least two of each are needed: one seed cannot tell a better way to train from luck.",
        )
    answers = np.ones(right.shape[2], np.int64) if asked is None else asked
    sums = (right[second].astype(np.int64) - right[first]).sum(axis=0)
    flip = sign_flip(grouped_sums(sums, groups))
    model = crossed(units(right, answers, groups), first, second, level=level)
    least = least_detectable(len(np.unique(groups)) if groups is not None else len(answers))
    if model.standard_error == 0:
        n = model.n_units
        low, high = tango_interval(n * (model.difference < 0), n * (model.difference > 0), n)
        return Effect(model.difference, (low, high), flip, 0.0, model.df, least, n)
    p_value = max(flip, model.p_value)
    low, high = (min(1.0, max(-1.0, bound)) for bound in model.ci95)
    if p_value >= LEVEL:  # the sign-flip test doubts it: so does the interval
        low, high = min(low, 0.0), max(high, 0.0)
    detectable = min(1.0, max(model.detectable, least / float(answers.mean())))
    return Effect(
        model.difference, (low, high), p_value, model.standard_error, model.df, detectable, model.n_units
    )


def least_detectable(n_units: int) -> float:
    """The difference that six of ``n_units`` make: with fewer, the exact test cannot reach 5 %."""
    return min(1.0, FEWEST_DISCORDANT / n_units)


def units(right: NDArray[Any], asked: Ints, groups: NDArray[Any] | None = None) -> Floats:
    """(A, S, U) the score of each arm and seed as a mean over items or groups.

    Where items have different numbers of answers, or groups different sizes, the score is a ratio of sums;
    the values are then its linear part, so that their mean is the score and their variance the ratio's
    (Cochran, Sampling Techniques, 1977, chapter 6).

    Args:
        right: (A, S, n) right answers; asked: (n,) answers; groups: (n,) or None.
    """
    score = right.sum(axis=2, keepdims=True) / asked.sum()
    return np.asarray(score + over_groups((right - score * asked) / asked.mean(), groups))


def over_groups(values: Floats, groups: NDArray[Any] | None) -> Floats:
    """(A, S, G) the parts (A, S, n) of a mean over items as parts of a mean over groups."""
    if groups is None:
        return values
    names, index = np.unique(groups, return_inverse=True)
    flat = values.reshape(-1, values.shape[-1])
    sums = np.stack([np.bincount(index, row, minlength=len(names)) for row in flat])
    shape = (*values.shape[:-1], len(names))
    return np.asarray(sums * (len(names) / values.shape[-1]), np.float64).reshape(shape)


def grouped_sums(values: Ints, groups: NDArray[Any] | None) -> Ints:
    """(G,) sums of ``values`` (n,) over each group; the values themselves without groups."""
    if groups is None:
        return values
    index = np.unique(groups, return_inverse=True)[1]
    return np.bincount(index, values).round().astype(np.int64)


def crossed(values: Floats, first: int, second: int, *, level: float = LEVEL) -> Effect:
    """The crossed model alone, for any score that is a mean of ``values`` (A, S, U) over its last axis."""
    from scipy import stats

    gap = values[second] - values[first]
    difference = float(gap.mean())
    error, df = _standard_error(values, first, second)
    if error == 0:
        return Effect(difference, (difference, difference), 1.0, 0.0, df, 0.0, gap.shape[1])
    p_value = 2 * float(stats.t.sf(abs(difference) / error, df))
    half = float(stats.t.ppf(0.975, df)) * error
    detectable = detectable_difference(error, df, gap.shape[1], level)
    return Effect(
        difference, (difference - half, difference + half), p_value, error, df, detectable, gap.shape[1]
    )


def detectable_difference(error: float, df: float, n_units: int, level: float = LEVEL) -> float:
    """The true difference that is found with a power of 80 %, given the standard error that was seen.

    A difference makes items (or groups) differ, and so adds at least the variance of a share of that size.
    """
    return detectable_by(detectable_errors(df, level), error, n_units)


def detectable_by(errors: float, error: float, n_units: int) -> float:
    """The same, where a true difference must be so many ``errors``."""
    found = 0.0
    for _ in range(20):  # to a fixed point
        share = min(found, 0.5)
        found = errors * math.sqrt(error**2 + share * (1 - share) / n_units)
    return found


def detectable_errors(df: float, level: float = LEVEL) -> float:
    """How many standard errors a true difference must be for a power of 80 % of a t-test.

    By the noncentral t distribution, at ``df`` degrees of freedom: 2.8 for many, 5.6 for two.
    """
    from scipy import optimize, special, stats

    critical = float(stats.t.isf(level / 2, df))

    def missing(errors: float) -> float:
        return 1 - float(special.nctdtr(df, errors, critical)) - POWER

    return float(optimize.brentq(missing, 0.0, 4 * critical + 10))


def _standard_error(values: Floats, first: int, second: int) -> tuple[float, float]:
    """Of the mean difference of two arms of ``values`` (A, S, n), and its degrees of freedom."""
    n_arms, n_seeds, n = values.shape
    gap = values[second] - values[first]
    by_seed, by_item, mean = gap.mean(axis=1), gap.mean(axis=0), gap.mean()
    ms_item = n_seeds * float(((by_item - mean) ** 2).sum()) / (n - 1)
    rest = gap - by_seed[:, None] - by_item[None, :] + mean
    ms_rest = float((rest**2).sum()) / ((n_seeds - 1) * (n - 1))
    score = values.mean(axis=2)
    luck = score - score.mean(axis=1, keepdims=True) - score.mean(axis=0) + score.mean()
    seed_df = (n_arms - 1) * (n_seeds - 1)
    pooled = max(2 * n * float((luck**2).sum()) / seed_df, ms_rest)  # twice: a difference of two arms
    own = n * float(by_seed.var(ddof=1))
    ms_seed, known = pooled, seed_df
    if n_seeds == 2:  # two seeds tell nothing of an arm's own luck; one degree is held back for it
        known = max(1, seed_df - 1)
    elif own > OWN_LUCK * pooled:
        ms_seed, known = own, n_seeds - 1
    from_items = max(ms_item - ms_rest, 0.0)
    below = ms_seed**2 / known + from_items**2 / (n - 1)
    df = (ms_seed + from_items) ** 2 / below if below else float(known)
    return math.sqrt((ms_seed + from_items) / (n_seeds * n)), df


def sign_flip(sums: Ints) -> float:
    """Two-sided p-value of the exact sign-flip test; of one seed it is McNemar's exact test.

    Were both arms alike, each item's difference could as well have the other sign. The sum over all items
    has then a distribution that is computed, not sampled (Fisher's randomisation test; Pesarin and Salmaso,
    Permutation Tests for Complex Data, 2010).

    Args:
        sums: (n,) int64, the difference of each item (or group) summed over seeds.
    """
    sizes = np.abs(sums)
    distribution = np.ones(1)
    for size in range(1, int(sizes.max(initial=0)) + 1):
        n = int((sizes == size).sum())
        if n:
            stretched = np.zeros(size * n + 1)
            stretched[::size] = _fair_coins(n)
            distribution = _convolved(distribution, stretched)
    # The sum of all is 2 x - total for x, the sizes of the items that keep a plus.
    total = int(sizes.sum())
    away = abs(int(sums.sum()))
    values = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(distribution[values >= away].sum()))


def _fair_coins(n: int) -> Floats:
    """(n + 1,) the probability of each number of heads of n fair coins."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return np.asarray(np.exp(log_factorial[n] - log_factorial - log_factorial[::-1] - n * math.log(2)))


def _convolved(one: Floats, other: Floats) -> Floats:
    if min(len(one), len(other)) < 2_000:
        return np.asarray(np.convolve(one, other), np.float64)
    from scipy import signal

    return np.asarray(np.maximum(signal.fftconvolve(one, other), 0.0), np.float64)
