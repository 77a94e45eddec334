"""The job that looks for label errors, on real and tiny trainings: what is trained, and what never again."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import current_version
from core.quality.evidence import create_search, load_evidence
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, status
from core.worker import material, work
from core.workspace import Workspace
from tests.part_of import part_of

TINY = {"width": 4, "epochs": 1, "batch_size": 256, "learning_rate": 0.01, "threads": 1, "dropout": 0.0}
UNLABELLED = slice(0, 20)


@pytest.fixture
def some(workspace: Workspace, sample: Dataset) -> Dataset:
    """900 images of the sample, the first twenty of them without a label."""
    rows = np.arange(len(sample))[::5][:900]
    labels = np.array(sample.labels, np.int64)[rows]
    labels[UNLABELLED] = -1
    return part_of(workspace, sample, rows, "some", labels=labels)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Of each training that the job really does, the positions trained on."""
    fit, done = material.fit, []

    def counting(*arguments: object, **named: object) -> object:
        done.append(arguments[2].train)  # type: ignore[attr-defined]
        return fit(*arguments, **named)

    monkeypatch.setattr(material, "fit", counting)
    return done


def search(workspace: Workspace, dataset: Dataset, *, n_folds: int = 3, **changes: object) -> Run:
    return create_search(
        workspace,
        dataset,
        make_recipe({**TINY, **changes}),
        label_version=current_version(workspace, dataset.name),
        n_folds=n_folds,
    )


def test_a_stopped_search_goes_on_with_the_folds_that_are_missing(
    workspace: Workspace, some: Dataset, trained: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = search(workspace, some)
    counting = material.fit

    def stopping(*arguments: object, **named: object) -> object:
        if len(trained) == 1:
            run.stop_file.touch()
        return counting(*arguments, **named)

    monkeypatch.setattr(material, "fit", stopping)
    assert work(run.folder) == 0
    assert status(run).state is RunState.STOPPED
    assert len(trained) == 2, "one fold finished, the next was stopped"

    monkeypatch.setattr(material, "fit", counting)
    del trained[:]
    assert work(run.folder) == 0
    now = status(run)
    assert now.state is RunState.FINISHED
    assert len(trained) == 2, "the finished fold was not trained again"
    assert now.summary["n_labels"] == 880


def test_the_same_labels_are_searched_once_and_other_inputs_anew(
    workspace: Workspace, some: Dataset, trained: list[np.ndarray]
) -> None:
    first = search(workspace, some)
    assert work(first.folder) == 0
    assert len(trained) == 3
    again = search(workspace, some)
    assert work(again.folder) == 0
    assert len(trained) == 3
    one, other = load_evidence(first), load_evidence(again)
    assert np.array_equal(one.pred_probs, other.pred_probs, equal_nan=True)
    assert work(search(workspace, some, seed=1).folder) == 0
    assert len(trained) == 6, "another seed"
    assert work(search(workspace, some, n_folds=2).folder) == 0
    assert len(trained) == 8, "other folds"

    item = str(some.item_ids[np.flatnonzero(some.labels >= 0)[0]])
    wrong = next(name for k, name in enumerate(some.classes) if k != some.labels[some.positions([item])[0]])
    LabelJournal(workspace).append(some, [NewEdit(item, EditKind.LABEL, wrong)])
    assert work(search(workspace, some).folder) == 0
    assert len(trained) == 11, "another label"


def test_test_and_unlabelled_images_are_judged_and_never_trained_on(
    workspace: Workspace, some: Dataset, trained: list[np.ndarray]
) -> None:
    run = search(workspace, some)
    assert work(run.folder) == 0
    evidence = load_evidence(run)
    apart = np.union1d(some.in_split("test"), np.arange(20))
    assert not np.isin(np.concatenate(trained), apart).any()
    assert not np.isnan(evidence.pred_probs).any()
    assert np.isnan(evidence.area[apart]).all()
    counts = np.bincount(np.concatenate(trained), minlength=900)
    assert set(np.delete(counts, apart)) == {2}, "each is left out of one of three folds"


def test_leaving_out_an_unlabelled_image_is_another_search(
    workspace: Workspace, some: Dataset, trained: list[np.ndarray]
) -> None:
    assert work(search(workspace, some).folder) == 0
    LabelJournal(workspace).append(some, [NewEdit(str(some.item_ids[0]), EditKind.EXCLUDE)])
    run = search(workspace, some)
    assert work(run.folder) == 0, status(run).error
    probs = load_evidence(run).pred_probs
    assert np.isnan(probs[0]).all()
    assert not np.isnan(probs[1:]).any()


def test_progress_covers_all_folds(workspace: Workspace, some: Dataset) -> None:
    run = search(workspace, some, epochs=2)
    assert work(run.folder) == 0
    events = [event for event in run.events.read()[0] if event["type"] == "progress"]
    shares = [event["share"] for event in events]
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert shares[-1] == pytest.approx(1)
    assert {event["text"] for event in events} == {f"fold {k} of 3" for k in (1, 2, 3)}
