"""What the classes look like: mean and deviation images, typical and atypical examples, look-alikes.

All distances are Euclidean, between the pixels of small images (core.data.statistics) and a class's mean
image: typical is near it, atypical far from it. That needs no model, so it can be asked before the first run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import cached_arrays
from core.data.labels import Labels, Task
from core.data.statistics import ImageStatistics
from core.files import let_go
from core.workspace import Workspace

EXAMPLES = 12
ORDERS = ("first", "random", "typical", "atypical")
SAMPLE = 3000
_CHUNK = 1024

Array = NDArray[Any]
Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Portraits:
    """Each of K classes, drawn from the chosen items. Rows of an empty class are 0, or -1 in examples.

    Attributes:
        n: (K,) int64, items of each class.
        mean: (K, h, w, C) float32, its mean image, 0 to 255.
        deviation: (K, h, w, C) float32, the standard deviation of each pixel within the class.
        examples: For each of ORDERS, (K, 12) int64 positions in the data set, padded with -1: the first ones,
            a seeded draw, the most typical first, the most atypical first.
        nearest: (K, K) int64, of a seeded draw of at most 3,000 items: rows the item's class, columns the
            class of the nearest other image. What this confuses, a model usually confuses too. Zeros for
            multi-label data, where one item may belong to several.
    """

    n: Array
    mean: Array
    deviation: Array
    examples: dict[str, Positions]
    nearest: Array


def portraits(
    workspace: Workspace,
    statistics: ImageStatistics,
    positions: Positions,
    labels: Labels,
    key: dict[str, object],
) -> Portraits:
    """Portraits of the classes, from the cache or computed and kept there.

    Args:
        workspace: Whose cache to use.
        statistics: The data set's image statistics.
        positions: (n,) the chosen items, ascending; unreadable ones are left out.
        labels: N, the labels of the whole set in the version to draw.
        key: What positions and labels depend on: fingerprint, label version, filters.
    """
    kept = cached_arrays(
        workspace,
        "class-portraits-1",
        key,
        lambda: _compute(statistics, positions[np.isfinite(statistics.mean[positions])], labels),
    )
    examples = {order: kept[order] for order in ORDERS}
    return Portraits(kept["n"], kept["mean"], kept["deviation"], examples, kept["nearest"])


def _compute(statistics: ImageStatistics, positions: Positions, labels: Labels) -> dict[str, Array]:
    small, n_classes = statistics.small, len(labels.classes)
    labels_here = labels.take(positions)
    n = np.zeros(n_classes, np.int64)
    mean, deviation = (np.zeros((n_classes, *small.shape[1:]), np.float32) for _ in range(2))
    examples = {order: np.full((n_classes, EXAMPLES), -1, np.int64) for order in ORDERS}
    rng = np.random.default_rng(0)
    for k in range(n_classes):
        of_class = positions[labels_here.belongs(k)]
        n[k] = len(of_class)
        if not len(of_class):
            continue
        mean[k], deviation[k] = _moments(small, of_class)
        by_distance = of_class[np.argsort(_distances(small, of_class, mean[k].ravel()), kind="stable")]
        drawn = np.sort(rng.choice(of_class, min(EXAMPLES, len(of_class)), replace=False))
        chosen = (of_class[:EXAMPLES], drawn, by_distance[:EXAMPLES], by_distance[::-1][:EXAMPLES])
        for order, found in zip(ORDERS, chosen, strict=True):
            examples[order][k, : len(found)] = found
        let_go(small)
    nearest = _nearest(small, positions, labels)
    return {"n": n, "mean": mean, "deviation": deviation, "nearest": nearest, **examples}


def _chunks(small: NDArray[np.uint8], positions: Positions) -> Iterator[tuple[Positions, Array]]:
    """Positions and their pixels as (n, P) float32, a chunk at a time."""
    for start in range(0, len(positions), _CHUNK):
        rows = positions[start : start + _CHUNK]
        contiguous = rows[-1] - rows[0] + 1 == len(rows)
        pixels = small[rows[0] : rows[-1] + 1] if contiguous else small[rows]
        yield rows, np.asarray(pixels, np.float32).reshape(len(rows), -1)


def _moments(small: NDArray[np.uint8], positions: Positions) -> tuple[Array, Array]:
    """Mean and standard deviation of each pixel over the images at ``positions``, (h, w, C) each."""
    total, square = (np.zeros(int(np.prod(small.shape[1:]))) for _ in range(2))
    for _, pixels in _chunks(small, positions):
        total += pixels.sum(axis=0)
        square += np.einsum("ij,ij->j", pixels, pixels)
    mean = total / len(positions)
    variance = np.maximum(square / len(positions) - mean**2, 0)
    return mean.reshape(small.shape[1:]), np.sqrt(variance).reshape(small.shape[1:])


def _distances(small: NDArray[np.uint8], positions: Positions, mean: Array) -> Array:
    """(n,) Euclidean distance of each item's pixels to ``mean`` (P,)."""
    parts = [np.zeros(0, np.float32)]
    for _, pixels in _chunks(small, positions):
        pixels -= mean
        parts.append(np.sqrt(np.einsum("ij,ij->i", pixels, pixels)))
    return np.concatenate(parts)


def _nearest(small: NDArray[np.uint8], positions: Positions, labels: Labels) -> Array:
    """(K, K) how often the nearest other image of an item of the row's class is of the column's."""
    n_classes = len(labels.classes)
    counts = np.zeros(n_classes * n_classes, np.int64)
    labelled = positions[labels.known[positions]] if labels.task is Task.SINGLE_LABEL else positions[:0]
    if len(labelled) > 1:
        drawn = np.random.default_rng(0).choice(labelled, min(SAMPLE, len(labelled)), replace=False)
        pixels = np.asarray(small[np.sort(drawn)], np.float32).reshape(len(drawn), -1)
        of_class = labels.values[np.sort(drawn)]
        halves = np.einsum("ij,ij->i", pixels, pixels) / 2
        for start in range(0, len(pixels), _CHUNK):
            closeness = pixels[start : start + _CHUNK] @ pixels.T - halves
            rows = np.arange(len(closeness))
            closeness[rows, start + rows] = -np.inf  # an image is no neighbour of itself
            pairs = of_class[start + rows] * n_classes + of_class[closeness.argmax(axis=1)]
            counts += np.bincount(pairs, minlength=len(counts))
    return counts.reshape(n_classes, n_classes)
