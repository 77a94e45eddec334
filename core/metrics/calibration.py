"""Whether a confidence of 0.8 means right four times in five: reliability, ECE, Brier score, temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import UNLABELLED

Floats = NDArray[np.float64]
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against accuracy, in bins of confidence.

    Attributes:
        low, high: (B,) edges of each bin; a confidence on an edge belongs to the lower bin.
        count: (B,) int64 items in each.
        confidence: (B,) their mean confidence; NaN in an empty bin.
        accuracy: (B,) share of them that are right; NaN in an empty bin.
    """

    low: Floats
    high: Floats
    count: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1: the mean gap, weighted by count; NaN without items.

        Naeini, Cooper and Hauskrecht, AAAI 2015; Guo et al., ICML 2017.
        """
        n = self.count.sum()
        if not n:
            return float("nan")
        filled = self.count > 0
        gap = np.abs(self.confidence - self.accuracy)[filled]
        return float((gap * self.count[filled]).sum() / n)


def reliability(
    given: NDArray[np.int64], pred_probs: NDArray[Any], *, n_bins: int = 15, adaptive: bool = False
) -> Reliability:
    """Bin the labelled items by the confidence in their most probable class.

    Args:
        given: (N,) class indices, -1 unlabelled (left out).
        pred_probs: (N, K), rows summing to one.
        n_bins: B.
        adaptive: Bins of equal count (Nixon et al., 2019) instead of equal width.
    """
    labelled = given != UNLABELLED
    confidence = pred_probs[labelled].max(axis=1).astype(np.float64)
    right = (pred_probs[labelled].argmax(axis=1) == given[labelled]).astype(np.float64)
    if adaptive and len(confidence):
        edges = np.quantile(confidence, np.linspace(0, 1, n_bins + 1))
        edges[0] = 0.0
    else:
        edges = np.linspace(0, 1, n_bins + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    means = [
        np.divide(
            np.bincount(bins, weights=values, minlength=n_bins),
            count,
            out=np.full(n_bins, np.nan),
            where=count > 0,
        )
        for values in (confidence, right)
    ]
    return Reliability(edges[:-1], edges[1:], count, means[0], means[1])


def brier_score(given: NDArray[np.int64], pred_probs: NDArray[Any]) -> float:
    """Mean squared distance of the probabilities from the truth, 0 (best) to 2; NaN without items.

    The original form, summed over all classes (Brier, Monthly Weather Review 78, 1950).
    """
    labelled = given != UNLABELLED
    if not labelled.any():
        return float("nan")
    probs = pred_probs[labelled].astype(np.float64)
    own = np.take_along_axis(probs, given[labelled][:, None], axis=1)[:, 0]
    return float(((probs**2).sum(axis=1) - 2 * own + 1).mean())


def log_loss(given: NDArray[np.int64], pred_probs: NDArray[Any]) -> float:
    """Mean negative log-likelihood of the given classes, in nats; NaN without items."""
    labelled = given != UNLABELLED
    if not labelled.any():
        return float("nan")
    own = np.take_along_axis(pred_probs[labelled].astype(np.float64), given[labelled][:, None], axis=1)
    return float(-np.log(np.maximum(own, _TINY)).mean())


def fit_temperature(given: NDArray[np.int64], pred_probs: NDArray[Any]) -> float:
    """The temperature that makes held-out probabilities most likely (Guo et al., ICML 2017).

    Fit it on validation, never on the split that is reported. Above 1 the model is too sure of itself.

    Returns:
        The temperature, between 0.05 and 20; 1.0 without labelled items.
    """
    labelled = given != UNLABELLED
    if not labelled.any():
        return 1.0
    logs = np.log(np.maximum(pred_probs[labelled].astype(np.float64), _TINY))
    rows = np.arange(len(logs))
    own = given[labelled]

    def loss(log_temperature: float) -> float:
        scaled = logs / np.exp(log_temperature)
        top = scaled.max(axis=1)
        total = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top
        return float((total - scaled[rows, own]).mean())

    return float(np.exp(_golden_section(loss, np.log(0.05), np.log(20.0))))


def apply_temperature(pred_probs: NDArray[Any], temperature: float) -> NDArray[np.float32]:
    """(N, K) the probabilities at another temperature; the most probable class stays the same."""
    logs = np.log(np.maximum(pred_probs.astype(np.float64), _TINY)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _golden_section(loss: Any, low: float, high: float, steps: int = 40) -> float:
    """Where a function of one valley is lowest (Kiefer 1953); 40 steps narrow the range 2e8 times."""
    share = (np.sqrt(5) - 1) / 2
    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(steps):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = loss(right)
    return float((low + high) / 2)
