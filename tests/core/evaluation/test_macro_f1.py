"""One rule for macro F1 in both tasks: what is neither given nor predicted is left out of the mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from core.data.labels import Labels
from core.evaluation.metrics import scores
from core.evaluation.multilabel import multilabel_scores
from core.evaluation.multilabel_report import multilabel_metrics
from core.evaluation.predictions import Predictions
from core.metrics import valid_figures
from core.training.scores import macro_f1


def epoch_figures(probs: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    return valid_figures(Labels.of(labels, [str(k) for k in range(labels.shape[1])]), probs)


@pytest.mark.parametrize("seed", range(10))
def test_of_one_label(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given, predicted = rng.choice([0, 2, 5], 30), rng.choice([0, 2, 3], 30)
    right = f1_score(given, predicted, average="macro")  # scikit-learn too averages over what occurs
    assert scores(given, predicted, 8).macro_f1 == pytest.approx(right)
    assert macro_f1(given, predicted, 8) == pytest.approx(right)


@pytest.mark.parametrize("seed", range(10))
def test_of_several_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random((20, 6)) < [0.5, 0.2, 0.0, 0.0, 1.0, 0.05]).astype(np.float32)
    probs = np.clip(labels * 0.4 + rng.random((20, 6)) * 0.7, 0, 1)
    probs[:, 2] = 0.1  # nobody has it, nobody is said to
    probs[0, 3] = 0.9  # nobody has it, somebody is said to
    said = probs >= 0.5
    occurs = np.flatnonzero((labels == 1).any(axis=0) | said.any(axis=0))
    assert 2 not in occurs
    found = multilabel_scores(labels, probs)
    judges: dict[str, Any] = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
    for name, judge in judges.items():
        right = judge(labels, said, labels=occurs, average="macro", zero_division=0)
        assert found.macro(name) == pytest.approx(right)
    assert epoch_figures(probs, labels)["valid_macro_f1"] == pytest.approx(found.macro("f1"))


def test_labels_that_nobody_has_do_not_lower_a_model_without_mistakes() -> None:
    labels = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [1, 1, 0, 0, 1]], np.float32)
    found = multilabel_scores(labels, labels * 0.8 + 0.1)
    assert found.macro("f1") == found.macro("precision") == found.macro("recall") == 1.0
    assert epoch_figures(labels * 0.8 + 0.1, labels)["valid_macro_f1"] == 1.0


def test_without_any_yes_there_is_none() -> None:
    labels = np.zeros((3, 2), np.float32)
    assert np.isnan(multilabel_scores(labels, labels).macro("f1"))
    assert epoch_figures(labels, labels)["valid_macro_f1"] is None


def test_the_bounds_hold_whatever_the_unknown_labels_are() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((3, 3)) < [0.6, 0.3, 0.0]).astype(np.float32)
    probs = rng.random((3, 3)).astype(np.float32)
    probs[:, 2] = [0.1, 0.9, 0.2]
    labels[[0, 1, 1, 2], [0, 1, 2, 2]] = np.nan
    about = Predictions(
        np.array(list("abc")), np.array(["test"] * 3), labels, probs, ("x", "y", "z"), "r", 0, "f"
    )
    value = multilabel_metrics(about, "test")
    low, high = value["bounds"]["macro_f1"]
    unknown, reached = np.argwhere(np.isnan(labels)), []
    for answers in np.ndindex(*[2] * len(unknown)):
        full = labels.copy()
        full[tuple(unknown.T)] = answers
        reached.append(multilabel_scores(full, probs).macro("f1"))
    assert (low, high) == pytest.approx((min(reached), max(reached)))
    assert low <= value["macro_f1"] <= high
