"""How well yes and no of several labels an image are told, in plain NumPy; unknown labels are left out.

Labels are (N, K) float32: 1 yes, 0 no, NaN unknown. Every figure says over how many known labels it is, and
within which bounds it would lie if the unknown ones were known: at best each agrees with its prediction, at
worst none does. Where a ratio of one label has nothing below the line it is 0, as scikit-learn's
``zero_division=0``; a macro average of what is about yes leaves out the labels that no image has and none is
predicted to have, as with one label an image (core.evaluation.metrics). Where an image has no yes and none is
predicted, its F1 and Jaccard are 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.metrics.bounds import auc_bounds, mean_bounds, precision_bounds, with_itself
from core.training.scores import average_precision, roc_auc

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Labels = NDArray[np.float32]

RATIOS = ("precision", "recall", "specificity", "f1", "g_mean", "balanced_accuracy", "accuracy")
"""What follows from the four counts; sensitivity is another name of recall."""
ABOUT_YES = ("precision", "recall", "f1", "g_mean")
"""Those that say nothing of a label without any yes, given or predicted."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Right and wrong answers of each label, all (K,) int64; or of all labels together, (1,)."""

    tp: Ints
    fp: Ints
    tn: Ints
    fn: Ints

    @property
    def n(self) -> Ints:
        """Known labels."""
        return self.tp + self.fp + self.tn + self.fn

    @property
    def precision(self) -> Floats:
        """Of those predicted yes, the share that is."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Floats:
        """Of those that are yes, the share found: the sensitivity."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Floats:
        """Of those that are no, the share told."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def g_mean(self) -> Floats:
        """Geometric mean of recall and specificity."""
        return np.asarray(np.sqrt(self.recall * self.specificity))

    @property
    def balanced_accuracy(self) -> Floats:
        """Mean of recall and specificity; the one there is where no label is yes, or none no."""
        has_yes, has_no = self.tp + self.fn > 0, self.tn + self.fp > 0
        both = np.maximum(has_yes.astype(int) + has_no, 1)
        return np.asarray((self.recall + self.specificity) / both)

    @property
    def accuracy(self) -> Floats:
        """Share of the known labels that is right."""
        return _ratio(self.tp + self.tn, self.n)

    def ratio(self, name: str) -> Floats:
        """One of RATIOS."""
        values: Floats = getattr(self, name)
        return values

    @property
    def occurs(self) -> NDArray[np.bool_]:
        """(K,) whether the label is yes for an image or predicted to be."""
        return np.asarray(self.tp + self.fp + self.fn > 0)

    def macro(self, name: str) -> float:
        """Mean of one of RATIOS over the labels that have known ones and, where it is ABOUT_YES, that occur;
        NaN for none. scikit-learn's macro average of ``labels`` = those that occur.
        """
        return _mean(self.ratio(name)[self.occurs if name in ABOUT_YES else self.n > 0])

    def together(self) -> Counts:
        """All labels as one, for micro averages."""
        return Counts(*(np.array([part.sum()]) for part in (self.tp, self.fp, self.tn, self.fn)))


@dataclass(frozen=True, eq=False)
class MultiLabelScores:
    """What probabilities and thresholds amount to against labels.

    Attributes:
        labels: (N, K) float32.
        pred_probs: (N, K).
        thresholds: (K,) a label is predicted yes from its threshold on.
    """

    labels: Labels
    pred_probs: NDArray[Any]
    thresholds: NDArray[Any]

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(N, K)."""
        return ~np.isnan(self.labels)

    @cached_property
    def predicted(self) -> NDArray[np.bool_]:
        """(N, K) whether yes is predicted."""
        return np.asarray(self.pred_probs >= self.thresholds)

    @cached_property
    def counts(self) -> Counts:
        """Over the known labels."""
        yes, no, said = self.labels == 1, self.labels == 0, self.predicted
        parts = (yes & said, no & said, no & ~said, yes & ~said)
        return Counts(*(part.sum(axis=0, dtype=np.int64) for part in parts))

    @cached_property
    def at_best(self) -> Counts:
        """As if every unknown label were as predicted."""
        c, (said, unsaid) = self.counts, self._unknown
        return Counts(c.tp + said, c.fp, c.tn + unsaid, c.fn)

    @cached_property
    def at_worst(self) -> Counts:
        """As if no unknown label were as predicted."""
        c, (said, unsaid) = self.counts, self._unknown
        return Counts(c.tp, c.fp + said, c.tn, c.fn + unsaid)

    @cached_property
    def _unknown(self) -> tuple[Ints, Ints]:
        """(K,) unknown labels predicted yes, and no."""
        said = ~self.known & self.predicted
        return said.sum(axis=0), (~self.known & ~self.predicted).sum(axis=0)

    @cached_property
    def auc(self) -> Floats:
        """(K,) area under the ROC curve; NaN where a label is never yes or never no."""
        return self._of_known(roc_auc)

    @cached_property
    def average_precision(self) -> Floats:
        """(K,) NaN likewise."""
        found = self._of_known(average_precision)
        return np.where(np.isnan(self.auc), np.nan, found)

    def _of_known(self, score: Any) -> Floats:
        columns = range(self.labels.shape[1])
        known = self.known
        return np.array(
            [score(self.labels[known[:, k], k] == 1, self.pred_probs[known[:, k], k]) for k in columns]
        )

    def auc_bounds(self, k: int) -> tuple[float, float]:
        """The lowest and highest AUC of a label over all ways to answer its unknown ones, or to leave them
        out.
        """
        low, high = self._auc_ends[k]
        return float(low), float(high)

    def average_precision_bounds(self, k: int) -> tuple[float, float]:
        """The same of its average precision."""
        low, high = self._precision_ends[k]
        return float(low), float(high)

    @cached_property
    def _auc_ends(self) -> Floats:
        return self._ends(auc_bounds, self.auc)

    @cached_property
    def _precision_ends(self) -> Floats:
        return self._ends(precision_bounds, self.average_precision)

    def _ends(self, ends_of: Any, figures: Floats) -> Floats:
        yes, unknown, probs = self.labels == 1, ~self.known, self.pred_probs
        ends = [ends_of(yes[:, k], unknown[:, k], probs[:, k]) for k in range(yes.shape[1])]
        return with_itself(np.array(ends), figures)

    @cached_property
    def ranking_bounds(self) -> dict[str, Floats]:
        """macro_auc and mean_average_precision at worst and at best, each (2,); NaN for none."""
        sure = (self.labels == 1).any(axis=0) & (self.labels == 0).any(axis=0)
        ends = {"macro_auc": self._auc_ends, "mean_average_precision": self._precision_ends}
        return {name: np.array(mean_bounds(each, sure)) for name, each in ends.items()}

    @cached_property
    def macro_f1_bounds(self) -> tuple[float, float]:
        """Macro F1 at worst and at best; a label that is not there for sure may join or be left out."""
        ends = np.stack([self.at_worst.f1, self.at_best.f1], axis=1)
        there, may = (c.tp + c.fp + c.fn > 0 for c in (self.counts, self.at_worst))
        return mean_bounds(np.where(may[:, None], ends, np.nan), there)

    # Averages

    @property
    def macro_auc(self) -> float:
        """Mean AUC over the labels that have one; NaN for none."""
        return _mean(self.auc)

    @property
    def mean_average_precision(self) -> float:
        """Mean average precision likewise."""
        return _mean(self.average_precision)

    def macro(self, name: str) -> float:
        """Mean of one of RATIOS over the labels; see ``Counts.macro``."""
        return self.counts.macro(name)

    def micro(self, name: str) -> float:
        """One of RATIOS over all known labels at once."""
        return float(self.counts.together().ratio(name)[0])

    @cached_property
    def of_images(self) -> dict[str, Floats]:
        """(n,) precision, recall, f1, jaccard and exact (all known labels right) of each image that has a
        known label.
        """
        rows = self.known.any(axis=1)
        known, said = self.known[rows], self.predicted[rows] & self.known[rows]
        yes = self.labels[rows] == 1
        hit, n_said, n_yes = (yes & said).sum(axis=1), said.sum(axis=1), yes.sum(axis=1)
        nothing = (n_said == 0) & (n_yes == 0)
        figures = {
            "precision": _ratio(hit, n_said),
            "recall": _ratio(hit, n_yes),
            "f1": _ratio(2 * hit, n_said + n_yes),
            "jaccard": _ratio(hit, n_said + n_yes - hit),
        }
        right = ((yes == said) | ~known).all(axis=1)
        return {**{name: np.where(nothing, 1.0, v) for name, v in figures.items()}, "exact": right * 1.0}

    def samples(self, name: str) -> float:
        """Mean of one of ``of_images`` over the images; NaN without images."""
        return _mean(self.of_images[name])

    @cached_property
    def _answered(self) -> tuple[MultiLabelScores, MultiLabelScores]:
        """If every unknown label were other than predicted, and as predicted."""
        ways = (~self.predicted, self.predicted)
        worst, best = (np.where(self.known, self.labels, way).astype(np.float32) for way in ways)
        return (
            MultiLabelScores(worst, self.pred_probs, self.thresholds),
            MultiLabelScores(best, self.pred_probs, self.thresholds),
        )

    def samples_bounds(self, name: str) -> tuple[float, float]:
        """At worst and at best, ``samples(name)`` of all images if their unknown labels were known."""
        worst, best = self._answered
        return worst.samples(name), best.samples(name)


def multilabel_scores(
    labels: Labels, pred_probs: NDArray[Any], thresholds: NDArray[Any] | float = 0.5
) -> MultiLabelScores:
    """Scores of probabilities against labels, both (N, K).

    Args:
        thresholds: One for all labels, or (K,).

    Raises:
        BadInput: The shapes differ.
    """
    if labels.shape != pred_probs.shape or labels.ndim != 2:
        raise BadInput(
            f"Labels of shape {labels.shape} were given for probabilities of shape {pred_probs.shape}.",
            "Both must be (images, labels), of the same images in the same order.",
        )
    return MultiLabelScores(labels, pred_probs, np.broadcast_to(np.asarray(thresholds), (labels.shape[1],)))


def roc_curve(yes: NDArray[np.bool_], probs: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """(false positive rate, true positive rate, threshold), one a distinct probability, from (0, 0) on."""
    tp, fp, thresholds = _steps(yes, probs)
    return fp / max(fp[-1], 1), tp / max(tp[-1], 1), thresholds


def pr_curve(yes: NDArray[np.bool_], probs: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """(recall, precision, threshold), one a distinct probability, the highest first."""
    tp, fp, thresholds = _steps(yes, probs)
    return (tp / max(tp[-1], 1))[1:], (tp / np.maximum(tp + fp, 1))[1:], thresholds[1:]


def _steps(yes: NDArray[np.bool_], probs: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    order = np.argsort(-probs, kind="stable")
    ordered, hits = probs[order].astype(np.float64), yes[order]
    last = np.flatnonzero(np.r_[np.diff(ordered) != 0, True]) if len(ordered) else np.zeros(0, int)
    tp, fp = np.cumsum(hits)[last], np.cumsum(~hits)[last]
    return np.r_[0.0, tp], np.r_[0.0, fp], np.r_[np.inf, ordered[last]]


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    ratio = np.zeros(len(below), np.float64)
    np.divide(above, below, out=ratio, where=below != 0)
    return ratio


def _mean(values: NDArray[Any]) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else math.nan
