"""Oversampling where an image has several labels: rare labels, or rare combinations, come more often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_REPEATS = 20.0


def label_sets(labels: NDArray[np.float32]) -> NDArray[np.int64]:
    """(N,) a number for each combination of yes, no and unknown that occurs in (N, K)."""
    _, number = np.unique(np.nan_to_num(labels, nan=-1.0), axis=0, return_inverse=True)
    return np.asarray(number, np.int64).reshape(-1)


def drawn_by_label(
    labels: NDArray[np.float32], train: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """As many positions as ``train`` has, shuffled, each as often as its rarest known label asks for.

    An image's weight is the largest over its known labels of 1 / (share of images whose label says the same),
    at most MOST_REPEATS times the smallest. Draws are systematic (one random start, equal steps), so that an
    image of weight w is drawn w times or once more or less, not by luck.

    Args:
        labels: (N, K) with 1, 0 and NaN.
        train: (n,) positions.
    """
    chosen = labels[train]
    weights = np.ones(chosen.shape, np.float64)
    for answer in (0, 1):
        same = chosen == answer
        rarity = 1 / np.maximum(same.mean(axis=0), 1 / len(train))
        weights = np.where(same, rarity[None, :], weights)
    of_image = weights.max(axis=1)
    of_image = np.minimum(of_image, of_image.min() * MOST_REPEATS)
    order = generator.permutation(len(train))
    reach = np.cumsum(of_image[order])
    marks = (generator.random() + np.arange(len(train))) * (reach[-1] / len(train))
    drawn = order[np.minimum(np.searchsorted(reach, marks, side="right"), len(train) - 1)]
    return generator.permutation(train[drawn])
