"""The verdict: what it says of gains, losses, luck and placebos; and that its figures are scikit-learn's."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from core.errors import BadInput
from core.evaluation.proof import AFTER, BEFORE, DROP, PLACEBO, look_penalty, make_proof, text_proof

CLASSES = ("cat", "dog", "owl")
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 1_200)
DIFFICULTY = RNG.random(1_200)


def guesses(skill: float, seed: int) -> np.ndarray:
    """Three trainings that are right about the easiest items, and about others by chance."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.05, (3, len(LABELS)))
    wrong = (LABELS + rng.integers(1, 3, (3, len(LABELS)))) % 3
    return np.where(DIFFICULTY + noise < skill, LABELS, wrong)


def arms(after: float, placebo: float = 0.8) -> dict[str, np.ndarray]:
    skills = {BEFORE: 0.8, AFTER: after, PLACEBO: placebo, DROP: 0.8}
    return {arm: guesses(skill, seed) for seed, (arm, skill) in enumerate(skills.items())}


def test_a_gain_says_so_in_one_sentence() -> None:
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.86))
    assert proof.outcome == "gain"
    assert proof.verdict.startswith("Gain: the edits raise accuracy by ")
    assert "the same 1,200 test images, mean of 3 seeds" in proof.verdict
    assert "as many random edits change it by" in proof.verdict
    assert proof.verdict.count(". ") == 0
    assert proof.effect.ci95[0] > 0


def test_a_loss_says_so() -> None:
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.74))
    assert proof.outcome == "loss"
    assert proof.verdict.startswith("Loss: the edits lower accuracy by ")
    assert proof.effect.ci95[1] < 0


def test_a_gain_at_a_later_look_must_be_clearer() -> None:
    close = next(
        proof
        for after in np.arange(0.81, 0.86, 0.002)
        if 0.01 < (proof := make_proof(CLASSES, (0, 1, 2), LABELS, arms(after), look=1)).effect.p_value < 0.04
    )
    assert close.outcome == "gain"
    fifth = replace(close, look=5)
    assert fifth.p_for_looks == pytest.approx(min(1, 15 * close.effect.p_value))
    assert fifth.outcome == "not proven"
    assert "who looks again and again finds something sooner or later; this is look 5" in fifth.verdict
    assert replace(make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.9)), look=5).outcome == "gain"
    levels = [0.05 / look_penalty(look) for look in range(1, 1_000)]
    assert sum(levels) < 0.1


def test_luck_is_not_proven_and_the_smallest_gain_is_named() -> None:
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.802))
    assert proof.outcome == "not proven"
    smallest = f"four times in five is {100 * proof.effect.detectable:.2f} points."
    assert proof.verdict.endswith(smallest)
    assert proof.effect.ci95[0] <= 0 <= proof.effect.ci95[1]


def test_a_gain_that_a_placebo_brings_too_is_not_proven() -> None:
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.86, placebo=0.87))
    assert proof.effect.p_value < 0.05
    assert proof.outcome == "not proven"
    assert "as many random edits raise it as much" in proof.verdict


def test_the_figures_are_those_of_scikit_learn() -> None:
    predicted = arms(0.86)
    value = make_proof(CLASSES, (0, 1, 2), LABELS, predicted).to_json()
    for arm, guess in predicted.items():
        expected = np.mean([accuracy_score(LABELS, one) for one in guess])
        assert value["arms"][arm]["accuracy"] == pytest.approx(expected)
        expected = np.mean([f1_score(LABELS, one, average="macro") for one in guess])
        assert value["arms"][arm]["macro_f1"] == pytest.approx(expected)
    assert value["difference"] == pytest.approx(
        value["arms"][AFTER]["accuracy"] - value["arms"][BEFORE]["accuracy"]
    )
    low, high = value["macro_f1_ci95"]
    assert low < value["macro_f1_difference"] < high
    recall = np.mean([recall_score(LABELS, one, average=None) for one in predicted[AFTER]], axis=0)
    assert [one["recall_after"] for one in value["classes"]] == pytest.approx(recall.tolist())
    assert json.loads(json.dumps(value)) == value


def test_a_class_that_nobody_touched_is_not_significant_after_holm() -> None:
    predicted = arms(0.8)
    for arm in (BEFORE, PLACEBO, DROP):
        predicted[arm] = np.where((LABELS == 1) & (DIFFICULTY < 0.3), 0, predicted[arm])
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, predicted)
    p_values = {one.name: one.p_value for one in proof.class_effects}
    assert p_values["dog"] < 0.001
    assert p_values["cat"] > 0.05
    assert p_values["owl"] > 0.05


def test_unlabelled_items_are_left_out() -> None:
    labels = np.where(np.arange(1_200) < 400, -1, LABELS)
    proof = make_proof(CLASSES, (0, 1, 2), labels, arms(0.86))
    assert len(proof.labels) == 800


def test_the_text_holds_verdict_arms_classes_and_each_seed() -> None:
    value = make_proof(CLASSES, (4, 5, 6), LABELS, arms(0.86)).to_json()
    text = text_proof(value)
    assert value["verdict"] in text
    for word in (*CLASSES, BEFORE, AFTER, PLACEBO, DROP, "seed 4", "seed 6"):
        assert word in text


def test_one_seed_proves_nothing() -> None:
    one = {arm: guess[:1] for arm, guess in arms(0.86).items()}
    with pytest.raises(BadInput, match="cannot prove anything"):
        make_proof(CLASSES, (0,), LABELS, one)
