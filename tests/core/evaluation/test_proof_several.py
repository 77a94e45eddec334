"""Proofs where images have several labels: known answers count, and an image is drawn with all of its own."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.proof import AFTER, BEFORE, Proof, make_proof, text_proof

CLASSES = ("man", "dog", "boat")
SEEDS = (0, 1, 2)
N = 300


def truth(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = (rng.random((N, 3)) < (0.7, 0.3, 0.1)).astype(np.float32)
    labels[rng.random((N, 3)) < 0.2] = np.nan
    return labels


def said(labels: np.ndarray, right: float, seed: int) -> np.ndarray:
    """(S, n, K): answers of which the given share is right."""
    rng = np.random.default_rng(seed)
    wrong = rng.random((len(SEEDS), *labels.shape)) >= right
    return (labels == 1) ^ wrong


def proof(before: float, after: float) -> Proof:
    labels = truth()
    return make_proof(
        CLASSES, SEEDS, labels, {BEFORE: said(labels, before, 1), AFTER: said(labels, after, 2)}
    )


def test_a_clear_gain_is_one_and_its_figures_are_of_known_answers() -> None:
    found = proof(0.75, 0.9)
    assert found.outcome == "gain"
    assert "raise the Hamming score by" in found.verdict
    labels = found.labels.values
    known = ~np.isnan(labels)
    by_hand = np.mean(
        [((one == (labels == 1)) & known).sum() / known.sum() for one in found.predicted[AFTER]]
    )
    assert found.accuracy(AFTER) == pytest.approx(by_hand)
    assert found.effect.difference == pytest.approx(found.accuracy(AFTER) - found.accuracy(BEFORE))
    low, high = found.bootstrap_ci95
    assert low < found.effect.difference < high


def test_no_difference_is_not_proven() -> None:
    found = proof(0.8, 0.8)
    assert found.outcome == "not proven"
    low, high = found.effect.ci95
    assert low <= 0 <= high


def test_answers_of_one_image_are_not_taken_for_many() -> None:
    """Three copies of each label are no more evidence than one."""
    labels = truth()[:, :1]
    arms = {BEFORE: said(labels, 0.78, 1), AFTER: said(labels, 0.82, 2)}
    one = make_proof(CLASSES[:1], SEEDS, labels, arms).effect
    copies = {arm: np.repeat(answers, 3, axis=2) for arm, answers in arms.items()}
    three = make_proof(CLASSES, SEEDS, np.repeat(labels, 3, axis=1), copies).effect
    assert three.standard_error == pytest.approx(one.standard_error)
    assert three.difference == pytest.approx(one.difference)
    assert three.p_value == pytest.approx(one.p_value)


def test_recall_of_each_label_and_images_without_a_known_one() -> None:
    labels = truth()
    labels[:50] = np.nan
    arms = {BEFORE: said(labels, 0.7, 1), AFTER: said(labels, 0.9, 2)}
    value = make_proof(CLASSES, SEEDS, labels, arms).to_json()
    assert value["n"] == (~np.isnan(labels)).any(axis=1).sum()
    assert value["measure"] == "the Hamming score"
    for k, one in enumerate(value["classes"]):
        yes = labels[:, k] == 1
        assert one["support"] == yes.sum()
        assert one["recall_after"] == pytest.approx(np.mean(arms[AFTER][:, yes, k]))
    text = text_proof(value)
    assert "the share of known labels that are answered rightly" in text
    assert "exact sign test p" in text
