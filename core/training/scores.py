"""The two figures that training watches; everything else is in core.evaluation."""

from __future__ import annotations

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
