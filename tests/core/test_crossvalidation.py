"""The job of a cross-validation on real and tiny trainings, alone and beside a search for label errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.evaluation.crossval import create_crossval, read_crossval, text_crossval
from core.evaluation.predictions import load_predictions
from core.quality.evidence import create_search, load_evidence
from core.runs.recipe import make_recipe
from core.runs.store import RunState, status
from core.worker import material, work
from core.workspace import Workspace
from tests.part_of import part_of
from tests.tagged import tagged

TINY = make_recipe({"width": 4, "epochs": 2, "batch_size": 128, "learning_rate": 0.02, "threads": 1})


@pytest.fixture
def some(workspace: Workspace, sample: Dataset) -> Dataset:
    """800 images of the sample; of one class only two are in no test split."""
    rows = np.arange(len(sample))[::5][:800]
    labels = np.array(sample.labels, np.int64)[rows]
    labels[np.flatnonzero((labels == 9) & (np.asarray(sample.split)[rows] != 2))[2:]] = -1
    return part_of(workspace, sample, rows, "some", labels=labels)


def test_folds_are_judged_once_each_and_serve_the_search_for_label_errors(
    workspace: Workspace, some: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, n_fitted = material.fit, []

    def counting(*arguments: object, **named: object) -> object:
        n_fitted.append(1)
        return fit(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(material, "fit", counting)
    run = create_crossval(workspace, some, TINY, label_version=0, n_folds=3)
    assert work(run.folder) == 0, status(run).error
    now, value = status(run), read_crossval(run)
    assert now.state is RunState.FINISHED
    assert len(n_fitted) == 3
    n_judged = int(((np.asarray(some.split) != 2) & (np.asarray(some.labels) >= 0)).sum())
    assert sum(fold["n"] for fold in value["folds"]) == n_judged

    found = load_predictions(run.predictions_file)
    judged = (found.split != "test") & (found.labels >= 0)
    right = (found.predicted == found.labels)[judged].mean()
    weights = np.array([fold["n"] for fold in value["folds"]]) / n_judged
    assert right == pytest.approx(float(weights @ [fold["accuracy"] for fold in value["folds"]]))
    assert now.summary["accuracy"] == value["accuracy"]

    curve = value["curves"]["valid_accuracy"]
    assert [len(one) for one in curve] == [2, 2, 2]
    for fold, one in zip(value["folds"], curve, strict=True):
        assert one[-1] == pytest.approx(fold["accuracy"], abs=1e-5), "the last weights are the ones judged"

    search = create_search(workspace, some, TINY, label_version=0, n_folds=3)
    assert work(search.folder) == 0
    assert len(n_fitted) == 3, "the search used the folds that were there"
    assert np.nanmax(load_evidence(search).pred_probs) <= 1


def test_a_class_that_a_fold_lacks_is_named(workspace: Workspace, some: Dataset) -> None:
    run = create_crossval(workspace, some, TINY.with_changes({"epochs": 1}), label_version=0, n_folds=3)
    assert work(run.folder) == 0
    (note,) = read_crossval(run)["notes"]
    assert "'Ankle boot' has 2 labelled images: 1 of 3 folds" in note
    assert note in status(run).notes


def test_several_labels_an_image_are_judged_by_the_area_under_their_curves(
    workspace: Workspace, sample: Dataset
) -> None:
    tags = tagged(workspace, sample, 300)
    run = create_crossval(workspace, tags, TINY.with_changes({"epochs": 1}), label_version=0, n_folds=3)
    assert work(run.folder) == 0, status(run).error
    value = read_crossval(run)
    of_folds = [fold["macro_auc"] for fold in value["folds"]]
    assert value["macro_auc"]["mean"] == pytest.approx(np.mean(of_folds))
    assert status(run).summary["macro_auc"] == value["macro_auc"]
    assert "macro ROC AUC" in text_crossval(value)
    found = load_predictions(run.predictions_file)
    assert found.has_many_labels
    assert sum(fold["n"] for fold in value["folds"]) == (found.split != "test").sum()


@pytest.mark.parametrize("kind", [create_crossval, create_search])
def test_one_class_is_refused_in_the_words_of_train(workspace: Workspace, sample: Dataset, kind: Any) -> None:
    rows = np.arange(len(sample))[::20]
    only = part_of(workspace, sample, rows, "only", labels=np.zeros(len(rows), np.int64))
    run = kind(workspace, only, TINY, label_version=0, n_folds=3)
    assert work(run.folder) == 1
    error = status(run).error
    assert "There is too little to train on" in error
    assert "of 1 class outside fold 1 of 3" in error
    assert "At least two images of two classes are needed" in error


def test_a_fold_that_holds_all_of_the_other_class_is_refused(workspace: Workspace, sample: Dataset) -> None:
    rows = np.arange(len(sample))[::20]
    labels = np.zeros(len(rows), np.int64)
    labels[np.flatnonzero(np.asarray(sample.split)[rows] != 2)[0]] = 1
    lone = part_of(workspace, sample, rows, "lone", labels=labels)
    run = create_crossval(workspace, lone, TINY, label_version=0, n_folds=3)
    assert work(run.folder) == 1
    assert "of 1 class outside fold" in status(run).error
