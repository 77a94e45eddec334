"""Comparing two runs: joined by id on the same items, one set of labels, a verdict that fits the numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from core.errors import BadInput
from core.evaluation.compare import compare, text_comparison
from core.evaluation.predictions import Predictions

CLASSES = ("Coat", "Dress", "Shirt")


def predictions_of(run: str, labels: np.ndarray, accuracy: float, seed: int) -> Predictions:
    """Predictions that are right with the given probability."""
    rng = np.random.default_rng(seed)
    n = len(labels)
    wrong = (labels + rng.integers(1, 3, n)) % 3
    predicted = np.where(rng.random(n) < accuracy, labels, wrong)
    probs = np.full((n, 3), 0.1, np.float32)
    probs[np.arange(n), predicted] = 0.8
    split = np.where(np.arange(n) % 4 == 0, "val", "test")
    ids = np.array([f"item-{i}" for i in range(n)])
    return Predictions(ids, split, labels, probs, CLASSES, run, 0, "f" * 32)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, 1200)


@pytest.fixture
def a(labels: np.ndarray) -> Predictions:
    return predictions_of("run-a", labels, 0.80, 1)


@pytest.fixture
def b(labels: np.ndarray) -> Predictions:
    return predictions_of("run-b", labels, 0.90, 2)


def test_a_better_run_is_called_better(a: Predictions, b: Predictions, labels: np.ndarray) -> None:
    found = compare(a, b, a.item_ids, labels, "test")
    assert len(found) == 900
    assert sum(found.counts.values()) == 900
    assert found.difference == pytest.approx(
        (b.only("test").predicted == b.only("test").labels).mean()
        - (a.only("test").predicted == a.only("test").labels).mean()
    )
    assert found.ci95[0] < found.difference < found.ci95[1]
    assert found.outcome == "better"
    assert found.verdict.startswith("run-b is better than run-a by")
    worse = compare(b, a, a.item_ids, labels, "test")
    assert worse.outcome == "worse"
    assert worse.difference == pytest.approx(-found.difference)


def test_order_and_class_order_do_not_matter(a: Predictions, b: Predictions, labels: np.ndarray) -> None:
    expected = compare(a, b, a.item_ids, labels, "test").to_json()
    shuffled = b.take(np.random.default_rng(3).permutation(len(b)))
    turned = replace(shuffled, classes=CLASSES[::-1], pred_probs=shuffled.pred_probs[:, ::-1])
    assert compare(a, turned, a.item_ids, labels, "test").to_json() == expected


def test_only_items_in_the_split_of_both_count(a: Predictions, b: Predictions, labels: np.ndarray) -> None:
    other = replace(b, split=np.where(np.arange(len(b)) < 100, "train", b.split))
    found = compare(a, other, a.item_ids, labels, "test")
    assert len(found) == 825
    assert found.n_uncommon == 75
    assert not set(found.item_ids) & set(a.item_ids[:100])


def test_a_difference_by_chance_is_not_significant(a: Predictions, labels: np.ndarray) -> None:
    same_quality = predictions_of("run-c", labels, 0.80, 9)
    found = compare(a, same_quality, a.item_ids, labels, "test")
    assert found.outcome == "not proven"
    assert found.ci95[0] < 0 < found.ci95[1]
    assert found.verdict.startswith(f"No significant difference (p = {found.p_value:.3f})")
    assert f"(80 % power) {100 * found.detectable:.1f} points" in found.verdict


def test_equal_runs_are_the_same(a: Predictions, labels: np.ndarray) -> None:
    found = compare(a, replace(a, run="again"), a.item_ids, labels, "test")
    assert (found.outcome, found.p_value, found.difference) == ("same", 1.0, 0.0)
    assert found.ci95[0] < 0 < found.ci95[1], "an interval of no width would claim too much"
    assert "same answer for all 900" in found.verdict


def test_both_are_scored_on_the_labels_that_are_handed_in(
    a: Predictions, b: Predictions, labels: np.ndarray
) -> None:
    corrected = labels.copy()
    test = np.flatnonzero(a.split == "test")
    corrected[test[:50]] = a.predicted[test[:50]]
    corrected[test[50:60]] = -1
    on_given = compare(a, b, a.item_ids, labels, "test")
    on_corrected = compare(a, b, a.item_ids, corrected, "test", label_set="corrected")
    assert len(on_corrected) == 890
    assert on_corrected.n_unlabelled == 10
    assert on_corrected.difference < on_given.difference
    assert on_corrected.to_json()["labels"] == "corrected"


def test_what_changed_for_each_class(a: Predictions, b: Predictions, labels: np.ndarray) -> None:
    found = compare(a, b, a.item_ids, labels, "test")
    changes = {change.name: change for change in found.class_changes}
    assert sum(change.only_a for change in changes.values()) == found.counts["only_a"]
    coat = labels[a.split == "test"] == 0
    assert changes["Coat"].support == coat.sum()
    assert changes["Coat"].recall_a == pytest.approx((a.only("test").predicted[coat] == 0).mean())
    assert all(change.p_value >= 0 for change in changes.values())


def test_it_can_be_printed_and_be_json(a: Predictions, b: Predictions, labels: np.ndarray) -> None:
    found = compare(a, b, a.item_ids, labels, "test", names=("before", "after"))
    value = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {"difference", "ci95", "p_value", "counts", "verdict"} <= set(value)
    text = text_comparison([found])
    assert found.verdict in text
    assert "Shirt" in text


def test_runs_without_a_common_item_are_refused(a: Predictions, b: Predictions, labels: np.ndarray) -> None:
    elsewhere = replace(b, item_ids=np.array([f"other-{i}" for i in range(len(b))]))
    with pytest.raises(BadInput, match="no labelled item of the test split in common"):
        compare(a, elsewhere, a.item_ids, labels, "test")
    with pytest.raises(BadInput, match="Hat, Shirt"):
        compare(a, replace(b, classes=("Coat", "Dress", "Hat")), a.item_ids, labels, "test")
