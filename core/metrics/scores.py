"""Predictions set against labels, for both tasks: the counts, ranks and cells that metrics are made of.

All of it can be had of many draws of the images at once: ``weights`` say how often an image is in each draw,
and every figure then has the draws as its first axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import Labels
from core.errors import BadInput
from core.metrics.ranking import areas

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

RATIOS = ("precision", "recall", "specificity", "f1", "g_mean", "balanced_accuracy", "accuracy")
"""What follows from the four counts of a class; sensitivity is another name of recall."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Right and wrong answers of each class against all others, each (K,); (D, K) of D draws.

    Where a ratio has nothing below the line it is 0, as scikit-learn's ``zero_division=0``.
    """

    tp: NDArray[Any]
    fp: NDArray[Any]
    tn: NDArray[Any]
    fn: NDArray[Any]

    @property
    def n(self) -> NDArray[Any]:
        """Known cells."""
        return np.asarray(self.tp + self.fp + self.tn + self.fn)

    @property
    def support(self) -> NDArray[Any]:
        """Images that the class is given to."""
        return np.asarray(self.tp + self.fn)

    @property
    def n_predicted(self) -> NDArray[Any]:
        """Images that it is predicted for."""
        return np.asarray(self.tp + self.fp)

    @property
    def occurs(self) -> Mask:
        """Whether the class is given or predicted at all; one that is not is left out of means."""
        return np.asarray(self.tp + self.fp + self.fn > 0)

    @property
    def precision(self) -> Floats:
        """Of those predicted yes, the share that is."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Floats:
        """Of those that are yes, the share found: the sensitivity."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Floats:
        """Of those that are no, the share told."""
        return ratio(self.tn, self.tn + self.fp)

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall."""
        return ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def g_mean(self) -> Floats:
        """Geometric mean of recall and specificity (Kubat and Matwin, ICML 1997)."""
        return np.asarray(np.sqrt(self.recall * self.specificity))

    @property
    def balanced_accuracy(self) -> Floats:
        """Mean of recall and specificity; the one there is where no image is yes, or none no."""
        has_yes, has_no = self.tp + self.fn > 0, self.tn + self.fp > 0
        both = np.maximum(has_yes.astype(int) + has_no, 1)
        return np.asarray((self.recall + self.specificity) / both)

    @property
    def accuracy(self) -> Floats:
        """Share of the known cells that is right."""
        return ratio(self.tp + self.tn, self.n)

    def ratio(self, name: str) -> Floats:
        """One of RATIOS."""
        values: Floats = getattr(self, name)
        return values

    def together(self) -> Counts:
        """All classes as one, for micro averages; (1,)."""
        parts = (self.tp, self.fp, self.tn, self.fn)
        return Counts(*(np.asarray(part.sum(axis=-1, keepdims=True)) for part in parts))


@dataclass(frozen=True, eq=False)
class Scores:
    """Predictions of N images against their labels; make them with ``score``.

    Attributes:
        labels: Of N images over K classes.
        predicted: As ``labels.right`` takes it: (N,) class indices, or (N, K) yes and no.
        pred_probs: (N, K); None where only predictions are there.
        thresholds: (K,) from where yes is predicted where images have several labels.
        weights: (D, N) how often each image is in each of D draws; None for each image once.
    """

    labels: Labels
    predicted: NDArray[Any]
    pred_probs: NDArray[Any] | None = None
    thresholds: NDArray[Any] | None = None
    weights: NDArray[np.float32] | None = None

    @property
    def probs(self) -> NDArray[Any]:
        """(N, K). Raises BadInput where only predictions are there."""
        if self.pred_probs is None:
            raise BadInput("There are predicted labels, but no probabilities.", "Give probabilities.")
        return self.pred_probs

    def take(self, rows: NDArray[Any]) -> Scores:
        """Those of the given rows."""
        probs = None if self.pred_probs is None else self.pred_probs[rows]
        return replace(self, labels=self.labels.take(rows), predicted=self.predicted[rows], pred_probs=probs)

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sums over the images of ``values`` (N, ...): (...), or (D, ...) of the draws."""
        if self.weights is None:
            dtype = np.int64 if values.dtype == np.bool_ else np.float64
            return np.asarray(values.sum(axis=0, dtype=dtype))
        return np.asarray(self.weights @ values.astype(np.float32), np.float64)

    @property
    def n(self) -> int:
        """Images of which anything is known, over which everything here is computed."""
        return int(self.labels.labeled.sum())

    @cached_property
    def right(self) -> Mask:
        """Which known cells are as predicted, shaped as ``labels.known``."""
        return self.labels.right(self.predicted)

    @cached_property
    def said(self) -> Mask:
        """(N, K) the classes that are predicted."""
        return self.labels.told(self.predicted)

    @cached_property
    def counts(self) -> Counts:
        """Over the known cells."""
        if self.weights is None:
            return Counts(*self.labels.outcomes(self.predicted))
        yes, no, said = self.labels.yes, self.labels.no, self.said
        return Counts(*map(self.total, (yes & said, no & said, no & ~said, yes & ~said)))

    @cached_property
    def confusion(self) -> Ints:
        """Rows = given, columns = predicted: (K, K), or (K, 2, 2) of no and yes; each image once."""
        return self.labels.confusion(self.predicted)

    @cached_property
    def _areas(self) -> tuple[Floats, Floats]:
        labels = self.labels
        auc, precision = areas(labels.yes, labels.no, self.probs, self.weights)
        return (auc[0], precision[0]) if self.weights is None else (auc, precision)

    @property
    def auc(self) -> Floats:
        """(K,) area under the ROC curve of each class; NaN where it is never yes or never no."""
        return self._areas[0]

    @property
    def average_precision(self) -> Floats:
        """(K,) NaN likewise."""
        return self._areas[1]

    @cached_property
    def of_images(self) -> dict[str, Floats]:
        """(N,) precision, recall, f1, jaccard and exact (all that is known is right) of each image; NaN where
        nothing is known. Where an image has no class and none is predicted, they are 1.
        """
        labels, said = self.labels, self.said
        hit = (labels.yes & said).sum(axis=1)
        n_said, n_yes = (said & (labels.yes | labels.no)).sum(axis=1), labels.yes.sum(axis=1)
        nothing = (n_said == 0) & (n_yes == 0)
        wrong = (labels.no & said) | (labels.yes & ~said)
        figures = {
            "precision": np.where(nothing, 1.0, ratio(hit, n_said)),
            "recall": np.where(nothing, 1.0, ratio(hit, n_yes)),
            "f1": np.where(nothing, 1.0, ratio(2 * hit, n_said + n_yes)),
            "jaccard": np.where(nothing, 1.0, ratio(hit, n_said + n_yes - hit)),
            "exact": 1.0 - wrong.any(axis=1),
        }
        return {name: np.where(labels.labeled, values, np.nan) for name, values in figures.items()}

    def mean_of_cells(self, cells: NDArray[Any]) -> Floats:
        """Mean over what is not NaN of ``cells`` (N,) or (N, K), images counted by weight; NaN for none."""
        judged = ~np.isnan(cells)
        sums, n = np.where(judged, cells, 0.0), judged.astype(np.float64)
        if cells.ndim == 2:
            sums, n = sums.sum(axis=1), n.sum(axis=1)
        return ratio(self.total(sums), self.total(n), nothing=np.nan)


def score(
    labels: Labels, pred_probs: NDArray[Any], thresholds: NDArray[Any] | Sequence[float] | float = 0.5
) -> Scores:
    """Probabilities against labels.

    Args:
        labels: Of N images over K classes; what is unknown counts for nothing.
        pred_probs: (N, K), of the same images in the same order.
        thresholds: One for all classes, or (K,); where images have one class they say nothing.

    Raises:
        BadInput: The shapes differ.
    """
    n_classes = len(labels.classes)
    if pred_probs.shape != (len(labels), n_classes):
        raise BadInput(
            f"{len(labels)} labels over {n_classes} classes were given for probabilities of shape "
            f"{pred_probs.shape}.",
            "Both must be of the same images and classes, in the same order.",
        )
    cut = np.broadcast_to(np.asarray(thresholds, np.float64), (n_classes,))
    return Scores(labels, labels.predicted(pred_probs, cut), pred_probs, cut)


def ratio(above: NDArray[Any], below: NDArray[Any], nothing: float = 0.0) -> Floats:
    """``above / below``, and ``nothing`` where nothing is below."""
    found = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), nothing, np.float64)
    np.divide(above, below, out=found, where=np.asarray(below) != 0)
    return found


def mean_of_classes(values: NDArray[Any]) -> Floats:
    """Means over the last axis of what is not NaN; NaN where there is nothing else."""
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1), nothing=np.nan)
