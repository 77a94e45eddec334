"""How well predicted classes agree with labels, in plain NumPy.

Confusion matrices have rows = given, columns = predicted. Where a ratio has nothing below the line, it is
0, as scikit-learn's ``zero_division=0``; averages run over the classes that occur, given or predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import UNLABELLED
from core.errors import BadInput

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def confusion_matrix(given: Ints, predicted: Ints, n_classes: int) -> Ints:
    """Counts of each pair of classes.

    Args:
        given: (N,) class indices; unlabelled items (-1) are left out.
        predicted: (N,) class indices.
        n_classes: K.

    Returns:
        (K, K) int64, rows = given, columns = predicted.

    Raises:
        BadInput: The lengths differ, or an index is outside the K classes.
    """
    if given.shape != predicted.shape:
        raise BadInput(
            f"{given.shape[0]} labels were given for {predicted.shape[0]} predictions.",
            "Both must be of the same items, in the same order.",
        )
    labelled = given != UNLABELLED
    pairs = np.stack([given[labelled], predicted[labelled]]).astype(np.int64)
    if pairs.size and (pairs.min() < 0 or pairs.max() >= n_classes):
        wrong = int(pairs[(pairs < 0) | (pairs >= n_classes)][0])
        raise BadInput(f"There is a label {wrong}, but the classes are 0 to {n_classes - 1}.")
    counts = np.bincount(pairs[0] * n_classes + pairs[1], minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes)


@dataclass(frozen=True, eq=False)
class Scores:
    """What follows from a confusion matrix.

    Attributes:
        confusion: (K, K) int64, rows = given, columns = predicted.
    """

    confusion: Ints

    @property
    def n(self) -> int:
        """Labelled items, over which everything here was computed."""
        return int(self.confusion.sum())

    @property
    def n_correct(self) -> int:
        """Items whose predicted class is the given one."""
        return int(np.trace(self.confusion))

    @cached_property
    def support(self) -> Ints:
        """(K,) items given each class."""
        return np.asarray(self.confusion.sum(axis=1))

    @cached_property
    def n_predicted(self) -> Ints:
        """(K,) items predicted to be of each class."""
        return np.asarray(self.confusion.sum(axis=0))

    @property
    def accuracy(self) -> float:
        """Share of the items that are right; NaN without items."""
        return self.n_correct / self.n if self.n else float("nan")

    @cached_property
    def precision(self) -> Floats:
        """(K,) of those predicted to be of the class, the share that are."""
        return _ratio(np.diagonal(self.confusion), self.n_predicted)

    @cached_property
    def recall(self) -> Floats:
        """(K,) of those given the class, the share found."""
        return _ratio(np.diagonal(self.confusion), self.support)

    @cached_property
    def f1(self) -> Floats:
        """(K,) harmonic mean of precision and recall."""
        return _ratio(2 * np.diagonal(self.confusion), self.support + self.n_predicted)

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that were given; NaN without items."""
        return float(self.recall[self.support > 0].mean()) if self.n else float("nan")

    @property
    def occurs(self) -> NDArray[np.bool_]:
        """(K,) whether the class was given or predicted at all."""
        return np.asarray((self.support + self.n_predicted) > 0)

    def macro(self, per_class: Floats) -> float:
        """Mean over the classes that occur, each counting the same; NaN without items."""
        return float(per_class[self.occurs].mean()) if self.n else float("nan")

    def weighted(self, per_class: Floats) -> float:
        """Mean over the classes, each counting as often as it was given; NaN without items."""
        return float((per_class * self.support).sum() / self.n) if self.n else float("nan")

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur."""
        return self.macro(self.f1)


def scores(given: Ints, predicted: Ints, n_classes: int) -> Scores:
    """Scores of predicted classes against labels; arguments as for confusion_matrix."""
    return Scores(confusion_matrix(given, predicted, n_classes))


def top_k_accuracy(given: Ints, pred_probs: NDArray[Any], k: int) -> float:
    """Share of the labelled items whose class is among the k most probable; NaN without items.

    Of equally probable classes the first counts as more probable, as in ``argmax``, so that top-1 is the
    accuracy.

    Args:
        given: (N,) class indices, -1 unlabelled.
        pred_probs: (N, K).
        k: At least 1.
    """
    rows = np.flatnonzero(given != UNLABELLED)
    if not len(rows):
        return float("nan")
    return float((rank_of_given(given[rows], pred_probs[rows]) < k).mean())


def rank_of_given(given: Ints, pred_probs: NDArray[Any]) -> Ints:
    """(N,) how many classes come before the given one when sorted by probability; 0 is right."""
    own = np.take_along_axis(pred_probs, given[:, None], axis=1)
    earlier = np.arange(pred_probs.shape[1]) < given[:, None]
    return np.asarray(((pred_probs > own) | ((pred_probs == own) & earlier)).sum(axis=1), np.int64)


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share, by Wilson's score (JASA 22, 1927); (0, 1) without items."""
    if not n:
        return 0.0, 1.0
    z = 1.959963984540054
    share, weight = n_right / n, z * z / n
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * float(np.sqrt(share * (1 - share) / n + weight / (4 * n)))
    return max(0.0, middle - half), min(1.0, middle + half)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    ratio = np.zeros(len(below), np.float64)
    np.divide(above, below, out=ratio, where=below != 0)
    return ratio
