"""Within what the ranking of one label lies, over all ways to answer its unknown labels.

For a given number of unknown ones that are yes, ROC AUC and average precision are highest where these have
the highest probabilities and lowest where they have the lowest: moving a yes up past a no raises both. So
all numbers are tried, each in constant time from the one before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOTHING = (float("nan"), float("nan"))


def auc_bounds(yes: Bools, unknown: Bools, probs: NDArray[np.floating]) -> tuple[float, float]:
    """The lowest and highest ROC AUC; NaN where no answers make both a yes and a no.

    Args:
        yes, unknown: (n,) what is known to be yes, and what is not known.
        probs: (n,) higher for yes.
    """
    _, inverse, counts = np.unique(probs, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    open_ranks = np.sort(ranks[unknown])
    n_yes = int(yes.sum()) + np.arange(len(open_ranks) + 1)
    n_no = len(probs) - n_yes
    fits = (n_yes > 0) & (n_no > 0)
    if not fits.any():
        return NOTHING
    lowest, highest = (
        (ranks[yes].sum() + np.r_[0, np.cumsum(ordered)] - n_yes * (n_yes + 1) / 2)[fits]
        / (n_yes * n_no)[fits]
        for ordered in (open_ranks, open_ranks[::-1])
    )
    return float(lowest.min()), float(highest.max())


def precision_bounds(yes: Bools, unknown: Bools, probs: NDArray[np.floating]) -> tuple[float, float]:
    """The same of the average precision.

    It is the sum over the distinct probabilities, the highest first, of (yes among them) x (yes so far) /
    (images so far), over all yes. One more yes at a probability adds (yes among + yes so far + 1) /
    (images so far) there, and (yes among) / (images so far) at each lower one.
    """
    _, inverse, counts = np.unique(-probs, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts)
    among = np.bincount(inverse[yes], minlength=len(counts))
    so_far = np.cumsum(among)
    below = np.cumsum((among / ranks)[::-1])[::-1] - among / ranks
    n_yes = int(yes.sum()) + np.arange(int(unknown.sum()) + 1)
    fits = (n_yes > 0) & (n_yes < len(probs))
    if not fits.any():
        return NOTHING
    start = float((among * so_far / ranks).sum())
    at = np.sort(inverse[unknown])

    def average(places: NDArray[np.int64], *, from_below: bool) -> Floats:
        same, before = _counted(places)
        own, passed = among[places] + same, so_far[places] + (same if from_below else np.arange(len(places)))
        under = below[places]
        if from_below:
            under = under + np.r_[0, np.cumsum(1 / ranks[places])][before]
        sums = start + np.r_[0, np.cumsum((own + passed + 1) / ranks[places] + under)]
        return np.asarray(sums[fits] / n_yes[fits])

    return (
        float(average(at[::-1], from_below=True).min()),
        float(average(at, from_below=False).max()),
    )


def _counted(places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of places in order, for each how many equal ones came before it, and how many others."""
    index = np.arange(len(places))
    first = np.r_[True, np.diff(places) != 0] if len(places) else np.zeros(0, bool)
    before = np.maximum.accumulate(np.where(first, index, 0))
    return index - before, before
