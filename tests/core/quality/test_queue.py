"""Review queues: which items, in which order, and that reviewing one does not move the others."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import SPLITS, Dataset
from core.errors import BadInput, NotFound
from core.evaluation.predictions import Predictions
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.evidence import Evidence
from core.quality.label_issues import label_issues
from core.quality.queue import QueueRequest, build_queue
from core.workspace import Workspace


@pytest.fixture
def predictions(sample: Dataset) -> Predictions:
    """Made-up but lifelike probabilities of every third item, in another order than the data set's."""
    rng = np.random.default_rng(1)
    positions = rng.permutation(np.arange(0, len(sample), 3))
    logits = rng.normal(size=(len(positions), 10))
    logits[np.arange(len(positions)), sample.labels[positions]] += 2.5
    pred_probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(
        item_ids=sample.item_ids[positions],
        split=np.array(SPLITS)[sample.split[positions]],
        labels=np.array(sample.labels[positions], np.int64),
        pred_probs=pred_probs.astype(np.float32),
        classes=sample.classes,
        run="r",
        label_version=0,
        fingerprint=sample.fingerprint,
    )


def test_disagreements_most_confident_first(
    workspace: Workspace, sample: Dataset, predictions: Predictions
) -> None:
    state = labels_at(workspace, sample)
    queue = build_queue(sample, QueueRequest("misclassified", split="test"), state, predictions)
    rows = np.flatnonzero((predictions.predicted != predictions.labels) & (predictions.split == "test"))
    assert len(rows) > 10
    assert set(sample.item_ids[queue.positions]) == set(predictions.item_ids[rows])
    assert (np.diff(queue.confidence) <= 0).all()
    assert (queue.guess != sample.labels[queue.positions]).all()
    best = queue.top(0)
    assert best[0] == (int(queue.guess[0]), pytest.approx(float(queue.confidence[0])))
    assert [p for _, p in best] == sorted((p for _, p in best), reverse=True)


def test_least_confident_and_below_a_threshold(
    workspace: Workspace, sample: Dataset, predictions: Predictions
) -> None:
    state = labels_at(workspace, sample)
    least = build_queue(sample, QueueRequest("least-confident"), state, predictions)
    assert len(least) == len(predictions)
    assert (np.diff(least.confidence) >= 0).all()
    below = build_queue(sample, QueueRequest("below-threshold", threshold=0.4), state, predictions)
    assert len(below) == int((predictions.confidence < 0.4).sum()) > 0
    assert np.array_equal(below.positions, least.positions[: len(below)])


def test_a_cell_of_the_confusion_matrix(
    workspace: Workspace, sample: Dataset, predictions: Predictions
) -> None:
    queue = build_queue(
        sample, QueueRequest("cell", given=6, predicted=0), labels_at(workspace, sample), predictions
    )
    assert len(queue) == int(((predictions.labels == 6) & (predictions.predicted == 0)).sum()) > 0
    assert set(sample.labels[queue.positions].tolist()) == {6}
    assert set(queue.guess.tolist()) == {0}


def test_a_selection_keeps_its_order_and_all_is_all(
    workspace: Workspace, sample: Dataset, predictions: Predictions
) -> None:
    state = labels_at(workspace, sample)
    picked = tuple(sample.item_ids[[40, 3, 21]].tolist())
    chosen = build_queue(sample, QueueRequest("selection", item_ids=picked), state, predictions)
    assert chosen.positions.tolist() == [40, 3, 21]
    everything = build_queue(sample, QueueRequest("all"), state)
    assert everything.positions.tolist() == list(range(len(sample)))
    assert (everything.guess == -1).all()
    assert everything.top(0) == []


def test_reviewing_does_not_move_the_others_unless_asked(
    workspace: Workspace, sample: Dataset, predictions: Predictions
) -> None:
    asked = QueueRequest("misclassified")
    before = build_queue(sample, asked, labels_at(workspace, sample), predictions)
    position = int(before.positions[0])
    guess = sample.classes[int(before.guess[0])]
    LabelJournal(workspace).append(sample, [NewEdit(str(sample.item_ids[position]), EditKind.LABEL, guess)])
    state = labels_at(workspace, sample)
    assert np.array_equal(build_queue(sample, asked, state, predictions).positions, before.positions)
    rest = build_queue(sample, asked, state, predictions, skip_reviewed=True)
    assert np.array_equal(rest.positions, before.positions[1:])


def test_predictions_of_another_content_are_joined_by_item_id(
    workspace: Workspace, sample: Dataset, predictions: Predictions
) -> None:
    from dataclasses import replace

    foreign = replace(
        predictions,
        fingerprint="0" * 32,
        item_ids=np.where(np.arange(len(predictions)) == 0, "gone", predictions.item_ids),
    )
    state = labels_at(workspace, sample)
    queue = build_queue(sample, QueueRequest("least-confident"), state, foreign)
    own = build_queue(sample, QueueRequest("least-confident"), state, predictions)
    lost = sample.positions([str(predictions.item_ids[0])])[0]
    assert np.array_equal(queue.positions, own.positions[own.positions != lost])


def test_likely_wrong_labels_come_in_their_order(workspace: Workspace, sample: Dataset) -> None:
    n, rng = len(sample), np.random.default_rng(2)
    labels = np.array(sample.labels, np.int64)
    probs = rng.dirichlet(np.ones(10), n).astype(np.float32)
    near = rng.integers(0, n, (n, 10)).astype(np.int32)
    evidence = Evidence(labels, probs, near, rng.normal(size=n).astype(np.float32), "r", 0)
    issues = label_issues(evidence)
    state = labels_at(workspace, sample)
    asked = QueueRequest("issues", run="r", split="train", least=0.3, most=0.8)
    queue = build_queue(sample, asked, state, issues=issues)
    in_band = (issues.combined >= 0.3) & (issues.combined <= 0.8)
    in_train = np.array(SPLITS)[sample.split[issues.positions]] == "train"
    assert len(queue) > 100
    np.testing.assert_array_equal(queue.positions, issues.positions[in_band & in_train])
    np.testing.assert_array_equal(queue.guess, issues.suggested[in_band & in_train])
    pair = QueueRequest("issues", run="r", given=6, predicted=0)
    found = build_queue(sample, pair, state, issues=issues)
    assert set(labels[found.positions]) == {6}
    assert set(found.guess) == {0}
    with pytest.raises(NotFound, match="Search on the Issues page"):
        build_queue(sample, asked, state)


def test_what_cannot_be_asked_for(workspace: Workspace, sample: Dataset, predictions: Predictions) -> None:
    state = labels_at(workspace, sample)
    with pytest.raises(NotFound, match="Train a model"):
        build_queue(sample, QueueRequest("misclassified"), state)
    with pytest.raises(BadInput, match="no queue 'best'"):
        build_queue(sample, QueueRequest("best"), state)
    with pytest.raises(BadInput, match="no split 'exam'"):
        build_queue(sample, QueueRequest("all", split="exam"), state)
    with pytest.raises(BadInput, match="no class number 10"):
        build_queue(sample, QueueRequest("all", given=10), state)
