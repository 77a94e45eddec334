"""Filling unknown labels: decided on held-out known ones, accepted at once, reviewed, and taken back."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.predictions import load_predictions
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.filled import accept, standing, take_back
from core.quality.filling import JOINT, PER_LABEL, create_fill, fillings_of, plan_label, read_fill, text_fill
from core.quality.queue import FILLED, QueueRequest, build_queue
from core.runs.recipe import make_recipe
from core.runs.store import RunState, status
from core.worker import work
from core.workspace import Workspace
from tests.tagged import tagged

RECIPE = make_recipe({"width": 8, "epochs": 4, "batch_size": 32, "learning_rate": 3e-3, "threads": 1})


@pytest.fixture
def clothes(workspace: Workspace, sample: Dataset) -> Dataset:
    return tagged(workspace, sample, 600)


def test_only_what_is_right_often_enough_crosswise_is_filled() -> None:
    rng = np.random.default_rng(0)
    yes = rng.random(400) < 0.5
    labels = np.r_[yes, np.full(100, np.nan)].astype(np.float32)
    sure = np.r_[np.where(yes, 0.9, 0.1), np.full(100, 0.95)]
    found = plan_label("a", labels, sure, np.ones(500, bool), 0.95)
    assert (found.yes.n_filled, found.no.n_filled, found.yes.precision) == (100, 0, 1.0)
    coin = plan_label("a", labels, rng.random(500), np.ones(500, bool), 0.95)
    assert (coin.yes.cut, coin.no.cut, coin.yes.n_filled) == (None, None, 0)
    assert (found.yes_at_half, found.no_at_half) == (1.0, 1.0)
    said = [coin.yes_at_half, coin.no_at_half]
    assert said == pytest.approx([yes.mean(), 1 - yes.mean()], abs=0.08), "known even where nothing is filled"


def test_what_can_be_told_is_filled_not_by_luck_and_is_as_right_as_it_was_measured() -> None:
    rng = np.random.default_rng(0)
    n_filled, measured, true = 0, [], []
    for _ in range(40):
        yes = rng.random(700) < 0.4
        probs = 1 / (1 + np.exp(-(2.5 * yes - 1.25 + rng.normal(size=700))))
        labels = np.where(np.arange(700) < 500, yes, np.nan).astype(np.float32)
        found = plan_label("a", labels, probs, np.ones(700, bool), 0.95)
        if found.no.cut is not None:
            n_filled += 1
            measured.append(found.no.precision)
            said = probs[500:] <= found.no.cut
            true.append(1 - yes[500:][said].mean())
    assert n_filled >= 36
    assert np.mean(true) >= 0.95
    assert np.mean(measured) == pytest.approx(np.mean(true), abs=0.01)


def test_a_network_for_each_label_fills_at_once(workspace: Workspace, sample: Dataset) -> None:
    few = tagged(workspace, sample, 200)
    recipe = RECIPE.with_changes({"width": 4, "epochs": 1})
    run = create_fill(workspace, few, recipe, method=PER_LABEL, precision=0.6, n_folds=2, name="alone")
    assert work(run.folder) == 0
    value = read_fill(run)
    assert [one["name"] for one in value["labels"]] == list(few.classes)
    assert len(LabelJournal(workspace).edits(few.name)) == value["n_filled"]


def test_a_filling_is_looked_at_accepted_and_taken_back(workspace: Workspace, clothes: Dataset) -> None:
    run = create_fill(
        workspace, clothes, RECIPE, method=JOINT, precision=0.8, n_folds=2, apply=False, name="f1"
    )
    assert work(run.folder) == 0
    assert status(run).state is RunState.FINISHED
    value = read_fill(run)
    n = value["n_filled"]
    assert n > 20
    assert "could be filled" in text_fill(value)
    assert labels_at(workspace, clothes).version == 0
    (sleeves,) = [one for one in fillings_of(value) if one.n_unknown]
    assert sleeves.name == "sleeves"

    assert accept(workspace, clothes, run) == n
    assert accept(workspace, clothes, run) == 0
    state = labels_at(workspace, clothes)
    assert standing(workspace, clothes, run, state).n_open == n
    assert not state.reviewed.any()
    edit = LabelJournal(workspace).edits(clothes.name)[0]
    assert edit.evidence["run"] == run.id
    assert edit.evidence["confidence"] > 0.5
    assert edit.evidence["precision"] >= 0.8

    queue = build_queue(
        clothes, QueueRequest(FILLED, run=run.id), state, load_predictions(run.predictions_file)
    )
    assert len(queue) == n
    assert (np.diff(queue.confidence) >= 0).all()
    assert len(build_queue(clothes, QueueRequest(FILLED, run=run.id, given=0), state, queue.predictions)) == 0

    first, second = (str(clothes.item_ids[at]) for at in queue.positions[:2])
    said = [
        NewEdit(first, EditKind.LABEL, "no", class_name="sleeves", who="anna"),
        NewEdit(second, EditKind.CONFIRM, who="anna"),
    ]
    LabelJournal(workspace).append(clothes, said)
    state = labels_at(workspace, clothes)
    assert standing(workspace, clothes, run, state).n_open == n - 2
    assert int(state.reviewed.sum()) == 2

    assert len(take_back(workspace, clothes, run, who="anna", keep_confirmed=True).edits) == n - 2
    assert len(take_back(workspace, clothes, run, who="anna").edits) == 2
    labels = labels_at(workspace, clothes).labels
    at = clothes.positions([first])[0]
    assert labels[at, 1] == 0, "what a person said stays"
    assert int(np.isnan(labels).sum()) == int(np.isnan(clothes.labels).sum()) - 1
    assert accept(workspace, clothes, run) == n - 1, "what was taken back can be accepted again"


def test_filling_needs_several_labels_an_image(workspace: Workspace, sample: Dataset) -> None:
    with pytest.raises(BadInput, match="one label an image"):
        create_fill(workspace, sample, RECIPE, method=JOINT)
    with pytest.raises(BadInput, match="no method"):
        create_fill(workspace, tagged(workspace, sample), RECIPE, method="guess")
