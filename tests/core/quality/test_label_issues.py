"""Label issues: planted errors come first, with reasons; nothing trains on what it judges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, DamagedFile, NotFound
from core.evaluation.predictions import load_predictions
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.evidence import (
    Evidence,
    create_search,
    load_evidence,
    newest_search,
    save_evidence,
)
from core.quality.judges import judges
from core.quality.label_issues import combine, label_issues, load_issues, ranks, vote_shares
from core.quality.queue import ISSUES, QueueRequest, build_queue
from core.runs.recipe import PRESETS
from core.runs.store import RunState, status
from core.worker import work
from core.worker.folds import FoldTrainer
from core.workspace import Workspace
from tests.tagged import tagged

CLASSES = ("a", "b", "c")


def made_up(n: int = 300, n_wrong: int = 15, seed: int = 0) -> tuple[Evidence, np.ndarray]:
    """Evidence of a fair model on three classes, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    wrong = np.zeros(n, bool)
    wrong[rng.choice(n, n_wrong, replace=False)] = True
    labels = np.where(wrong, (truth + 1) % 3, truth)
    scores = rng.normal(0, 0.6, (n, 3))
    scores[np.arange(n), truth] += 2.5
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    neighbours = np.stack([rng.choice(np.flatnonzero(truth == k), 10) for k in truth])
    area = rng.normal(3, 1, n) - 4 * wrong
    return (
        Evidence(
            labels, probs.astype(np.float32), neighbours.astype(np.int32), area.astype(np.float32), "r", 0
        ),
        wrong,
    )


def test_planted_errors_come_first() -> None:
    evidence, wrong = made_up()
    found = label_issues(evidence)
    assert len(found) == 300
    assert wrong[found.positions[:15]].mean() > 0.9
    assert (np.diff(found.combined) <= 0).all()
    assert found.flagged.sum() == found.n_estimated
    assert 8 <= found.n_estimated <= 30
    assert (found.suggested != found.labels).all()
    for name, values in found.scores.items():
        assert ((values >= 0) & (values <= 1)).all(), name


def test_the_reason_says_what_was_seen() -> None:
    evidence, _ = made_up()
    found = label_issues(evidence)
    words = found.reason(0, CLASSES)
    label, other = CLASSES[found.labels[0]], CLASSES[found.suggested[0]]
    probability = found.pred_probs[0, found.suggested[0]]
    assert f"give {other} {100 * probability:.0f} % and {label} " in words
    assert f"of the 10 nearest images {found.agreeing_neighbours[0]} are {other}" in words
    assert "training held against this label" in words


def test_what_is_not_known_is_left_out() -> None:
    evidence, wrong = made_up()
    labels = evidence.labels.copy()
    labels[:5] = -1
    area = evidence.area.copy()
    area[5:50] = np.nan
    probs = evidence.pred_probs.copy()
    probs[50:52] = np.nan
    neighbours = evidence.neighbours.copy()
    neighbours[60:70] = -1
    found = label_issues(replace(evidence, labels=labels, area=area, pred_probs=probs, neighbours=neighbours))
    assert len(found) == 300 - 5 - 2
    assert not np.isin(found.positions, [0, 4, 50, 51]).any()
    assert np.isnan(found.scores["dynamics"]).sum() == 45
    assert not np.isnan(found.combined).any()
    row = int(np.flatnonzero(found.positions == 65)[0])
    assert np.isnan(found.scores["neighbours"][row])
    assert "nearest" not in found.reason(row, CLASSES)
    assert wrong[found.positions[:12]].mean() > 0.8


def test_a_class_without_labels_does_no_harm() -> None:
    evidence, _ = made_up()
    probs = np.concatenate([evidence.pred_probs, np.full((300, 1), 1e-4, np.float32)], axis=1)
    assert len(label_issues(replace(evidence, pred_probs=probs))) == 300


def test_one_class_is_refused() -> None:
    evidence, _ = made_up()
    with pytest.raises(BadInput, match="one class only"):
        label_issues(replace(evidence, labels=np.zeros(300, np.int64)))


def test_the_judges_are_judged_too() -> None:
    evidence, _ = made_up()
    good = judges(label_issues(evidence))
    assert good.value > 0.85
    assert good.warning() is None
    assert f"agree with {100 * good.value:.1f} % of the labels" in good.words()
    blind = np.random.default_rng(0).dirichlet(np.ones(3), 300).astype(np.float32)
    poor = judges(label_issues(replace(evidence, pred_probs=blind)))
    assert poor.value < 0.45
    assert "their own mistakes" in str(poor.warning())
    of_answers, _ = answers()
    assert judges(label_issues(of_answers)).value > 0.8
    coin = np.random.default_rng(0).random((300, 2)).astype(np.float32)
    assert judges(label_issues(replace(of_answers, pred_probs=coin))).weak


def test_always_the_largest_class_is_no_knowledge() -> None:
    evidence, _ = made_up()
    labels = np.where(np.arange(300) < 270, 0, evidence.labels)
    always = np.tile(np.array([0.9, 0.05, 0.05], np.float32), (300, 1))
    found = judges(label_issues(replace(evidence, labels=labels, pred_probs=always)))
    assert found.value >= 0.9
    assert found.weak


def test_nothing_is_said_of_a_class_with_fewer_labels_than_folds() -> None:
    evidence, _ = made_up()
    labels = evidence.labels.copy()
    labels[labels == 2] = 1
    labels[:4] = 2
    found = label_issues(replace(evidence, labels=labels), n_folds=5)
    assert found.too_few == (2,)
    assert len(found) == 296
    assert 2 not in found.suggested
    of_answers, _ = answers()
    few = of_answers.labels.copy()
    few[:, 1] = np.where(np.arange(300) < 4, 1, 0)
    several = label_issues(replace(of_answers, labels=few), n_folds=5)
    assert several.too_few == (1,)
    assert several.about is not None
    assert set(several.about) == {0}
    with pytest.raises(BadInput, match="one class only, beside those"):
        label_issues(replace(evidence, labels=np.where(np.arange(300) < 4, 1, 0)), n_folds=5)


def answers(n: int = 300, seed: int = 0) -> tuple[Evidence, np.ndarray]:
    """Evidence on two classes, the second unknown of every third image, and which answers are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 2)) < (0.5, 0.1)
    wrong = rng.random((n, 2)) < 0.05
    wrong[::3, 1] = False
    labels = np.where(wrong, ~truth, truth).astype(np.float32)
    labels[::3, 1] = np.nan
    scores = rng.normal(0, 1, (n, 2)) + np.where(truth, 3, -3)
    area = np.where(np.isnan(labels), np.nan, scores * (2 * labels - 1))
    near = np.stack([rng.choice(np.flatnonzero((truth == own).all(axis=1)), 10) for own in truth])
    probs = (1 / (1 + np.exp(-scores))).astype(np.float32)
    return Evidence(labels, probs, near.astype(np.int32), area.astype(np.float32), "r", 0), wrong


def test_where_images_have_several_labels_each_known_answer_is_judged() -> None:
    evidence, wrong = answers()
    found = label_issues(evidence)
    assert len(found) == 500, "unknown answers are not judged"
    assert found.about is not None
    is_wrong = wrong[found.positions, found.about]
    assert is_wrong[: wrong.sum()].mean() > 0.8
    assert (found.suggested == 1 - found.labels).all()
    assert found.flagged_by_class(2).sum() == found.n_estimated
    label, suggested = found.names(0, ("bag", "hat"))
    name = ("bag", "hat")[found.about[0]]
    assert found.change(0, ("bag", "hat")) == f"{name}: {label} → {suggested}"
    probability = found.pred_probs[0, 1]
    assert f"give {name} {100 * probability:.0f} %, the label says {label}" in found.reason(0, ("bag", "hat"))


def test_a_class_that_is_always_yes_has_nothing_to_judge() -> None:
    evidence, _ = answers()
    labels = evidence.labels.copy()
    labels[:, 0] = 1
    found = label_issues(replace(evidence, labels=labels))
    assert found.about is not None
    assert set(found.about) == {1}
    with pytest.raises(BadInput, match="both a yes and a no"):
        label_issues(replace(evidence, labels=np.ones_like(labels)))


def test_answers_are_searched_kept_and_queued(workspace: Workspace, sample: Dataset) -> None:
    tags = tagged(workspace, sample, 400)
    recipe = PRESETS["fast"].with_changes({"width": 4, "epochs": 1})
    run = create_search(workspace, tags, recipe, label_version=0, n_folds=2)
    assert work(run.folder) == 0
    assert status(run).state is RunState.FINISHED, status(run).error
    found = load_issues(run)
    assert found.about is not None
    assert len(found) == 400 * 3 - 100
    evidence = load_evidence(run)
    in_test = tags.in_split("test")
    assert np.isnan(evidence.area[in_test]).all()
    trained = np.setdiff1d(np.arange(400), in_test)
    assert np.array_equal(np.isnan(evidence.area[trained]), np.isnan(np.asarray(tags.labels)[trained]))
    predictions = load_predictions(run.predictions_file)
    assert predictions.has_many_labels

    state = labels_at(workspace, tags)
    request = QueueRequest(ISSUES, run=run.id, least=found.threshold)
    queue = build_queue(tags, request, state, predictions, issues=found)
    assert queue.positions[0] == found.positions[0]
    assert set(queue.positions) == set(found.positions[found.flagged])
    of_one = build_queue(tags, replace(request, given=2), state, predictions, issues=found)
    assert set(of_one.positions) == set(found.positions[found.flagged & (found.about == 2)])


def test_ranks_share_ties_and_skip_the_unknown() -> None:
    np.testing.assert_allclose(ranks(np.array([5.0, 1.0, 5.0, 9.0])), [0.5, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(ranks(np.array([np.nan, 2.0, 1.0])), [np.nan, 1.0, 0.0])
    both = {"margin": np.array([1.0, 0.0], np.float32), "dynamics": np.array([np.nan, np.nan], np.float32)}
    np.testing.assert_allclose(combine(both), [1.0, 0.0])
    votes = vote_shares(np.array([[0, 0, 1], [-1, -1, -1]]), 3)
    np.testing.assert_allclose(votes, [[2 / 3, 1 / 3, 0], [0, 0, 0]], rtol=1e-6)


@pytest.mark.slow
def test_a_search_judges_each_image_by_models_that_did_not_train_on_it(
    workspace: Workspace, sample: Dataset
) -> None:
    train = sample.in_split("train")
    rng = np.random.default_rng(0)
    planted = rng.choice(train, 100, replace=False)
    journal = LabelJournal(workspace)
    journal.append(
        sample,
        [
            NewEdit(str(sample.item_ids[p]), EditKind.LABEL, sample.classes[(int(sample.labels[p]) + 3) % 10])
            for p in planted
        ],
    )
    left_out = int(np.setdiff1d(train, planted)[0])
    journal.append(sample, [NewEdit(str(sample.item_ids[left_out]), EditKind.EXCLUDE)])
    version = labels_at(workspace, sample).version
    recipe = PRESETS["fast"].with_changes({"width": 8, "epochs": 2})
    run = create_search(workspace, sample, recipe, label_version=version, n_folds=2)
    assert newest_search(workspace, sample) is None
    assert work(run.folder) == 0
    assert status(run).state is RunState.FINISHED, status(run).error
    assert newest_search(workspace, sample) == run

    evidence = load_evidence(run)
    assert evidence.labels[left_out] == -1
    assert np.isnan(evidence.pred_probs[left_out]).all()
    judged = np.setdiff1d(np.arange(6_000), [left_out])
    np.testing.assert_allclose(evidence.pred_probs[judged].sum(axis=1), 1, rtol=1e-4)
    assert np.isnan(evidence.area[sample.in_split("test")]).all()
    assert not np.isnan(evidence.area[np.setdiff1d(train, [left_out])]).any()
    in_train = np.isin(evidence.neighbours[judged], train)
    assert in_train.all()

    found = label_issues(evidence)
    is_planted = np.isin(found.positions, planted)
    assert is_planted[:100].mean() > 0.6
    assert (found.suggested[is_planted] == sample.labels[found.positions[is_planted]]).mean() > 0.6
    assert status(run).summary["n_flagged"] == found.n_estimated
    kept = load_issues(run)
    assert np.array_equal(kept.positions, found.positions)
    assert np.array_equal(kept.scores["dynamics"], found.scores["dynamics"], equal_nan=True)
    assert kept.reason(0, sample.classes) == found.reason(0, sample.classes)
    assert kept.combined[kept.n_estimated - 1] == pytest.approx(kept.threshold)

    again = create_search(workspace, sample, recipe, label_version=version, n_folds=2)
    assert work(again.folder) == 0
    assert not [event for event in again.events.read()[0] if event["type"] == "progress"], (
        "all was in the cache"
    )


def test_folds_never_judge_what_they_trained_on(workspace: Workspace, sample: Dataset) -> None:
    from core.worker import Job

    run = create_search(workspace, sample, PRESETS["fast"], label_version=0, n_folds=4)
    search = FoldTrainer(Job(run, workspace, run.events.append, lambda: False))
    assert sorted(np.unique(search.folds)) == [0, 1, 2, 3]
    assert np.array_equal(np.sort(np.concatenate([search.pool, search.rest])), np.arange(6_000))
    assert set(sample.split[search.rest]) == {2}
    for k in range(10):
        counts = np.bincount(search.folds[search.labels[search.pool] == k], minlength=4)
        assert counts.max() - counts.min() <= 1


def test_what_cannot_be_searched_is_refused(workspace: Workspace, sample: Dataset) -> None:
    with pytest.raises(BadInput, match="1 folds"):
        create_search(workspace, sample, PRESETS["fast"], label_version=0, n_folds=1)
    run = create_search(workspace, sample, PRESETS["fast"], label_version=0)
    with pytest.raises(NotFound, match="has not finished"):
        load_evidence(run)
    evidence, _ = made_up()
    save_evidence(run, evidence)
    assert np.array_equal(load_evidence(run).neighbours, evidence.neighbours)
    (run.folder / "evidence.npz").write_bytes(b"PK")
    with pytest.raises(DamagedFile, match="cannot be read"):
        load_evidence(run)
