"""Cross-validation: what is told of the folds, against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from core.data.dataset import Dataset
from core.errors import BadInput, NotFound
from core.evaluation.crossval import (
    band,
    create_crossval,
    fold_figures,
    read_crossval,
    spread,
    summarise,
    text_crossval,
)
from core.runs.recipe import PRESETS
from core.workspace import Workspace


def _normalised(pred_probs: NDArray[np.float32]) -> NDArray[np.float64]:
    """scikit-learn minds the rounding of float32."""
    exact = pred_probs.astype(np.float64)
    return np.asarray(exact / exact.sum(axis=1, keepdims=True))


def test_the_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 500)
    pred_probs = rng.integers(1, 9, (500, 4)).astype(np.float32)
    pred_probs /= pred_probs.sum(axis=1, keepdims=True)
    predicted = pred_probs.argmax(axis=1)
    assert fold_figures(labels, pred_probs) == pytest.approx(
        {
            "accuracy": accuracy_score(labels, predicted),
            "macro_f1": f1_score(labels, predicted, average="macro"),
            "balanced_accuracy": balanced_accuracy_score(labels, predicted),
            "loss": log_loss(labels, _normalised(pred_probs)),
        },
        abs=1e-6,
    )


def test_a_class_called_impossible_costs_much_and_not_infinitely_much() -> None:
    figures = fold_figures(np.array([0, 1]), np.array([[1, 0], [1, 0]], np.float32))
    assert figures["loss"] == pytest.approx(-math.log(1e-12) / 2)


def test_the_interval_allows_for_shared_training_images() -> None:
    values = [0.90, 0.92, 0.91, 0.93, 0.89]
    found = spread(values)
    half = t.ppf(0.975, 4) * np.std(values, ddof=1) * math.sqrt(1 / 5 + 1 / 4)
    assert found["mean"] == pytest.approx(0.91)
    assert found["ci95"] == pytest.approx([0.91 - half, 0.91 + half])
    naive = t.ppf(0.975, 4) * np.std(values, ddof=1) / math.sqrt(5)
    assert half > 1.4 * naive


def test_an_interval_of_a_share_stays_within_its_bounds() -> None:
    assert spread([1.0, 0.9], most=1.0)["ci95"] == [pytest.approx(0, abs=0.2), 1.0]


def test_folds_of_unequal_length_are_summed_up_as_far_as_they_go() -> None:
    folds = [{"accuracy": a, "macro_f1": a, "balanced_accuracy": a, "loss": 1 - a} for a in (0.8, 0.6)]
    curves = [np.array([[0.5], [0.8]], np.float32), np.array([[0.6]], np.float32)]
    value = summarise(folds, curves, ["valid_accuracy"])
    assert value["accuracy"]["mean"] == pytest.approx(0.7)
    assert value["curves"]["valid_accuracy"] == [[0.5, 0.8], [0.6, None]]
    (first, second) = band(value["curves"]["valid_accuracy"])
    assert first == pytest.approx(
        (1, 0.55, 0.55 - np.std([0.5, 0.6], ddof=1), 0.55 + np.std([0.5, 0.6], ddof=1))
    )
    assert second == pytest.approx((2, 0.8, 0.8, 0.8))
    text = text_crossval({**value, "run": "cv", "data": "some", "n_folds": 2, "notes": ["Mind this."]})
    assert "0.7000 ± 0.1414" in text
    assert "Mind this." in text


def test_folds_that_cannot_be_are_refused(workspace: Workspace, sample: Dataset) -> None:
    for n in (1, 3_000):
        with pytest.raises(BadInput, match=f"{n} folds"):
            create_crossval(workspace, sample, PRESETS["fast"], label_version=0, n_folds=n)
    run = create_crossval(workspace, sample, PRESETS["fast"], label_version=0)
    assert run.name == "crossval-1"
    with pytest.raises(NotFound, match="has not finished"):
        read_crossval(run)
