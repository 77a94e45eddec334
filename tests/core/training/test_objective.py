from __future__ import annotations

import numpy as np
import pytest
import torch

from core.runs.recipe import make_recipe
from core.training.objective import SingleLabel, balanced_weights
from core.training.scores import accuracy, macro_f1

CPU = torch.device("cpu")
LABELS = np.array([0, 0, 0, 1])
SCORES = torch.tensor([[2.0, -1.0], [0.5, 0.1], [-1.0, 1.0], [0.0, 3.0]])


def loss(**changes: object) -> float:
    objective = SingleLabel(make_recipe(changes), LABELS, 2, CPU)
    return objective.loss(SCORES, torch.from_numpy(LABELS)).item()


def test_the_focal_loss_with_gamma_zero_is_cross_entropy() -> None:
    assert loss(loss="focal", focal_gamma=0.0) == pytest.approx(loss())


def test_the_focal_loss_is_the_formula() -> None:
    p = SCORES.softmax(1)[torch.arange(4), torch.from_numpy(LABELS)]
    expected = (-((1 - p) ** 2) * p.log()).mean().item()
    assert loss(loss="focal", focal_gamma=2.0) == pytest.approx(expected)


def test_class_weights_make_each_class_count_the_same() -> None:
    each = torch.nn.functional.cross_entropy(SCORES, torch.from_numpy(LABELS), reduction="none")
    expected = (each[:3].mean() + each[3]) / 2
    assert loss(class_weights="balanced") == pytest.approx(expected.item())
    focal = loss(loss="focal", focal_gamma=1e-6, class_weights="balanced")
    assert focal == pytest.approx(expected.item(), rel=1e-4)


def test_an_absent_class_has_weight_zero() -> None:
    assert balanced_weights(LABELS, 3).tolist() == pytest.approx([4 / 6, 2.0, 0.0])


def test_label_smoothing_spreads_the_target() -> None:
    log_probs = SCORES.log_softmax(1)
    target = torch.tensor([[0.9, 0.1]] * 3 + [[0.1, 0.9]])
    assert loss(label_smoothing=0.2) == pytest.approx(-(target * log_probs).sum(1).mean().item())


def test_scores_agree_with_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(0)
    given, guessed = rng.integers(0, 4, 100), rng.integers(0, 5, 100)
    assert accuracy(given, guessed) == accuracy_score(given, guessed)
    assert macro_f1(given, guessed, 7) == pytest.approx(f1_score(given, guessed, average="macro"))
