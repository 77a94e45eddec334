"""One bootstrap for every metric: images, or whole groups of them, are drawn with replacement.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993. The draws are weights of the images, so that a
metric is computed for many of them at once; equal numbers of images and an equal seed give equal draws, and
two runs are judged on the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import Labels
from core.errors import BadInput
from core.metrics.registry import Metric, find_metric
from core.metrics.scores import Scores, score

Floats = NDArray[np.float64]
N_DRAWS = 2000
AT_ONCE = 250
"""So many draws are held in memory at a time."""
Z_95 = 1.959963984540054
"""Of the normal distribution 95 % lie within so many standard deviations."""
_NORMAL = NormalDist()
_PARTS = 200
"""At most so many parts are left out in turn to estimate how skewed a figure is."""


@dataclass(frozen=True, eq=False)
class Interval:
    """A figure, or the difference of two, with its 95 % interval.

    Attributes:
        value: On the images as they are; the second run's minus the first's.
        low, high: NaN where it could not be told in any draw.
        draws: (D,) the same of every draw, NaN where it cannot be told.
        of_classes: (D, K) those of the classes where the metric is a mean over them, else None.
    """

    value: float
    low: float
    high: float
    draws: Floats
    of_classes: Floats | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high


def bootstrap(
    metrics: str | Metric | Sequence[str | Metric],
    labels: Labels,
    probs: NDArray[Any],
    other_probs: NDArray[Any] | None = None,
    *,
    groups: NDArray[Any] | None = None,
    thresholds: Any = 0.5,
    other_thresholds: Any = None,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    on_share: Callable[[float], None] = lambda share: None,
) -> dict[str, Interval]:
    """Metrics of one run, or differences of two on the same draws, each with its 95 % interval.

    Args:
        metrics: One or several, by name or as Metric.
        labels: Of N images; those of which nothing is known are not drawn.
        probs: (N, K) of the run, or of the first of two.
        other_probs: (N, K) of the second: then second minus first.
        groups: (N,) which group an image is in; groups are drawn whole. None: each image by itself.
        thresholds, other_thresholds: One or (K,), as for ``score``; the second's are the first's if None.
        on_share: Told how much is done, 0 to 1.

    Returns:
        By name of the metric.

    Raises:
        BadInput: No such metric, other shapes, or no image of which anything is known.

    Example:
        >>> labels = Labels.of(np.arange(40) % 2, ["cat", "dog"])
        >>> probs = np.full((40, 2), 0.5)
        >>> found = bootstrap("accuracy", labels, probs)["accuracy"]
        >>> found.value, found.low < 0.5 < found.high
        (0.5, True)
    """
    first = score(labels, probs, thresholds)
    second = None
    if other_probs is not None:
        second = score(labels, other_probs, thresholds if other_thresholds is None else other_thresholds)
    return bootstrap_scores(
        metrics, first, second, groups=groups, n_draws=n_draws, seed=seed, on_share=on_share
    )


def bootstrap_scores(
    metrics: str | Metric | Sequence[str | Metric],
    first: Scores,
    second: Scores | None = None,
    *,
    groups: NDArray[Any] | None = None,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    on_share: Callable[[float], None] = lambda share: None,
) -> dict[str, Interval]:
    """``bootstrap`` of scores; those of the second run must be over the same labels."""
    wanted = [metrics] if isinstance(metrics, str | Metric) else list(metrics)
    asked = [find_metric(one, first.labels.task) if isinstance(one, str) else one for one in wanted]
    rows = np.flatnonzero(first.labels.labeled)
    if not len(rows):
        raise BadInput("No image has a known label.", "An interval takes labeled images.")
    units = _units(len(first.labels), groups)[rows]
    units = np.unique(units, return_inverse=True)[1]
    pair = [one.take(rows) for one in (first, second) if one is not None]
    parts: dict[str, list[tuple[Floats, Floats | None]]] = {one.name: [] for one in asked}
    done = 0
    for weights in drawn_weights(units, n_draws, seed):
        for one in asked:
            parts[one.name].append(_figures(one, pair, weights))
        done += len(weights)
        on_share(done / n_draws)
    return {one.name: _interval(one, pair, units, parts[one.name]) for one in asked}


def drawn_weights(units: NDArray[np.int64], n_draws: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """(D, n) how often each image is in each draw, in blocks of draws; alike for equal units and seed.

    Args:
        units: (n,) what each image is drawn with, 0 to U - 1.
    """
    rng, n_units = np.random.default_rng(seed), int(units.max()) + 1
    for start in range(0, n_draws, AT_ONCE):
        size = min(AT_ONCE, n_draws - start)
        drawn = rng.integers(n_units, size=(size, n_units)) + n_units * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_units).reshape(size, n_units)
        yield counts[:, units].astype(np.float32)


def _units(n: int, groups: NDArray[Any] | None) -> NDArray[np.int64]:
    if groups is None:
        return np.arange(n)
    if np.shape(groups) != (n,):
        raise BadInput(
            f"Groups of shape {np.shape(groups)} were given for {n} images.", "Give one group an image."
        )
    return np.asarray(np.unique(groups, return_inverse=True)[1], np.int64)


def _figures(
    one: Metric, pair: Sequence[Scores], weights: NDArray[np.float32]
) -> tuple[Floats, Floats | None]:
    """(D,) and (D, K) of one metric: of the run, or second minus first."""
    found = [one.draws(replace(scores, weights=weights)) for scores in pair]
    whole, of_classes = found[-1]
    if len(found) == 1:
        return whole, of_classes
    before, of_classes_before = found[0]
    if of_classes is None or of_classes_before is None:
        return whole - before, None
    return whole - before, of_classes - of_classes_before


def _interval(
    one: Metric,
    pair: Sequence[Scores],
    units: NDArray[np.int64],
    parts: Sequence[tuple[Floats, Floats | None]],
) -> Interval:
    draws = np.concatenate([whole for whole, _ in parts])
    classes = [of_classes for _, of_classes in parts if of_classes is not None]
    value = one.value(pair[-1]) - (one.value(pair[0]) if len(pair) > 1 else 0.0)
    left_out = _figures(one, pair, _leaving_out(units))[0]
    low, high = bca_ends(value, draws, left_out)
    return Interval(value, low, high, draws, np.concatenate(classes) if classes else None)


def _leaving_out(units: NDArray[np.int64]) -> NDArray[np.float32]:
    """(B, n) weights that leave out one of B parts of the units each."""
    n_parts = min(int(units.max()) + 1, _PARTS)
    return np.asarray(units % n_parts != np.arange(n_parts)[:, None], np.float32)


def percentiles(draws: Floats) -> tuple[float, float]:
    """The middle 95 % of the draws that can be told; NaN without any."""
    there = draws[~np.isnan(draws)]
    if not len(there):
        return float("nan"), float("nan")
    low, high = np.quantile(there, [0.025, 0.975])
    return float(low), float(high)


def bca_ends(value: float, draws: Floats, left_out: Floats) -> tuple[float, float]:
    """The 95 % interval of a figure from its draws, corrected for bias and skew (BCa; Efron, JASA 82, 1987).

    Figures such as macro F1 are lower in most draws than they are on all images, so the middle 95 % of the
    draws would lie too low.

    Args:
        value: The figure on the images as they are.
        draws: (D,) of the draws; NaN where it cannot be told.
        left_out: (B,) with one part of the images left out each, from which the skew is estimated.

    Returns:
        (low, high); NaN where it cannot be told in any draw, or not on the images as they are.
    """
    there, parts = draws[~np.isnan(draws)], left_out[~np.isnan(left_out)]
    if not len(there) or math.isnan(value):
        return math.nan, math.nan
    near = np.isclose(there, value, rtol=0, atol=1e-9)  # equal draws count half on either side
    below = float(((there < value) & ~near).mean() + near.mean() / 2)
    edge = 0.5 / len(there)
    bias = _NORMAL.inv_cdf(min(max(below, edge), 1 - edge))
    gaps = parts.mean() - parts if len(parts) else np.zeros(1)
    spread = float((gaps**2).sum())
    skew = float((gaps**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    low, high = np.quantile(there, [_corrected(z, bias, skew) for z in (-Z_95, Z_95)])
    return float(low), float(high)


def _corrected(z: float, bias: float, skew: float) -> float:
    """Which quantile of the draws stands for the normal quantile ``z``."""
    return _NORMAL.cdf(bias + (bias + z) / max(1 - skew * (bias + z), 1e-6))
