"""Within what figures of several labels lie, over all ways to answer the unknown ones, or to leave them out.

Leaving all out is what the figure itself does, so it lies within its bounds: answers can move a ranking to
either side of it, and can give a figure to a label that had none. For a given number of unknown labels that
are yes, ROC AUC and average precision are highest where these have the highest probabilities and lowest where
they have the lowest: moving a yes up past a no raises both. So all numbers are tried, each in constant time
from the one before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ends = tuple[float, float]
NOTHING = (float("nan"), float("nan"))


def mean_bounds(ends: Floats, sure: Bools) -> Ends:
    """The lowest and highest mean of K figures of which some may be left out.

    Args:
        ends: (K, 2) the lowest and highest of each; NaN for none.
        sure: (K,) those that are in the mean whatever the answers are.

    Returns:
        NaN where there is no figure to take the mean of.
    """
    lowest = _lowest_mean(ends[:, 0], sure)
    highest = -_lowest_mean(-ends[:, 1], sure)
    return lowest, highest


def _lowest_mean(values: Floats, sure: Bools) -> float:
    """Of those that are sure and any of the others: each one below the mean so far lowers it."""
    kept = list(values[sure & ~np.isnan(values)])
    for value in np.sort(values[~sure & ~np.isnan(values)]):
        if not kept or value < np.mean(kept):
            kept.append(value)
    return float(np.mean(kept)) if kept else float("nan")


def with_itself(ends: Floats, figures: Floats) -> Floats:
    """(K, 2) bounds, wide enough for what each figure is with the unknown labels left out."""
    return np.stack([np.fmin(ends[:, 0], figures), np.fmax(ends[:, 1], figures)], axis=1)


def auc_bounds(yes: Bools, unknown: Bools, probs: NDArray[np.floating]) -> Ends:
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


def precision_bounds(yes: Bools, unknown: Bools, probs: NDArray[np.floating]) -> Ends:
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
