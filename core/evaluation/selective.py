"""A model that may say "ask a person": what share of the images goes to people, and how good the rest is.

An image goes to people where the model's confidence is below a threshold, as in the review queue of that
name. Coverage is the share that the model keeps, risk the share of wrong answers among those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import UNLABELLED
from core.evaluation.metrics import Floats, Ints, wilson_interval

LEVEL = 0.025
"""How often ``threshold_for`` may promise too much."""
STARTS = (0.25, 0.5, 0.75, 1.0)
"""Shares of the images kept at which its tests begin."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one threshold does.

    Attributes:
        threshold: Confidence below which an image goes to people.
        n: Labelled images.
        n_people: Those of them that go to people.
        n_wrong: Wrong answers among the rest.
        accuracy: Of the rest; NaN where nothing is left.
        ci95: Wilson interval of ``accuracy``; (0, 1) where nothing is left.
    """

    threshold: float
    n: int
    n_people: int
    n_wrong: int
    accuracy: float
    ci95: tuple[float, float]

    @property
    def share_people(self) -> float:
        """Share of the images that go to people; NaN without images."""
        return self.n_people / self.n if self.n else float("nan")


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """All thresholds at once, the strictest first.

    Attributes:
        threshold: (T,) each confidence that occurs, falling: images at least so confident are kept.
        coverage: (T,) share kept, rising to 1.
        risk: (T,) share of wrong answers among them.
        area: Area under the curve, 0 (best) to 1; NaN without images.
        best_area: That of an order that puts all right answers first: nothing with this accuracy is lower.
    """

    threshold: Floats
    coverage: Floats
    risk: Floats
    area: float
    best_area: float

    @property
    def excess_area(self) -> float:
        """How much the order of the confidences costs (E-AURC of Geifman, Uziel and El-Yaniv, ICLR 2019)."""
        return self.area - self.best_area


def at_threshold(given: Ints, pred_probs: NDArray[Any], threshold: float) -> Share:
    """What happens with one threshold.

    Args:
        given: (N,) class indices, -1 unlabelled (left out).
        pred_probs: (N, K), out-of-sample.
        threshold: 0 to 1; 0 keeps all.
    """
    confidence, right = _judged(given, pred_probs)
    kept = confidence >= threshold
    n_kept, n_right = int(kept.sum()), int(right[kept].sum())
    accuracy = n_right / n_kept if n_kept else float("nan")
    interval = wilson_interval(n_right, n_kept)
    return Share(threshold, len(right), len(right) - n_kept, n_kept - n_right, accuracy, interval)


def risk_coverage(given: Ints, pred_probs: NDArray[Any]) -> RiskCoverage:
    """The risk-coverage curve (El-Yaniv and Wiener, JMLR 11, 2010) and the area under it.

    The area is the mean risk over 1, 2, ..., n kept images; of equally confident images each order counts
    the same.

    Args:
        given, pred_probs: As in ``at_threshold``.
    """
    confidence, right = _judged(given, pred_probs)
    n = len(right)
    if not n:
        nothing = np.zeros(0)
        return RiskCoverage(nothing, nothing, nothing, float("nan"), float("nan"))
    levels, group = np.unique(-confidence, return_inverse=True)
    kept = np.cumsum(np.bincount(group))
    wrong = np.cumsum(np.bincount(group, weights=~right))
    each = np.arange(1, n + 1)
    expected = np.interp(each, np.concatenate([[0], kept]), np.concatenate([[0.0], wrong]))
    n_right = int(right.sum())
    best = np.maximum(each - n_right, 0) / each
    return RiskCoverage(-levels, kept / n, wrong / kept, float((expected / each).mean()), float(best.mean()))


def threshold_for(given: Ints, pred_probs: NDArray[Any], accuracy: float) -> Share | None:
    """The lowest threshold that is shown to leave images answered so accurately; None where none is.

    It promises too much in at most 2.5 % of cases, whatever the confidences are worth: from each of STARTS
    towards lower thresholds, exact binomial tests go on until one fails (fixed-sequence testing with several
    starts: Angelopoulos et al., Learn then Test, 2021). The lowest threshold of all whose own interval lies
    above ``accuracy`` would be wrong six times as often, as luck has many tries. Equally confident images are
    kept or left together. Choose it on validation images and look at test images for how it does.

    Args:
        given, pred_probs: As in ``at_threshold``.
        accuracy: Wanted of the images that the model keeps, 0 to 1.
    """
    from scipy.stats import binom

    curve = risk_coverage(given, pred_probs)
    n = int((given != UNLABELLED).sum())
    kept = np.round(curve.coverage * n).astype(int)
    right = np.round(kept * (1 - curve.risk)).astype(int)
    by_luck = binom.sf(right - 1, kept, accuracy)  # so many right, were the images only just that accurate
    is_shown = (by_luck <= LEVEL / len(STARTS)) | (accuracy <= 0)
    reached = [_last_of_run(is_shown, int(np.searchsorted(curve.coverage, start))) for start in STARTS]
    index = max(reached) if n else -1
    return at_threshold(given, pred_probs, float(curve.threshold[index])) if index >= 0 else None


def _last_of_run(holds: NDArray[np.bool_], start: int) -> int:
    """The last index of those from ``start`` on that hold without a gap; -1 where the first does not."""
    fails = np.flatnonzero(~holds[start:])
    n_holding = int(fails[0]) if len(fails) else len(holds) - start
    return start + n_holding - 1 if n_holding > 0 else -1


def _judged(given: Ints, pred_probs: NDArray[Any]) -> tuple[Floats, NDArray[np.bool_]]:
    """(n,) confidence and whether the most probable class is right, of the labelled images."""
    labelled = given != UNLABELLED
    probs = pred_probs[labelled]
    right = probs.argmax(axis=1) == given[labelled]
    return np.asarray(probs.max(axis=1), np.float64), np.asarray(right)
