"""Which classes lie among one another: the labels of each image's neighbours, by class and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

MIXED = 0.02
"""Of a class's neighbours, the share of another class from which on the two count as mixed."""


@dataclass(frozen=True, eq=False)
class Overlap:
    """Whose neighbours are of which class.

    Attributes:
        shares: (K, K): row i has the shares of the classes among the labelled neighbours of class i's images,
            summing to one; NaN for a class without images.
        counts: (K,) labelled images of each class.
    """

    shares: NDArray[np.float64]
    counts: Ints

    @property
    def purity(self) -> NDArray[np.float64]:
        """(K,) share of neighbours of the own class; NaN for a class without images."""
        return np.diagonal(self.shares)

    @property
    def mean_purity(self) -> float:
        """Over all images; NaN where no labelled image has a labelled neighbour."""
        known = ~np.isnan(self.purity)
        if not known.any():
            return float("nan")
        return float(np.average(self.purity[known], weights=self.counts[known]))


def map_neighbours(xy: Floats, k: int) -> NDArray[np.int64]:
    """(n, k) rows of each point's nearest others on a map; k is less than n. Exact."""
    from scipy.spatial import cKDTree

    n = len(xy)
    _, rows = cKDTree(xy).query(xy, k=k + 1, workers=-1)
    own = rows == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # among many copies of a place the point itself may be missing
    return np.asarray(rows[~own].reshape(n, k), np.int64)


def class_overlap(neighbours: NDArray[np.integer], labels: Ints, n_classes: int) -> Overlap:
    """The classes of each class's neighbours.

    Args:
        neighbours: (n, k) rows, in feature space (what the model mixes) or on a map (what it shows).
        labels: (n,) class of each row, -1 unlabelled; such images neither count nor are counted.
    """
    k = neighbours.shape[1]
    given = np.repeat(labels, k)
    found = labels[neighbours.ravel()]
    both = (given >= 0) & (found >= 0)
    table = np.bincount(given[both] * n_classes + found[both], minlength=n_classes**2)
    table = table.reshape(n_classes, n_classes).astype(np.float64)
    with np.errstate(invalid="ignore"):
        shares = table / table.sum(axis=1, keepdims=True)
    return Overlap(shares, np.bincount(labels[labels >= 0], minlength=n_classes))


def mixed_pairs(overlap: Overlap) -> list[tuple[int, int, float, float]]:
    """(i, j, share of j among i's neighbours, share of i among j's), the most mixed first."""
    pairs = []
    shares = np.nan_to_num(overlap.shares)
    for i in range(len(shares)):
        for j in range(i):
            one, other = float(shares[i, j]), float(shares[j, i])
            if max(one, other) >= MIXED:
                pairs.append((i, j, one, other) if one >= other else (j, i, other, one))
    return sorted(pairs, key=lambda pair: (-(pair[2] + pair[3]), pair[0], pair[1]))


def in_words(overlap: Overlap, classes: Sequence[str], most: int = 5) -> list[str]:
    """Which classes are mixed, as sentences; the clearest class comes last."""
    sentences = [
        f"{classes[i]} and {classes[j]} are mixed: {100 * share:.0f} % of the neighbours of {classes[i]} are "
        f"{classes[j]}, and {100 * back:.0f} % the other way round."
        for i, j, share, back in mixed_pairs(overlap)[:most]
    ]
    known = np.flatnonzero(~np.isnan(overlap.purity))
    present = np.flatnonzero(overlap.counts)
    if len(present) == 1:
        return [f"There is only one class, {classes[present[0]]}: nothing can be mixed."]
    if len(present) and not len(known):
        return [
            "No labelled image has a labelled neighbor: label more images to see which classes are mixed."
        ]
    if not sentences:
        sentences.append(
            f"No two classes are mixed: none has {100 * MIXED:.0f} % of another among its neighbours."
        )
    if len(known):
        best = known[np.argmax(overlap.purity[known])]
        sentences.append(
            f"{classes[best]} stands apart best: {100 * overlap.purity[best]:.0f} % of its neighbours"
            " are its own."
        )
    return sentences
