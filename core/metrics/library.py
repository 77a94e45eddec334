"""The metrics, in the order in which they are shown. To add one, add a function here and its test.

A class that is neither given nor predicted is left out of means over the classes, as scikit-learn does over
the labels that are present; a ratio of a class that is there with nothing below the line is 0
(``zero_division=0``). Averages as in Sokolova and Lapalme 2009; those of images, of Tsoumakas and Vlahavas
2007. What cannot be told, as the AUC of a class that is never given, is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import Task
from core.metrics.calibration import reliability
from core.metrics.registry import metric
from core.metrics.scores import Scores, ratio

Floats = NDArray[np.float64]
ONE, SEVERAL = (Task.SINGLE_LABEL,), (Task.MULTI_LABEL,)
TOP_K = (2, 3, 5)
_TINY = 1e-12


@metric("accuracy", "Accuracy", per="cell", percent=True, curve=True)
def accuracy(scores: Scores) -> Floats:
    """(N,) or (N, K) which known labels are right."""
    return np.where(scores.labels.known, scores.right, np.nan)


def _auc(scores: Scores) -> Floats:
    """(K,) how often an image with the class has the higher probability than one without."""
    return scores.auc


def _average_precision(scores: Scores) -> Floats:
    """(K,) mean precision over the steps of recall."""
    return scores.average_precision


# Of one class an image these are not computed each epoch: they sort the images once a class.
_OF_RANKS: dict[str, Any] = {"needs": "probs", "per": "class", "weighted": True, "digits": 3}
_MAP = {"aliases": ("average_precision",), **_OF_RANKS}
metric("macro_auc", "Macro ROC AUC", tasks=SEVERAL, curve=True, **_OF_RANKS)(_auc)
metric("macro_auc", "Macro ROC AUC", tasks=ONE, each_epoch=False, **_OF_RANKS)(_auc)
metric("mean_average_precision", "Mean average precision", tasks=SEVERAL, curve=True, **_MAP)(
    _average_precision
)
metric("mean_average_precision", "Mean average precision", tasks=ONE, each_epoch=False, **_MAP)(
    _average_precision
)


@metric("balanced_accuracy", "Balanced accuracy", tasks=ONE, per="class", weighted=True, percent=True)
def balanced_accuracy(scores: Scores) -> Floats:
    """(K,) the recall of each class that is given."""
    return np.where(scores.counts.support > 0, scores.counts.recall, np.nan)


@metric("balanced_accuracy", "Balanced accuracy", tasks=SEVERAL, per="class", weighted=True, percent=True)
def balanced_accuracy_of_labels(scores: Scores) -> Floats:
    """(K,) mean of recall and specificity of each label."""
    return np.where(scores.counts.n > 0, scores.counts.balanced_accuracy, np.nan)


def _macro(name: str) -> Callable[[Scores], Floats]:
    """(K,) a ratio of each class that is given or predicted."""

    def of_classes(scores: Scores) -> Floats:
        return np.where(scores.counts.occurs, scores.counts.ratio(name), np.nan)

    return of_classes


def _specificity(scores: Scores) -> Floats:
    """(K,) of the images known not to have the class, the share told."""
    counts = scores.counts
    return np.where(counts.tn + counts.fp > 0, counts.specificity, np.nan)


def _g_mean(scores: Scores) -> Floats:
    """(K,) geometric mean of recall and specificity of each class that is given or predicted, and not all."""
    counts = scores.counts
    return np.where(counts.occurs & (counts.tn + counts.fp > 0), counts.g_mean, np.nan)


def _weighted(name: str) -> Callable[[Scores], Floats]:
    """The mean over the classes, each counting as often as it is given."""

    def mean(scores: Scores) -> Floats:
        counts = scores.counts
        return ratio(
            (counts.ratio(name) * counts.support).sum(axis=-1), counts.support.sum(axis=-1), nothing=np.nan
        )

    return mean


def _micro(name: str) -> Callable[[Scores], Floats]:
    """A ratio over all known labels at once."""

    def of_all(scores: Scores) -> Floats:
        together = scores.counts.together()
        return np.where(together.n > 0, together.ratio(name), np.nan)[..., 0]

    return of_all


def _of_images(name: str) -> Callable[[Scores], Floats]:
    """(N,) a figure of each image."""

    def of_each(scores: Scores) -> Floats:
        return scores.of_images[name]

    return of_each


metric("macro_f1", "Macro F1", per="class", weighted=True, digits=3, curve=True)(_macro("f1"))
metric("mean_f1", "Mean F1 of images", tasks=SEVERAL, per="cell", digits=3)(_of_images("f1"))
metric("exact_match", "Exact match", tasks=SEVERAL, per="cell", percent=True, curve=True)(_of_images("exact"))
metric("hamming", "Hamming score", tasks=SEVERAL, per="cell", percent=True)(accuracy.compute)
metric("jaccard", "Jaccard score", tasks=SEVERAL, per="cell", digits=3)(_of_images("jaccard"))
metric("macro_precision", "Macro precision", per="class", weighted=True, digits=3)(_macro("precision"))
metric("macro_recall", "Macro recall", per="class", weighted=True, digits=3)(_macro("recall"))
metric("macro_specificity", "Macro specificity", per="class", weighted=True, digits=3)(_specificity)
metric("macro_g_mean", "Macro G-mean", per="class", weighted=True, digits=3)(_g_mean)
metric("weighted_f1", "Weighted F1", weighted=True, digits=3)(_weighted("f1"))
metric("weighted_precision", "Weighted precision", weighted=True, digits=3)(_weighted("precision"))
metric("weighted_recall", "Weighted recall", weighted=True, digits=3)(_weighted("recall"))
metric("micro_f1", "Micro F1", tasks=SEVERAL, weighted=True, digits=3)(_micro("f1"))
metric("micro_precision", "Micro precision", tasks=SEVERAL, weighted=True, digits=3)(_micro("precision"))
metric("micro_recall", "Micro recall", tasks=SEVERAL, weighted=True, digits=3)(_micro("recall"))


def _top(k: int) -> Callable[[Scores], Floats]:
    """(N,) whether the given class is among the k most probable; NaN with no more than k classes."""

    def among(scores: Scores) -> Floats:
        if k >= len(scores.labels.classes):
            return np.full(len(scores.labels), np.nan)
        return np.where(scores.labels.known, rank_of_given(scores) < k, np.nan)

    return among


def rank_of_given(scores: Scores) -> NDArray[np.int64]:
    """(N,) how many classes are before the given one, sorted by probability; of equal ones the first is."""
    given, probs = np.maximum(scores.labels.values, 0), scores.probs
    own = np.take_along_axis(probs, given[:, None], axis=1)
    earlier = np.arange(probs.shape[1]) < given[:, None]
    return np.asarray(((probs > own) | ((probs == own) & earlier)).sum(axis=1), np.int64)


for _k in TOP_K:
    metric(f"top_{_k}_accuracy", f"Top-{_k} accuracy", tasks=ONE, needs="probs", per="cell", percent=True)(
        _top(_k)
    )

_LOSS: dict[str, Any] = {"needs": "probs", "higher_is_better": False, "per": "cell"}


@metric("log_loss", "Log loss", tasks=ONE, aliases=("nll",), **_LOSS)
def log_loss(scores: Scores) -> Floats:
    """(N,) the negative logarithm of the given class's probability, in nats."""
    own = np.take_along_axis(scores.probs, np.maximum(scores.labels.values, 0)[:, None], axis=1)[:, 0]
    return np.where(scores.labels.known, -np.log(np.maximum(own.astype(np.float64), _TINY)), np.nan)


@metric("log_loss", "Log loss", tasks=SEVERAL, aliases=("nll",), **_LOSS)
def log_loss_of_labels(scores: Scores) -> Floats:
    """(N, K) the binary cross-entropy of each known label, in nats."""
    probs = scores.probs.astype(np.float64)
    own = np.where(scores.labels.yes, probs, 1 - probs)
    return np.where(scores.labels.known, -np.log(np.maximum(own, _TINY)), np.nan)


@metric("brier", "Brier score", tasks=ONE, **_LOSS)
def brier(scores: Scores) -> Floats:
    """(N,) squared distances from the truth, summed over the classes: 0 (best) to 2 (Brier 1950)."""
    gaps = ((scores.probs.astype(np.float64) - scores.labels.yes) ** 2).sum(axis=1)
    return np.where(scores.labels.known, gaps, np.nan)


@metric("brier", "Brier score", tasks=SEVERAL, **_LOSS)
def brier_of_labels(scores: Scores) -> Floats:
    """(N, K) the squared distance of each known label, 0 (best) to 1."""
    gaps = (scores.probs.astype(np.float64) - scores.labels.yes) ** 2
    return np.where(scores.labels.known, gaps, np.nan)


_ERROR: dict[str, Any] = {"tasks": ONE, "needs": "probs", "higher_is_better": False}


@metric("ece", "Expected calibration error", **_ERROR)
def ece(scores: Scores) -> float:
    """Mean gap of confidence and accuracy in 15 bins of equal width (Naeini et al. 2015)."""
    return reliability(scores.labels.values, scores.probs).ece


@metric("adaptive_ece", "Adaptive calibration error", **_ERROR)
def adaptive_ece(scores: Scores) -> float:
    """The same in 15 bins of equal count (Nixon et al. 2019)."""
    return reliability(scores.labels.values, scores.probs, adaptive=True).ece
