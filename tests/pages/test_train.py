"""The Train page: empty, starting a run, looking after runs, and runs that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs import launch
from core.runs.recipe import PRESETS
from core.runs.store import Run, RunState, create_run, find_run, list_runs, status
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
SELECT_FIRST = {"selection": {"rows": [0], "columns": [], "cells": []}}


def opened() -> AppTest:
    test = AppTest.from_file(str(ROOT / "dashboard" / "Home.py"), default_timeout=60)
    test.run().switch_page("../pages/train.py").run()
    assert not test.exception
    return test


def captions(test: AppTest) -> str:
    return "\n".join(caption.value for caption in test.main.caption)


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.main.button if button.label == label).click().run()
    assert not test.exception
    return test


def table(test: AppTest) -> list[dict[str, object]]:
    frame = test.main.dataframe[0].value
    return [dict(row) for _, row in frame.iterrows()]


@pytest.fixture
def finished(workspace: Workspace, sample: Dataset) -> Run:
    run = create_run(workspace, sample, PRESETS["fast"], name="first")
    run.events.append("started", epochs=4, n_train=4_500)
    run.events.append("epoch", epoch=0, train_loss=1.0, valid_loss=0.9, valid_accuracy=0.7, seconds=9.0)
    run.events.append("finished", test_accuracy=0.855, valid_accuracy=0.7, seconds=19.0)
    return run


def test_empty_it_says_what_to_do(workspace: Workspace, sample: Dataset) -> None:
    test = opened()
    assert any("Nothing was trained on this data set yet" in text.value for text in test.main.markdown)
    labels = [button.label for button in test.main.button]
    assert "Train with the fast preset" in labels
    assert "How long will it take?" in labels
    assert "On labels as given" in captions(test)


def test_a_run_is_started_as_asked(workspace: Workspace, sample: Dataset) -> None:
    edit = NewEdit(str(sample.item_ids[0]), EditKind.EXCLUDE)
    LabelJournal(workspace).append(sample, [edit])
    test = opened()
    assert "On corrected labels (1 edit)" in captions(test)
    test.number_input(key="recipe_fast_epochs").set_value(500)
    test.text_input(key="run_name").set_value("mine").run()
    press(test, "Start training")
    run = find_run(workspace, "mine")
    try:
        assert run.recipe == PRESETS["fast"].with_changes({"epochs": 500})
        assert run.label_version == 1
        assert [row["Run"] for row in table(test)] == ["mine"]
    finally:
        launch.request_stop(run)
        assert launch.wait(run, timeout=120).state is RunState.STOPPED


def test_a_name_that_is_taken_is_refused(finished: Run, workspace: Workspace) -> None:
    test = opened()
    test.text_input(key="run_name").set_value("first").run()
    press(test, "Start training")
    assert "There is a run 'first' already" in test.main.error[0].value
    assert len(list_runs(workspace)) == 1


def test_what_several_workers_cannot_train_is_refused(finished: Run, workspace: Workspace) -> None:
    test = opened()
    test.pills(key="preset").set_value("fixmatch").run()
    test.number_input(key="train_local_workers").set_value(2).run()
    press(test, "Start training")
    assert "Training with unlabelled images" in test.main.error[0].value
    assert len(list_runs(workspace)) == 1


def test_how_long_it_takes_is_judged_by_earlier_runs(finished: Run) -> None:
    test = opened()
    assert "Takes about 36 s, judged by 1 earlier run" in captions(test)
    test.pills(key="preset").set_value("best").run()
    assert "Takes about" not in captions(test)
    assert "How long will it take?" in [button.label for button in test.main.button]


def test_every_state_is_named(workspace: Workspace, sample: Dataset, finished: Run) -> None:
    create_run(workspace, sample, PRESETS["fast"], name="second").events.append(
        "failed", error="Too large. Less."
    )
    crashed = create_run(workspace, sample, PRESETS["fast"], name="third")
    crashed.events.append("started", epochs=4)
    crashed.log_file.write_text("Killed\n")
    states = {row["Run"]: row["State"] for row in table(opened())}
    assert states == {"first": "finished", "second": "failed", "third": "crashed"}
    test = opened()
    assert "its last line was" in test.main.error[0].value
    assert "Resume" in [button.label for button in test.main.button]


def test_a_run_without_epochs_says_that_it_has_no_curves(workspace: Workspace, sample: Dataset) -> None:
    create_run(workspace, sample, PRESETS["fast"], name="elsewhere").events.append("finished")
    test = opened()
    assert any("no epoch was recorded" in one.value for one in test.main.markdown)
    assert not test.exception


def test_a_run_is_renamed_noted_and_deleted(workspace: Workspace, finished: Run) -> None:
    def chosen() -> AppTest:
        test = opened()
        key = test.main.dataframe[0].key
        test.session_state[key] = SELECT_FIRST
        return test.run()

    test = chosen()
    test.text_input(key=f"name_{finished.id}").set_value("better").run()
    press(test, "Rename it")
    assert find_run(workspace, "better").id == finished.id
    test = chosen()
    test.text_area(key=f"notes_{finished.id}").set_value("kept").run()
    press(test, "Keep")
    assert table(opened())[0]["Notes"] == "kept"
    test = chosen()
    press(test, "Delete it")
    assert list_runs(workspace) == []


def test_a_damaged_recipe_does_not_hide_the_runs(workspace: Workspace, finished: Run) -> None:
    finished.recipe_file.write_text("epochs = [")
    assert [(row["Run"], row["Test"]) for row in table(opened())] == [("first", pytest.approx(85.5))]
    assert status(finished).state is RunState.FINISHED
