"""How the members of an ensemble differ, and what they say of images that they did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray


def diversity(pred_probs: NDArray[np.float32], *, several: bool) -> float | None:
    """The mean share of images that two members answer differently (0: all alike).

    Args:
        pred_probs: (members, n, K).
        several: Whether an image has several labels: then an answer is the set of labels above one half.
    """
    if several:
        answers = pred_probs > 0.5
        pairs = [(a != b).any(axis=1).mean() for a, b in combinations(answers, 2)]
    else:
        pairs = [(a != b).mean() for a, b in combinations(pred_probs.argmax(axis=2), 2)]
    return float(np.mean(pairs)) if pairs else None


def out_of_bag(
    bags: Sequence[NDArray[np.int64]],
    train: NDArray[np.int64],
    probs_of: Callable[[int, NDArray[np.int64]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """(n, K) for each training image the mean of the members that did not draw it; NaN where all did.

    Breiman 1996, "Out-of-bag estimation".

    Args:
        bags: What each member drew.
        train: (n,) positions they drew from.
        probs_of: (member, positions) to (m, K) probabilities.
    """
    total: NDArray[np.float32] | None = None
    count = np.zeros(len(train))
    for number, bag in enumerate(bags):
        unseen = np.flatnonzero(~np.isin(train, bag))
        probs = probs_of(number, train[unseen])
        if total is None:
            total = np.zeros((len(train), probs.shape[1]), np.float32)
        total[unseen] += probs
        count[unseen] += 1
    assert total is not None
    with np.errstate(invalid="ignore"):
        return np.where(count[:, None] > 0, total / count[:, None], np.nan).astype(np.float32)
