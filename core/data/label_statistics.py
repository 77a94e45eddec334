"""What there is to know about the labels of a data set with several labels an image; unknown is no answer.

Terms as in Tsoumakas and Katakis 2007 (cardinality, density) and Charte et al. 2015 (imbalance ratio of a
label: how often the most frequent label is yes for one yes of this one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
RARE = 3
RARELY_TOGETHER = 0.05
LEAST_EXPECTED = 10.0


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """Two labels that all but never come together, and the images in which they do.

    Attributes:
        labels: Both.
        expected: In how many images they would be together by chance.
        positions: The images, as indices of the labels that were looked at.
    """

    labels: tuple[int, int]
    expected: float
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabelStatistics:
    """Figures of (n, K) labels.

    Attributes:
        n: Images.
        yes, no, unknown: (K,) images of each answer.
        together: (K, K) images that have both labels; the diagonal is ``yes``.
        cardinality: Mean number of labels that are yes, of an image; unknown ones count as none.
        density: The same as a share of K.
        n_yes: How many images have 0, 1, 2, ... labels that are yes.
        imbalance: (K,) imbalance ratio of each label, infinite where it is never yes.
        mean_imbalance: Their mean over the labels that occur; 1 is balanced.
        n_sets: Different combinations of labels that occur, among images of which all is known.
        rare: (combination as label indices, positions) of those that occur at most RARE times.
        broken: Rules that are broken, the surest first.
    """

    n: int
    yes: Ints
    no: Ints
    unknown: Ints
    together: Ints
    cardinality: float
    density: float
    n_yes: Ints
    imbalance: NDArray[np.float64]
    mean_imbalance: float
    n_sets: int
    rare: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    broken: tuple[BrokenRule, ...]


def label_statistics(labels: NDArray[Any]) -> LabelStatistics:
    """All of it, of (n, K) labels with 1, 0 and NaN unknown; n at least 1."""
    yes = labels == 1
    counts = yes.sum(axis=0)
    together = yes.T.astype(np.int64) @ yes.astype(np.int64)
    of_image = yes.sum(axis=1)
    with np.errstate(divide="ignore"):
        imbalance = np.where(counts > 0, counts.max() / counts, np.inf)
    occurring = imbalance[np.isfinite(imbalance)]
    n_sets, rare = _combinations(yes, ~np.isnan(labels).any(axis=1))
    return LabelStatistics(
        n=len(labels),
        yes=counts,
        no=(labels == 0).sum(axis=0),
        unknown=np.isnan(labels).sum(axis=0),
        together=together,
        cardinality=float(of_image.mean()),
        density=float(of_image.mean() / labels.shape[1]),
        n_yes=np.bincount(of_image),
        imbalance=imbalance,
        mean_imbalance=float(occurring.mean()) if len(occurring) else float("nan"),
        n_sets=n_sets,
        rare=rare,
        broken=_broken(yes, together, labels),
    )


def _combinations(
    yes: NDArray[np.bool_], complete: NDArray[np.bool_]
) -> tuple[int, tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]]:
    rows = np.flatnonzero(complete)
    if not len(rows):
        return 0, ()
    sets, inverse, counts = np.unique(yes[rows], axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    few = np.flatnonzero(counts <= RARE)
    few = few[np.argsort(counts[few], kind="stable")]
    found = tuple(
        (tuple(np.flatnonzero(sets[one]).tolist()), tuple(rows[inverse == one].tolist())) for one in few
    )
    return len(sets), found


def _broken(yes: NDArray[np.bool_], together: Ints, labels: NDArray[Any]) -> tuple[BrokenRule, ...]:
    """Pairs seen together in a few images, where chance alone would have made many."""
    known = (~np.isnan(labels)).astype(np.float64)
    both_known = known.T @ known
    shares = together.diagonal() / np.maximum(known.sum(axis=0), 1)
    expected = np.outer(shares, shares) * both_known
    few = (together > 0) & (together <= RARELY_TOGETHER * expected) & (expected >= LEAST_EXPECTED)
    pairs = [(int(a), int(b)) for a, b in zip(*np.nonzero(np.triu(few, 1)), strict=True)]
    pairs.sort(key=lambda pair: together[pair] / expected[pair])
    return tuple(
        BrokenRule(
            pair, float(expected[pair]), tuple(np.flatnonzero(yes[:, pair[0]] & yes[:, pair[1]]).tolist())
        )
        for pair in pairs
    )
