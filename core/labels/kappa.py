"""Figures of agreement beyond chance: Cohen's and Fleiss' kappa and Krippendorff's alpha, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput

DRAWS = 1_000
STRENGTHS = (
    (0.8, "almost perfect"),
    (0.6, "substantial"),
    (0.4, "moderate"),
    (0.2, "fair"),
    (0.0, "slight"),
    (-2.0, "no better than chance"),
)
"""Above which value agreement is called what. Landis and Koch call the last one poor."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of agreement with its interval.

    Attributes:
        value: None where chance alone gives full agreement: all votes, of all people, are one class.
        ci95: Percentile bootstrap over units; None where there is no value.
        n_units: How many units it rests on.
        agreed: Share of them on which all said the same, 0 to 1.
    """

    value: float | None
    ci95: tuple[float, float] | None
    n_units: int
    agreed: float

    @property
    def strength(self) -> str:
        """The value in one word, by Landis and Koch (Biometrics 33, 1977); "" where there is no value."""
        if self.value is None:
            return ""
        return next(word for least, word in STRENGTHS if self.value > least)


def cohen(both: Sequence[tuple[str, str]], *, seed: int = 0, n_draws: int = DRAWS) -> Measure:
    """Cohen's kappa of two series of votes on the same units.

    (observed - expected) / (1 - expected), the expected agreement from how often each of the two says each
    class (Cohen, Educational and Psychological Measurement 20, 1960). It is 0 where one always says a and the
    other always b, as sklearn.metrics.cohen_kappa_score has it, and undefined only where both always say one
    and the same class.
    """
    codes, k = _codes([list(pair) for pair in both])
    pairs = np.array(codes)

    def kappa(chosen: NDArray[np.int64]) -> float:
        first, second = pairs[chosen].T
        n, observed = len(chosen), int((first == second).sum())
        by_chance = int(np.bincount(first, minlength=k) @ np.bincount(second, minlength=k))  # times n * n
        return (observed * n - by_chance) / (n * n - by_chance) if by_chance < n * n else np.nan

    return _measured(kappa, codes, seed, n_draws)


def fleiss(said: Sequence[Sequence[str]], *, seed: int = 0, n_draws: int = DRAWS) -> Measure:
    """Fleiss' kappa (statsmodels.stats.inter_rater.fleiss_kappa).

    Args:
        said: For each unit the votes, of as many people for each.
    """
    from statsmodels.stats.inter_rater import fleiss_kappa

    codes, k = _codes(said)
    counts = _counts(codes, k)

    def kappa(chosen: NDArray[np.int64]) -> float:
        table = counts[chosen]
        return float(fleiss_kappa(table)) if np.count_nonzero(table.sum(axis=0)) > 1 else np.nan

    return _measured(kappa, codes, seed, n_draws)


def krippendorff(said: Sequence[Sequence[str]], *, seed: int = 0, n_draws: int = DRAWS) -> Measure:
    """Krippendorff's alpha for nominal data; units may have votes of different people and numbers of them.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), C.: nominal data, any number of
    observers, missing data. Units with a single vote do not count.

    Raises:
        BadInput: No unit has two votes.
    """
    codes, k = _codes([votes for votes in said if len(votes) > 1])
    if not codes:
        raise BadInput("No item has votes of two people.", "Let a second person look at some.")
    counts = _counts(codes, k)
    n_votes = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (n_votes - 1)  # a unit's part of the diagonal

    def alpha(chosen: NDArray[np.int64]) -> float:
        totals = counts[chosen].sum(axis=0)
        n = totals.sum()
        expected = n * n - (totals * totals).sum()
        return float(1 - (n - 1) * (n - agreeing[chosen].sum()) / expected) if expected else np.nan

    return _measured(alpha, codes, seed, n_draws)


def _codes(said: Sequence[Sequence[str]]) -> tuple[list[list[int]], int]:
    """The votes as numbers, and how many values there are."""
    values = {value: code for code, value in enumerate(sorted({one for votes in said for one in votes}))}
    return [[values[one] for one in votes] for votes in said], len(values)


def _counts(codes: Sequence[Sequence[int]], k: int) -> NDArray[np.float64]:
    """(units, k) how many votes each value got."""
    return np.array([np.bincount(votes, minlength=k) for votes in codes], np.float64)


def _measured(
    figure: Callable[[NDArray[np.int64]], float], codes: list[list[int]], seed: int, n_draws: int
) -> Measure:
    """A figure of all units, and its percentiles over draws of units with replacement."""
    n = len(codes)
    agreed = float(np.mean([len(set(votes)) == 1 for votes in codes]))
    value = figure(np.arange(n))
    if np.isnan(value):
        return Measure(None, None, n, agreed)
    rng = np.random.default_rng(seed)
    drawn = np.array([figure(rng.integers(0, n, n)) for _ in range(n_draws)])
    drawn = drawn[~np.isnan(drawn)]  # a draw of units that all got one value has no figure
    low, high = np.percentile(drawn, (2.5, 97.5)) if len(drawn) else (value, value)
    return Measure(value, (float(low), float(high)), n, agreed)
