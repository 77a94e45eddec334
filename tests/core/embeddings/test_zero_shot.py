"""Answers from words: figures against scikit-learn, thresholds, changes, and a run as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from core.data.dataset import Dataset
from core.embeddings import clip_towers, text_search, zero_shot
from core.embeddings.clip_models import ClipModel, find_model
from core.embeddings.prompts import default_prompts
from core.embeddings.zero_shot import ZeroShotRequest, create_zero_shot
from core.engines import EnginePlan, assign
from core.errors import BadInput, DamagedFile, NotFound
from core.evaluation.of_run import compare_runs, predictions_of
from core.labels.versions import labels_at
from core.quality.queue import MISCLASSIFIED, QueueRequest, build_queue
from core.runs.store import Run, RunState, status
from core.worker import Job, sharing, work
from core.worker.parts import do_part
from core.workspace import Workspace
from tests.finished_runs import finished_run
from tests.tiny_clip import write_tiny_clip


@pytest.fixture
def model(workspace: Workspace, tmp_path: Path) -> ClipModel:
    checkpoint, config = write_tiny_clip(tmp_path / "tiny")
    return find_model(workspace, "tiny", checkpoint=checkpoint, config=config)


@pytest.fixture
def answered(workspace: Workspace, sample: Dataset, model: ClipModel) -> Run:
    request = ZeroShotRequest(model, default_prompts(sample), ("test",))
    run = create_zero_shot(workspace, sample, request)
    assert work(run.folder) == 0, status(run).error
    return run


def test_average_precision_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        given, score = rng.integers(0, 2, 40).astype(float), rng.integers(0, 9, 40) / 8
        assert zero_shot.average_precision(given, score) == pytest.approx(
            average_precision_score(given, score)
        )
    given[:3] = np.nan
    assert zero_shot.average_precision(given, score) == pytest.approx(
        average_precision_score(given[3:], score[3:])
    )
    assert np.isnan(zero_shot.average_precision(np.zeros(3), np.arange(3.0)))


def test_thresholds_have_the_best_f1() -> None:
    given = np.array([[1, 0], [1, 0], [0, 0], [1, 0], [0, 0]], np.float32)
    score = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.1, 0.5]], np.float32)
    found = zero_shot.best_thresholds(given, score)
    assert 0.1 < found[0] < 0.6
    assert found[1] > 1  # a class that does not occur is never said


def test_changes_have_an_interval() -> None:
    given = np.repeat([0, 1], 100)
    before, after = np.zeros(200, np.int64), np.repeat([0, 1], 100)
    first, second = zero_shot.changes(given, before, after, ("a", "b"))
    assert first.difference == 0
    assert not first.is_sure
    assert (second.before, second.after) == (0, 1)
    assert 0.9 < second.low <= second.high == pytest.approx(1)


def test_a_result_is_a_run_that_compares_and_queues(
    workspace: Workspace, sample: Dataset, answered: Run
) -> None:
    now = status(answered)
    assert now.state is RunState.FINISHED
    predictions = predictions_of(answered)
    assert (predictions.split == "val").sum() == len(zero_shot.validation_positions(sample))
    predictions = predictions.only("test")
    assert len(predictions) == len(sample.in_split("test"))
    assert predictions.pred_probs.sum(axis=1) == pytest.approx(1, abs=1e-4)
    right = (predictions.predicted == predictions.labels).mean()
    assert now.summary["test_accuracy"] == pytest.approx(right)
    trained = finished_run(workspace, sample, "base")
    (comparison,) = compare_runs(workspace, answered, trained)
    assert comparison.difference == pytest.approx(status(trained).summary["test_accuracy"] - right)
    queue = build_queue(
        sample, QueueRequest(MISCLASSIFIED, answered.id), labels_at(workspace, sample), predictions
    )
    assert len(queue) == round((1 - right) * len(predictions))


def test_the_request_reads_back_and_a_replaced_model_is_told(
    workspace: Workspace, sample: Dataset, answered: Run, model: ClipModel
) -> None:
    assert zero_shot.request_of(answered).model == model
    assert zero_shot.zero_shot_runs(workspace, sample) == [answered]
    Path(model.checkpoint).unlink()
    again = create_zero_shot(workspace, sample, zero_shot.request_of(answered))
    assert work(again.folder) == 1
    assert "is gone" in status(again).error
    with pytest.raises(BadInput, match="no 'val' split"):
        create_zero_shot(workspace, sample, ZeroShotRequest(model, default_prompts(sample), ("val",)))
    answered.job.clear()
    with pytest.raises(DamagedFile, match="asks for no zero-shot"):
        zero_shot.request_of(answered)


def test_search_finds_the_nearest_by_cosine(
    workspace: Workspace, sample: Dataset, answered: Run, model: ClipModel
) -> None:
    found = text_search.search(workspace, sample, model, text_search.Query(text="a bag"), top=5)
    positions, features = text_search.kept_images(workspace, sample, model)
    n_tuned_on = len(zero_shot.validation_positions(sample))
    assert found.n_searched == len(positions) == len(sample.in_split("test")) + n_tuned_on
    assert np.all(np.diff(found.scores) <= 0)
    like = str(sample.item_ids[positions[7]])
    near = text_search.search(workspace, sample, model, text_search.Query(like=like), top=3)
    assert positions[7] not in near.positions
    assert near.scores == pytest.approx(np.sort(np.delete(features @ features[7], 7))[::-1][:3], abs=1e-5)
    with pytest.raises(BadInput, match="not one thing"):
        text_search.search(workspace, sample, model, text_search.Query())
    with pytest.raises(NotFound):
        text_search.search(workspace, sample, model, text_search.Query(like="none"))
    assert text_search.model_for(workspace, sample, "") == model


def test_what_workers_compute_in_shards_answers_the_same(
    workspace: Workspace, sample: Dataset, model: ClipModel, answered: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_after_another(job: Job, shards: list[str], n_shards: int) -> None:
        assert shards == ["blocks-0-1", "blocks-1-2", "blocks-2-3", "blocks-3-4"]
        assert n_shards == 4
        for shard in shards:
            assert do_part(job.run.folder, shard)["state"] == "done"
        monkeypatch.delattr(clip_towers, "ClipTowers")  # nothing is left to encode

    monkeypatch.setattr(sharing, "spread", one_after_another)
    (workspace.cache / "clip-images-1").rename(workspace.cache / "other")
    spread = create_zero_shot(workspace, sample, zero_shot.request_of(answered))
    spread = assign(spread, EnginePlan("local", n_workers=2))
    assert work(spread.folder) == 0, status(spread).error
    theirs, own = (np.load(run.folder / zero_shot.SCORES) for run in (spread, answered))
    np.testing.assert_allclose(theirs, own, atol=1e-6)
