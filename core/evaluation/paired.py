"""Statistics of two models on the same items: McNemar's test, Tango's interval, Holm's adjustment."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054  # two-sided 95 % of the normal distribution
POWER = 0.8
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
    """The minimum detectable difference: a true one of that size is found with a power of 80 %.

    Of the exact McNemar test at 5 %, given how often these two models disagree: the smallest share of the
    disagreements that must favor one side, by the binomial distribution. Never below what six items that only
    one got right make.

    Args:
        n_discordant: Items that exactly one of the two got right.
        n: All items, at least 1.
    """
    m = max(n_discordant, FEWEST_DISCORDANT)
    losses = np.arange(m // 2 + 1)
    allowed = int(losses[2 * np.cumsum(_binomial(m, 0.5)[: m // 2 + 1]) <= 0.05][-1])
    low, high = 0.5, 1.0 - 1e-9
    for _ in range(40):  # the share of the disagreements that is won with a power of 80 %
        share = (low + high) / 2
        power = float(_binomial(m, 1 - share)[: allowed + 1].sum())
        low, high = (low, share) if power > POWER else (share, high)
    return min(1.0, max((2 * high - 1) * m / n, FEWEST_DISCORDANT / n))


def _binomial(n: int, share: float) -> NDArray[np.float64]:
    """(n + 1,) the probability of each number of successes."""
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    ways = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    return np.asarray(np.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share)))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) p-values adjusted for K tests at once (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted
