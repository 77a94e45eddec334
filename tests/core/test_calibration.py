"""Calibration numbers against hand computation, scikit-learn and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss as sk_log_loss

from core.metrics.calibration import (
    apply_temperature,
    brier_score,
    fit_temperature,
    log_loss,
    reliability,
)


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the probabilities themselves: calibrated by construction."""
    rng = np.random.default_rng(1)
    probs = rng.dirichlet([0.4] * 5, 20_000).astype(np.float32)
    labels = (probs.cumsum(axis=1) < rng.random((len(probs), 1))).sum(axis=1).clip(max=4)
    return labels, probs


def test_ece_equals_torchmetrics(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    import torch
    from torchmetrics.classification import MulticlassCalibrationError

    labels, probs = drawn
    theirs = MulticlassCalibrationError(num_classes=5, n_bins=15, norm="l1")(
        torch.tensor(probs), torch.tensor(labels)
    )
    assert reliability(labels, probs).ece == pytest.approx(float(theirs), abs=1e-5)


def test_calibrated_probabilities_have_next_to_no_error(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probs = drawn
    assert reliability(labels, probs).ece < 0.02
    assert reliability(labels, probs, adaptive=True).ece < 0.02
    sharpened = apply_temperature(probs, 0.3)
    assert reliability(labels, sharpened).ece > 0.1


def test_adaptive_bins_hold_equally_many(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probs = drawn
    counts = reliability(labels, probs, n_bins=10, adaptive=True).count
    assert counts.sum() == len(labels)
    assert counts.max() - counts.min() <= 2


def test_the_temperature_is_recovered(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probs = drawn
    assert fit_temperature(labels, probs) == pytest.approx(1.0, abs=0.05)
    assert fit_temperature(labels, apply_temperature(probs, 0.5)) == pytest.approx(2.0, abs=0.1)


def test_brier_and_log_loss(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probs = drawn
    one_hot = np.eye(5)[labels]
    assert brier_score(labels, probs) == pytest.approx(((probs - one_hot) ** 2).sum(axis=1).mean())
    assert log_loss(labels, probs) == pytest.approx(sk_log_loss(labels, _normalised(probs)), abs=1e-4)


def test_empty_bins_and_no_items() -> None:
    found = reliability(np.array([0, 1]), np.array([[0.9, 0.1], [0.05, 0.95]]), n_bins=10)
    assert found.count.tolist() == [0] * 8 + [1, 1]
    assert np.isnan(found.accuracy[0])
    assert found.ece == pytest.approx((0.1 + 0.05) / 2)
    nothing = np.array([-1])
    probs = np.array([[0.5, 0.5]])
    assert np.isnan(reliability(nothing, probs, adaptive=True).ece)
    assert np.isnan([brier_score(nothing, probs), log_loss(nothing, probs)]).all()
    assert fit_temperature(nothing, probs) == 1.0


def _normalised(probs: np.ndarray) -> np.ndarray:
    wide = probs.astype(np.float64)
    return wide / wide.sum(axis=1, keepdims=True)
