"""The figures that training watches; everything else is in core.evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def accuracy(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Share of right answers; labels and predictions (n,), n at least 1."""
    return float((labels == predicted).mean())


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> float:
    """Mean F1 over the classes that occur in the labels or the predictions, each counting the same."""
    right = np.bincount(labels[labels == predicted], minlength=n_classes)
    given = np.bincount(labels, minlength=n_classes)
    guessed = np.bincount(predicted, minlength=n_classes)
    occurs = given + guessed > 0
    return float((2 * right[occurs] / (given + guessed)[occurs]).mean())


def binary_f1(yes: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """F1 of one label; (n,) each; 0 where nothing is yes and nothing is predicted to be."""
    below = int(yes.sum()) + int(predicted.sum())
    return 2 * int((yes & predicted).sum()) / below if below else 0.0


def roc_auc(yes: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """Area under the ROC curve: how often a yes has the higher score than a no, ties counting half.

    Args:
        yes: (n,).
        scores: (n,), higher for yes.

    Returns:
        0 to 1; NaN without a yes or without a no.
    """
    n_yes = int(yes.sum())
    n_no = len(yes) - n_yes
    if not n_yes or not n_no:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[yes].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * n_no))


def average_precision(yes: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """Mean precision over the steps of recall, as scikit-learn counts it; NaN without a yes."""
    if not yes.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(yes[order])
    last_of_score = np.r_[np.diff(scores[order]) != 0, True]
    hits, ranks = hits[last_of_score], (np.arange(len(yes)) + 1)[last_of_score]
    return float((np.diff(np.r_[0, hits]) * hits / ranks).sum() / hits[-1])
