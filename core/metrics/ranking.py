"""Areas under the ROC and the precision-recall curve, of many draws of the images at once; the curves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def areas(
    yes: Mask, no: Mask, probs: NDArray[Any], weights: NDArray[np.float32] | None = None
) -> tuple[Floats, Floats]:
    """ROC AUC and average precision of K classes, each (D, K); NaN without a yes or without a no.

    The AUC is how often a yes has the higher probability than a no, ties counting half (Hanley and McNeil
    1982); the average precision is the mean precision over the steps of recall, as scikit-learn counts it.

    Args:
        yes, no: (N, K); what is neither is unknown and counts for nothing.
        probs: (N, K), higher for yes.
        weights: (D, N) how often each image counts in each draw; None for one draw of each once.
    """
    n_draws = 1 if weights is None else len(weights)
    auc, precision = (np.full((n_draws, yes.shape[1]), np.nan) for _ in range(2))
    for k in range(yes.shape[1]):
        rows = np.flatnonzero(yes[:, k] | no[:, k])
        rows = rows[np.argsort(-probs[rows, k], kind="stable")]
        if len(rows):
            counted = np.ones((len(rows), 1)) if weights is None else weights[:, rows].T
            auc[:, k], precision[:, k] = _areas(yes[rows, k], probs[rows, k], counted)
    return auc, precision


def _areas(yes: Mask, falling: NDArray[Any], counted: NDArray[Any]) -> tuple[Floats, Floats]:
    """(D,) each, of one class: images by falling probability, ``counted`` (n, D) times."""
    starts = np.flatnonzero(np.r_[True, np.diff(falling) != 0])
    n_yes = np.add.reduceat(counted * yes[:, None], starts, axis=0, dtype=np.float64)
    n_no = np.add.reduceat(counted * ~yes[:, None], starts, axis=0, dtype=np.float64)
    found, passed = np.cumsum(n_yes, axis=0), np.cumsum(n_no, axis=0)
    both = (found[-1] > 0) & (passed[-1] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = (n_yes * (passed[-1] - passed + n_no / 2)).sum(axis=0) / (found[-1] * passed[-1])
        shares = np.where(n_yes > 0, found / (found + passed), 0.0)
        precision = (n_yes * shares).sum(axis=0) / found[-1]
    return np.where(both, auc, np.nan), np.where(both, precision, np.nan)


def roc_auc(yes: Mask, probs: NDArray[Any]) -> float:
    """Area under the ROC curve of one class, both (n,); NaN without a yes or without a no."""
    return float(areas(yes[:, None], ~yes[:, None], probs[:, None])[0][0, 0])


def average_precision(yes: Mask, probs: NDArray[Any]) -> float:
    """Average precision of one class, both (n,); NaN without a yes or without a no."""
    return float(areas(yes[:, None], ~yes[:, None], probs[:, None])[1][0, 0])


def roc_curve(yes: Mask, probs: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """(false positive rate, true positive rate, threshold), one a distinct probability, from (0, 0) on."""
    tp, fp, thresholds = _steps(yes, probs)
    return fp / max(fp[-1], 1), tp / max(tp[-1], 1), thresholds


def pr_curve(yes: Mask, probs: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """(recall, precision, threshold), one a distinct probability, the highest first."""
    tp, fp, thresholds = _steps(yes, probs)
    return (tp / max(tp[-1], 1))[1:], (tp / np.maximum(tp + fp, 1))[1:], thresholds[1:]


def _steps(yes: Mask, probs: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    order = np.argsort(-probs, kind="stable")
    ordered, hits = probs[order].astype(np.float64), yes[order]
    last = np.flatnonzero(np.r_[np.diff(ordered) != 0, True]) if len(ordered) else np.zeros(0, int)
    tp, fp = np.cumsum(hits)[last], np.cumsum(~hits)[last]
    return np.r_[0.0, tp], np.r_[0.0, fp], np.r_[np.inf, ordered[last]]
