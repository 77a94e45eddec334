"""The verdict: what it says of gains, losses, luck and placebos; and that its figures are scikit-learn's."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from core.data.labels import Labels
from core.errors import BadInput
from core.evaluation.proof import (
    AFTER,
    BEFORE,
    DROP,
    PLACEBO,
    look_level,
    look_penalty,
    macro_f1_parts,
    make_proof,
    text_proof,
)
from core.metrics.bootstrap import bootstrap_scores
from core.metrics.scores import Scores

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
        if 0.002 < (proof := make_proof(CLASSES, (0, 1, 2), LABELS, arms(after))).effect.p_value < 0.02
    )
    assert close.outcome == "gain"
    fifth = replace(close, look=5)
    assert fifth.p_for_looks == pytest.approx(min(1, 200 * close.effect.p_value))
    assert fifth.outcome == "not proven"
    assert "the level is 0.00025 after 4 looks without a verdict" in fifth.verdict
    assert replace(make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.95)), look=3).outcome == "gain"


def test_the_levels_of_all_looks_are_five_percent_together() -> None:
    levels = [look_level(look) for look in range(1, 100_000)]
    assert sum(levels) == pytest.approx(0.05, abs=1e-6)
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == 0.045
    assert look_penalty(1) == pytest.approx(0.05 / 0.045)


def test_no_difference_names_the_minimum_that_would_be_found() -> None:
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.802))
    assert proof.outcome == "not proven"
    assert proof.verdict.startswith(f"No significant difference (p = {proof.effect.p_value:.3f})")
    smallest = f"minimum detectable difference (80 % power) {100 * proof.effect.detectable:.2f} points."
    assert proof.verdict.endswith(smallest)
    assert proof.effect.ci95[0] <= 0 <= proof.effect.ci95[1]


def test_a_gain_must_be_significantly_more_than_the_placebos() -> None:
    """A placebo that is a little worse by luck is no proof that the edits are better than it."""
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.86, placebo=0.858))
    assert proof.effect.p_value < 0.045
    assert proof.over_placebo is not None
    assert proof.over_placebo.difference == pytest.approx(proof.accuracy(AFTER) - proof.accuracy(PLACEBO))
    assert proof.outcome == "not proven"
    assert proof.verdict.startswith("No significant difference from as many random edits")


def test_groups_are_drawn_whole() -> None:
    """Each item twenty times is no more evidence than once; fewer than six groups give no verdict."""
    predicted = arms(0.86)
    once = make_proof(CLASSES, (0, 1, 2), LABELS, predicted)
    copies = {arm: np.repeat(guess, 20, axis=1) for arm, guess in predicted.items()}
    groups = np.repeat(np.arange(len(LABELS)), 20)
    twenty = make_proof(CLASSES, (0, 1, 2), np.repeat(LABELS, 20), copies, groups=groups)
    assert twenty.effect.p_value == pytest.approx(once.effect.p_value)
    assert twenty.effect.ci95 == pytest.approx(once.effect.ci95)
    assert twenty.macro_f1_ci95 == pytest.approx(once.macro_f1_ci95)
    assert twenty.to_json()["n_groups"] == len(LABELS)
    assert "24,000 test images (1,200 groups)" in twenty.verdict
    five = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.95), groups=np.arange(len(LABELS)) % 5)
    assert five.outcome == "not proven"


def test_the_macro_f1_interval_is_from_the_model_of_the_test() -> None:
    """Where macro-F1 is nearly accuracy (equal classes), its interval is nearly that of accuracy."""
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.86))
    assert proof.macro_f1_ci95 == pytest.approx(proof.effect.ci95, abs=0.004)


def test_the_parts_of_macro_f1_have_its_mean_and_its_variance() -> None:
    guess = arms(0.86)[AFTER][0]
    scores = Scores(Labels.of(LABELS, CLASSES), guess)
    parts = macro_f1_parts(scores)
    assert parts.mean() == pytest.approx(f1_score(LABELS, guess, average="macro"))
    drawn = bootstrap_scores("macro_f1", scores, n_draws=1_000)["macro_f1"].draws
    assert parts.std() / np.sqrt(len(parts)) == pytest.approx(drawn.std(), rel=0.1)


def test_a_gain_that_a_placebo_brings_too_is_none() -> None:
    proof = make_proof(CLASSES, (0, 1, 2), LABELS, arms(0.86, placebo=0.87))
    assert proof.effect.p_value < 0.05
    assert proof.outcome == "not proven"
    assert "No significant difference from as many random edits" in proof.verdict


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
    with pytest.raises(BadInput, match="cannot be tested"):
        make_proof(CLASSES, (0,), LABELS, one)
