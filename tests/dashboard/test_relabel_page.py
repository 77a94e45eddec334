"""The Relabel page without a browser: its controls, its address, and the retraining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.errors import NotFound
from core.evaluation.predictions import load_predictions, save_predictions
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.duplicates import similar_images
from core.quality.queue import QueueRequest, build_queue
from core.runs import launch
from core.runs.store import Run, RunState, create_run
from core.workspace import Workspace
from dashboard import handover, retrain, review
from tests.answered_runs import guessed_run
from tests.tagged import tagged

HOME = Path(__file__).resolve().parents[2] / "dashboard" / "Home.py"


@pytest.fixture
def run(workspace: Workspace, sample: Dataset) -> Run:
    return guessed_run(workspace, sample, "first")


def relabel(**address: str) -> AppTest:
    test = AppTest.from_file(str(HOME), default_timeout=60).run()
    for name, value in address.items():
        test.query_params[name] = value
    test.switch_page("../pages/relabel.py").run()
    assert not test.exception
    assert not test.error
    return test


def edit(workspace: Workspace, dataset: Dataset, position: int) -> None:
    name = dataset.classes[(int(dataset.labels[position]) + 1) % 10]
    LabelJournal(workspace).append(dataset, [NewEdit(str(dataset.item_ids[position]), EditKind.LABEL, name)])


def test_without_a_model_all_images_are_shown_and_training_is_offered(sample: Dataset) -> None:
    test = relabel()
    assert [box.label for box in test.main.selectbox] == ["Show", "Split", "Label"]
    assert test.main.selectbox[0].options == ["All images"]
    assert "Train a model" in [button.label for button in test.main.button]


def test_with_a_model_its_disagreements_come_first(workspace: Workspace, sample: Dataset, run: Run) -> None:
    test = relabel()
    show, model = test.main.selectbox[:2]
    assert (show.value, model.value) == ("Model disagrees", "first")
    again = next(button for button in test.main.button if button.label.startswith("Retrain"))
    assert again.disabled
    edit(workspace, sample, 0)
    test.run()
    again = next(button for button in test.main.button if button.label.startswith("Retrain"))
    assert not again.disabled
    assert "**1 edit** since first" in [text.value for text in test.main.markdown]


def test_the_address_names_the_queue(workspace: Workspace, sample: Dataset, run: Run) -> None:
    test = relabel(queue="Model disagrees", queue_run="first", queue_label="Shirt", queue_guess="Coat")
    _, shown = test.session_state["relabel_sheaf"]
    assert shown.request == QueueRequest("misclassified", run=run.id, given=6, predicted=4)
    assert len(shown.queue) > 0
    below = relabel(queue="Confidence below …", queue_below="0.3", queue_split="test")
    _, shown = below.session_state["relabel_sheaf"]
    assert (shown.request.kind, shown.request.threshold, shown.request.split) == (
        "below-threshold",
        0.3,
        "test",
    )
    assert (shown.queue.confidence < 0.3).all()


def test_the_images_that_a_run_held_back_are_a_split_of_their_own(
    workspace: Workspace, sample: Dataset, run: Run
) -> None:
    given = load_predictions(run.predictions_file)
    split = np.where(np.arange(len(given)) % 9 == 0, "val", given.split)
    save_predictions(run.predictions_file, replace(given, split=split))
    test = relabel(queue="Model disagrees", queue_run="first", queue_split="val")
    _, shown = test.session_state["relabel_sheaf"]
    assert shown.request.split == "val"
    held = given.item_ids[split == "val"]
    assert len(shown.queue) > 0
    assert set(sample.item_ids[shown.queue.positions]) <= set(held)


def test_a_selection_is_kept_for_a_refresh(workspace: Workspace, sample: Dataset) -> None:
    picked = tuple(sample.item_ids[[9, 2]].tolist())
    name = handover.keep_selection(workspace, QueueRequest("selection", item_ids=picked))
    test = relabel(queue="Your selection", queue_picked=name)
    _, shown = test.session_state["relabel_sheaf"]
    assert shown.queue.positions.tolist() == [9, 2]
    with pytest.raises(NotFound, match="no longer kept"):
        handover.kept_selection(workspace, "../../labels")


def test_the_list_stays_as_it_is_while_labels_change(workspace: Workspace, sample: Dataset, run: Run) -> None:
    test = relabel()
    before = test.session_state["relabel_sheaf"][1]
    edit(workspace, sample, int(before.queue.positions[0]))
    test.run()
    assert test.session_state["relabel_sheaf"][1] is before
    test.main.toggle[0].set_value(True).run()
    after = test.session_state["relabel_sheaf"][1]
    assert np.array_equal(after.queue.positions, before.queue.positions[1:])


def test_what_the_browser_gets_begins_at_the_first_open_item(workspace: Workspace, sample: Dataset) -> None:
    edit(workspace, sample, 0)
    LabelJournal(workspace).append(sample, [NewEdit(str(sample.item_ids[1]), EditKind.EXCLUDE)])
    state = labels_at(workspace, sample)
    asked = QueueRequest("all")
    shown = review.sheaf("q", sample, asked, build_queue(sample, asked, state), state)
    given = int(sample.labels[0])
    assert shown.start == 2
    assert len(shown.items) == review.PAGE
    label = (given + 1) % 10
    assert shown.items[0] == [0, sample.item_ids[0], given, label, "label", False, [], "", 0, "", []]
    assert shown.items[1][5] is True
    turned = review.turned(shown, sample, state, len(sample) - 10)
    assert [item[0] for item in turned.items] == list(range(len(sample) - 10, len(sample)))


@pytest.mark.slow
def test_retraining_differs_only_in_the_labels(workspace: Workspace, sample: Dataset, run: Run) -> None:
    position = int(sample.in_split("train")[0])
    edit(workspace, sample, position)
    again = retrain.retrain(workspace, sample, run)
    assert (again.parent, again.label_version, again.name) == (run.id, 1, "first-v1")
    assert again.recipe == run.recipe
    ended = launch.wait(again, timeout=200)
    assert ended.state is RunState.FINISHED, ended.error
    predictions = load_predictions(again.predictions_file)
    row = predictions.item_ids.tolist().index(str(sample.item_ids[position]))
    assert predictions.labels[row] == (int(sample.labels[position]) + 1) % 10


def test_the_comparison_opens_though_something_else_redraws_the_page_first(
    workspace: Workspace, sample: Dataset, run: Run
) -> None:
    again = create_run(workspace, sample, run.recipe, name="first-v1", parent=run.id)
    test = relabel()
    again.events.append("finished", test_accuracy=0.5)
    test.run()  # not the panel's own timer: a person's press, or the tour's
    assert (test.query_params["run"], test.query_params["compare"]) == (again.id, run.id)

    test.switch_page("../pages/relabel.py").run()  # who comes back is not sent away again
    assert "Relabel" in [title.value for title in test.title]


def test_where_an_image_has_several_labels_one_can_be_asked_about(
    workspace: Workspace, sample: Dataset
) -> None:
    tags = tagged(workspace, sample)
    test = relabel(data=tags.name)
    assert [box.label for box in test.main.selectbox] == ["Show", "Split", "Ask about", "Labelled"]
    shown = test.session_state["relabel_sheaf"][1]
    assert shown.items[0][2] == [-1 if one != one else int(one) for one in tags.labels[0]]
    test = relabel(data=tags.name, queue_label="sleeves", queue_answer="unknown")
    shown = test.session_state["relabel_sheaf"][1]
    assert shown.request == QueueRequest("all", given=1, answer="unknown")
    assert len(shown.queue) == len(tags) // 4


def test_doubts_missing_classes_and_reviewers_have_their_place(workspace: Workspace, sample: Dataset) -> None:
    ids = [str(one) for one in sample.item_ids[:2]]
    journal = LabelJournal(workspace)
    journal.append(sample, [NewEdit(ids[0], EditKind.UNSURE, who="Ada")])
    journal.append(sample, [NewEdit(ids[1], EditKind.PROPOSE, "<b>hat</b>", who="Ada")])
    test = relabel()
    assert test.main.selectbox[0].options == ["All images", "Not sure", "New class proposed"]
    assert any("\\<b\\>hat" in text.value for text in test.main.markdown)
    test.main.selectbox[0].set_value("Not sure").run()
    assert test.session_state["relabel_sheaf"][1].queue.positions.tolist() == [0]
    others = relabel(queue_not_by="Ada")
    assert len(others.session_state["relabel_sheaf"][1].queue) == len(sample) - 2


def test_copies_stand_side_by_side(workspace: Workspace, sample: Dataset) -> None:
    similar = similar_images(workspace, sample)
    group = similar.members[similar.starts[0] : similar.starts[1]]
    state = labels_at(workspace, sample)
    asked = QueueRequest("all")
    queue = build_queue(sample, asked, state)
    shown = review.sheaf("q", sample, asked, queue, state, similar=similar)
    first = shown.queue.positions.tolist().index(int(group.min()))
    there = shown.queue.positions[first : first + len(group)]
    assert sorted(there.tolist()) == sorted(group.tolist())
    turned = review.turned(shown, sample, state, first)
    assert len({item[8] for item in turned.items[: len(group)]}) == 1
    assert turned.items[len(group)][8] != turned.items[0][8]
