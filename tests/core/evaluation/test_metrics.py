"""The metrics equal scikit-learn's, and what has no value is defined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from core.errors import BadInput
from core.evaluation.metrics import confusion_matrix, scores, top_k_accuracy


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), k=st.integers(2, 7))
def test_scores_equal_scikit_learns(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, k, n), rng.integers(0, k, n)
    ours = scores(labels, predicted, k)
    every = list(range(k))
    np.testing.assert_array_equal(ours.confusion, sk.confusion_matrix(labels, predicted, labels=every))
    theirs = sk.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    for mine, expected in zip((ours.precision, ours.recall, ours.f1, ours.support), theirs, strict=True):
        np.testing.assert_allclose(mine, expected)
    assert ours.accuracy == pytest.approx(sk.accuracy_score(labels, predicted))
    assert ours.macro_f1 == pytest.approx(sk.f1_score(labels, predicted, average="macro", zero_division=0))
    weighted = sk.f1_score(labels, predicted, average="weighted", zero_division=0)
    assert ours.weighted(ours.f1) == pytest.approx(weighted)
    occurring = [c for c in every if c in labels]
    recall = sk.recall_score(labels, predicted, labels=occurring, average="macro", zero_division=0)
    assert ours.balanced_accuracy == pytest.approx(recall)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_equals_scikit_learns(k: int) -> None:
    rng = np.random.default_rng(3)
    probs, labels = rng.dirichlet(np.ones(6), 200), rng.integers(0, 6, 200)
    expected = sk.top_k_accuracy_score(labels, probs, k=k, labels=range(6))
    assert top_k_accuracy(labels, probs, k) == pytest.approx(expected)


def test_top_1_is_the_accuracy_when_classes_tie() -> None:
    probs, labels = np.full((3, 4), 0.25), np.array([0, 1, 3])
    assert top_k_accuracy(labels, probs, 1) == pytest.approx(1 / 3)
    assert top_k_accuracy(labels, probs, 2) == pytest.approx(2 / 3)


def test_unlabelled_items_are_left_out() -> None:
    result = scores(np.array([0, -1, 1, -1]), np.array([0, 0, 0, 1]), 2)
    assert result.n == 2
    assert result.confusion.tolist() == [[1, 0], [1, 0]]


def test_without_items_there_is_no_accuracy() -> None:
    result = scores(np.array([-1, -1]), np.array([0, 1]), 2)
    assert np.isnan([result.accuracy, result.macro_f1, result.balanced_accuracy]).all()
    assert result.precision.tolist() == [0, 0]
    assert np.isnan(top_k_accuracy(np.array([-1]), np.array([[0.5, 0.5]]), 1))


def test_a_label_outside_the_classes_is_named() -> None:
    with pytest.raises(BadInput, match="label 7"):
        confusion_matrix(np.array([0, 7]), np.array([0, 1]), 2)
    with pytest.raises(BadInput, match="3 labels were given for 2"):
        confusion_matrix(np.array([0, 1, 1]), np.array([0, 1]), 2)
