"""Statistics of two ways to train, each trained with several seeds, on the same items.

Two trained models differ by luck of the seed too, so a test on one pair of them (McNemar's) says which model
is better, not which way to train (Dietterich, Neural Computation 10, 1998). Here both the items and the seeds
count as drawn at random: the design of readers and cases in diagnostic studies, with its analysis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.evaluation.metrics import Floats, Ints
from core.evaluation.paired import FEWEST_DISCORDANT, tango_interval

Right = NDArray[np.bool_] | NDArray[np.int64]
_CHUNK = 128  # bootstrap draws at once: 128 draws of 10,000 items are 10 MB


@dataclass(frozen=True, slots=True)
class Effect:
    """How much more accurate one way to train is than another; shares of the items, second minus first.

    Attributes:
        difference: Mean accuracy of the second minus that of the first, over all seeds.
        ci95: 95 % interval for other seeds and other items of the same kind.
        p_value: Two-sided, of "both are equally accurate".
        standard_error: Of ``difference``, over items and seeds.
        df: Degrees of freedom that this error is known with.
        detectable: The true difference that these items and seeds would prove four times in five.
    """

    difference: float
    ci95: tuple[float, float]
    p_value: float
    standard_error: float
    df: float
    detectable: float


def effect(right: Right, first: int, second: int, *, most: float = 1.0) -> Effect:
    """Test two arms against each other, with items and seeds both drawn at random.

    The variance is that of the crossed random-effects model of Obuchowski and Rockette (Communications in
    Statistics 24, 1995), seeds as readers and items as cases, with the degrees of freedom of Hillis
    (Statistics in Medicine 26, 2007) less one of the seeds'. How much luck of the seed matters is judged by
    all arms together, and never below what the items explain. The p-value is the larger one of this and of
    the exact sign-flip test, so that few differing items prove nothing.

    Args:
        right: (A, S, n) bool, whether arm a trained with seed s is right about item i; or int64, how many of
            several answers about it are right. At least two seeds.
        first, second: Which arms.
        most: Answers that an item has on average: accuracy is right answers by answers.

    Raises:
        BadInput: Fewer than two arms, two seeds or two items.
    """
    if min(right.shape) < 2:
        raise BadInput(
            f"{right.shape[0]} arms, {right.shape[1]} seeds and {right.shape[2]} items cannot be compared.",
            "At least two of each are needed: one seed cannot tell a better way to train from luck.",
        )
    counts = right[second].astype(np.int64) - right[first]
    gap = counts / most
    difference = float(gap.mean())
    error, df = _standard_error(right / most, gap)
    flip = sign_flip(counts.sum(axis=0))
    if error == 0:
        n = gap.shape[1]
        low, high = tango_interval(n * (difference < 0), n * (difference > 0), n)
        return Effect(difference, (low, high), flip, 0.0, df, FEWEST_DISCORDANT / (most * n))
    from scipy import stats

    p_value = max(flip, 2 * float(stats.t.sf(abs(difference) / error, df)))
    half = float(stats.t.ppf(0.975, df)) * error
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    if p_value >= 0.05:  # the sign-flip test doubts it: so does the interval
        low, high = min(low, 0.0), max(high, 0.0)
    power = float(stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)) * error
    detectable = min(1.0, max(power, FEWEST_DISCORDANT / (most * gap.shape[1])))
    return Effect(difference, (low, high), p_value, error, df, detectable)


def _standard_error(right: Floats, gap: Floats) -> tuple[float, float]:
    """Of the mean of ``gap`` (S, n), and its degrees of freedom."""
    n_arms, n_seeds, n = right.shape
    by_seed, by_item, mean = gap.mean(axis=1), gap.mean(axis=0), gap.mean()
    ms_item = n_seeds * float(((by_item - mean) ** 2).sum()) / (n - 1)
    rest = gap - by_seed[:, None] - by_item[None, :] + mean
    ms_rest = float((rest**2).sum()) / ((n_seeds - 1) * (n - 1))
    accuracy = right.mean(axis=2)
    luck = accuracy - accuracy.mean(axis=1, keepdims=True) - accuracy.mean(axis=0) + accuracy.mean()
    seed_df = (n_arms - 1) * (n_seeds - 1)
    ms_seed = max(2 * n * float((luck**2).sum()) / seed_df, ms_rest)  # twice: a difference of two arms
    from_items = max(ms_item - ms_rest, 0.0)
    known = max(1, seed_df - 1)  # one held back, since the luck of two arms is not quite alike
    df = (ms_seed + from_items) ** 2 / (ms_seed**2 / known) if ms_seed else float(known)
    return math.sqrt((ms_seed + from_items) / (n_seeds * n)), df


def sign_flip(sums: Ints) -> float:
    """Two-sided p-value of the exact sign-flip test; of one seed it is McNemar's exact test.

    Were both arms alike, each item's difference could as well have the other sign. The sum over all items
    has then a distribution that is computed, not sampled (Fisher's randomisation test; Pesarin and Salmaso,
    Permutation Tests for Complex Data, 2010).

    Args:
        sums: (n,) int64, each item's difference summed over seeds: -S to S, or as far as its answers go.
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


@dataclass(frozen=True, slots=True)
class Intervals:
    """95 % bootstrap intervals of differences, second minus first."""

    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]


def bootstrap(
    labels: Ints, predicted_a: Ints, predicted_b: Ints, n_classes: int, *, n_draws: int = 2000, seed: int = 0
) -> Intervals:
    """Percentile intervals by a paired bootstrap over items and over seeds.

    Both are drawn with replacement, independently (the product bootstrap of Owen and Eckles, Annals of
    Applied Statistics 6, 2012); a drawn item brings all its predictions, a drawn seed both its arms.

    Args:
        labels: (n,) class indices, n at least 1.
        predicted_a, predicted_b: (S, n) class indices.
        n_classes: K.
    """
    kinds, counts = np.unique(np.vstack([labels, predicted_a, predicted_b]), axis=1, return_counts=True)
    truth, n_seeds = kinds[0], len(predicted_a)
    rng = np.random.default_rng(seed)
    found: list[Floats] = []
    for begin in range(0, n_draws, _CHUNK):
        size = min(_CHUNK, n_draws - begin)
        items = rng.multinomial(len(labels), counts / len(labels), size=size).astype(np.float32)
        seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=size) / n_seeds
        first = _scores(items, truth, kinds[1 : 1 + n_seeds], n_classes)
        second = _scores(items, truth, kinds[1 + n_seeds :], n_classes)
        found.append(((second - first) * seeds).sum(axis=2))
    low, high = np.quantile(np.concatenate(found, axis=1), [0.025, 0.975], axis=1)
    return Intervals((float(low[0]), float(high[0])), (float(low[1]), float(high[1])))


def _scores(items: NDArray[np.float32], truth: Ints, predicted: Ints, n_classes: int) -> Floats:
    """(2, draws, S) accuracy and macro-F1 of each seed in each draw of items."""
    found = np.empty((2, len(items), len(predicted)))
    support = items @ _one_hot(truth, n_classes)
    n = support.sum(axis=1)
    for s, guess in enumerate(predicted):
        hits = items @ (_one_hot(truth, n_classes) * (truth == guess)[:, None])
        twice = support + items @ _one_hot(guess, n_classes)
        f1 = np.divide(2 * hits, twice, out=np.zeros_like(hits), where=twice > 0)
        found[0, :, s] = hits.sum(axis=1) / n
        found[1, :, s] = f1.sum(axis=1) / (twice > 0).sum(axis=1)
    return found


def _one_hot(values: Ints, n_classes: int) -> NDArray[np.float32]:
    return np.asarray(values[:, None] == np.arange(n_classes), np.float32)
