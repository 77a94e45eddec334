"""Dividing items into splits so that each class gets its share, from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_TRAINING = (
    "No image is in the training split, so nothing can be trained on.",
    "Where a file or folder is called test, its images are: import it again under another name, and a share "
    "is drawn for test.",
)
"""What is wrong with such data, and the mend."""


def split_counts(split: NDArray[np.integer], names: Sequence[str]) -> str:
    """How many items each split has, in words: "320 train, 80 test"."""
    counts = np.bincount(split, minlength=len(names))
    return ", ".join(f"{n:,} {name}" for name, n in zip(names, counts.tolist(), strict=True) if n)


def stratified_split(labels: NDArray[Any], share: float, seed: int) -> NDArray[np.bool_]:
    """Draw ``share`` of each class.

    Single-label: of each class ``share``, rounded, but at least one where it has two or more, and never its
    last; unlabelled items (-1) are not drawn, since nothing can be measured on them. Multi-label: iterative
    stratification (Sechidis, Tsoumakas and Vlahavas 2011), which deals out the rarest first; yes and no of a
    label are dealt out each, since where many are unknown the no may be the rarer.

    Args:
        labels: (N,) int64, or (N, K) float with 1, 0 and NaN.
        share: 0 to 1.
        seed: The same seed draws the same items.

    Returns:
        (N,) bool, True for the drawn items.
    """
    rng = np.random.default_rng(seed)
    if labels.ndim == 2:
        return _iterative(np.concatenate([labels == 1, labels == 0], axis=1), share, rng)
    drawn = np.zeros(len(labels), np.bool_)
    if share <= 0:
        return drawn
    for label in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == label)
        n_drawn = min(max(round(share * len(members)), 1), len(members) - 1)
        drawn[rng.permutation(members)[:n_drawn]] = True
    return drawn


def _iterative(positive: NDArray[np.bool_], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    n_items = len(positive)
    drawn = np.zeros(n_items, np.bool_)
    free = np.ones(n_items, np.bool_)
    wanted = np.stack([positive.sum(axis=0) * share, positive.sum(axis=0) * (1 - share)])
    room = np.array([n_items * share, n_items * (1 - share)])
    while True:
        counts = positive[free].sum(axis=0)
        if not counts.any():
            break
        label = int(np.where(counts > 0, counts, n_items + 1).argmin())
        for item in rng.permutation(np.flatnonzero(free & positive[:, label])):
            side = int(np.lexsort((-room, -wanted[:, label]))[0])
            drawn[item] = side == 0
            free[item] = False
            wanted[side] -= positive[item]
            room[side] -= 1
    rest = rng.permutation(np.flatnonzero(free))
    drawn[rest[: max(round(room[0]), 0)]] = True
    return drawn


def multilabel_folds(labels: NDArray[Any], k: int, seed: int) -> NDArray[np.int64]:
    """Deal items with several labels into k folds by iterative stratification.

    Args:
        labels: (N, K) with 1, 0 and NaN.
        k: At least 2.
        seed: The same seed deals the same folds.

    Returns:
        (N,) int64, 0 to k - 1.
    """
    folds = np.full(len(labels), k - 1, np.int64)
    left = np.arange(len(labels))
    for fold in range(k - 1):
        drawn = stratified_split(labels[left], 1 / (k - fold), seed + fold)
        folds[left[drawn]] = fold
        left = left[~drawn]
    return folds


def stratified_folds(labels: NDArray[np.int64], k: int, seed: int) -> NDArray[np.int64]:
    """Deal the items into k folds so that each gets its share of every class.

    Classes go on dealing where the one before ended, so that folds differ by at most one item in size, also
    where classes have fewer than k items.

    Args:
        labels: (N,) int64; unlabelled items (-1) are in no fold.
        k: At least 2.
        seed: The same seed deals the same folds.

    Returns:
        (N,) int64, 0 to k - 1, or -1 for unlabelled items.
    """
    rng = np.random.default_rng(seed)
    folds = np.full(len(labels), -1, np.int64)
    classes = np.unique(labels[labels >= 0])
    dealt = [rng.permutation(np.flatnonzero(labels == label)) for label in classes]
    order = np.concatenate(dealt) if dealt else np.empty(0, np.int64)
    folds[order] = np.arange(len(order)) % k
    return folds
