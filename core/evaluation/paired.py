"""Statistics of two models on the same items: McNemar's test, Tango's interval, a paired bootstrap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from core.evaluation.metrics import Ints

Z_95 = 1.959963984540054  # two-sided 95 % of the normal distribution
Z_POWER_80 = 0.8416212335729143  # one-sided 80 %
FEWEST_DISCORDANT = 6  # with fewer items that only one got right, the exact test cannot reach 5 %


def mcnemar_exact(n_only_a: int, n_only_b: int) -> float:
    """Two-sided p-value of the exact McNemar test (binomial on the discordant pairs).

    Args:
        n_only_a: Items that only the first model got right.
        n_only_b: Items that only the second got right.

    Returns:
        The probability, were both equally good, of counts at least as unequal; 1.0 when both are 0.
    """
    n = n_only_a + n_only_b
    fewer = min(n_only_a, n_only_b)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(fewer + 1)
    log_share = log_factorial[n] - log_factorial[k] - log_factorial[n - k] - n * math.log(2)
    return min(1.0, 2 * float(np.exp(log_share).sum()))


def tango_interval(n_only_a: int, n_only_b: int, n: int) -> tuple[float, float]:
    """95 % score interval of the difference of two paired shares, second minus first.

    It inverts the test whose value at zero is McNemar's, so it stays inside -1 to 1 and has a width even
    where the models never disagree. Tango, Statistics in Medicine 17 (1998), 891-908.

    Args:
        n_only_a: Items that only the first model got right.
        n_only_b: Items that only the second got right.
        n: All items, at least 1.
    """
    return _score_bound(n_only_a, n_only_b, n, Z_95), _score_bound(n_only_a, n_only_b, n, -Z_95)


def tango_score(n_only_a: int, n_only_b: int, n: int, difference: float) -> float:
    """The score statistic for a true ``difference``; falls as it grows, standard normal if it holds."""
    slope = 2 * n
    linear = -n_only_b - n_only_a + (2 * n - n_only_b + n_only_a) * difference
    constant = -n_only_a * difference * (1 - difference)
    share = (math.sqrt(max(0.0, linear**2 - 4 * slope * constant)) - linear) / (2 * slope)
    variance = n * (2 * share + difference * (1 - difference))
    gap = n_only_b - n_only_a - n * difference
    if variance <= 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    return gap / math.sqrt(variance)


def _score_bound(n_only_a: int, n_only_b: int, n: int, z: float) -> float:
    low, high = -1.0, 1.0
    for _ in range(60):  # halves the range to below the precision of a float
        middle = (low + high) / 2
        if tango_score(n_only_a, n_only_b, n, middle) > z:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def detectable_difference(n_discordant: int, n: int) -> float:
    """The true difference in accuracy that n such items would prove four times in five.

    From the sample size for McNemar's test (Connor, Biometrics 43, 1987) at 5 % and a power of 80 %, given
    how often these two models disagree; never below what six items that only one got right make.

    Args:
        n_discordant: Items that exactly one of the two got right.
        n: All items, at least 1.
    """
    disagreeing = max(n_discordant, FEWEST_DISCORDANT) / n
    return min(1.0, max((Z_95 + Z_POWER_80) * math.sqrt(disagreeing / n), FEWEST_DISCORDANT / n))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) p-values adjusted for K tests at once (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def macro_f1_interval(
    given: Ints, predicted_a: Ints, predicted_b: Ints, n_classes: int, *, n_draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of the difference in macro-F1, second minus first, by paired bootstrap.

    Items are drawn with replacement, each with both its predictions (Efron and Tibshirani 1993). Items
    with the same label and predictions are alike, so their counts are drawn instead: one multinomial a draw.

    Args:
        given, predicted_a, predicted_b: (N,) class indices of the same labelled items, N at least 1.
        n_classes: K.
    """
    cells = (given * n_classes + predicted_a) * n_classes + predicted_b
    kinds, counts = np.unique(cells, return_counts=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(given), counts / len(given), size=n_draws).astype(np.float64)
    label, first, second = kinds // n_classes**2, kinds // n_classes % n_classes, kinds % n_classes
    support = draws @ _one_hot(label, n_classes)
    differences = _macro_f1(draws, label, second, support) - _macro_f1(draws, label, first, support)
    low, high = np.quantile(differences, [0.025, 0.975])
    return float(low), float(high)


def _macro_f1(
    draws: NDArray[np.float64], label: Ints, predicted: Ints, support: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n_draws,) macro-F1 over the classes that occur in each draw."""
    n_classes = support.shape[1]
    hits = draws @ (_one_hot(label, n_classes) * (label == predicted)[:, None])
    twice = support + draws @ _one_hot(predicted, n_classes)
    f1 = np.zeros_like(hits)
    np.divide(2 * hits, twice, out=f1, where=twice > 0)
    return np.asarray(f1.sum(axis=1) / (twice > 0).sum(axis=1), np.float64)


def _one_hot(values: Ints, n_classes: int) -> NDArray[np.float64]:
    return np.asarray(values[:, None] == np.arange(n_classes), np.float64)
