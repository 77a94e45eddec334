"""``tidyset runs``, as typed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.engines import EnginePlan, plan_of
from core.runs import launch
from core.runs.recipe import PRESETS
from core.runs.store import Run, create_run, find_run, list_runs, status
from core.workspace import Workspace

SMALL = {"width": 4, "epochs": 500, "threads": 1, "batch_size": 64}


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["runs", *words])


def answer(*words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refusal(*words: str) -> str:
    result = run(*words, "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    return str(json.loads(result.stderr)["error"])


@pytest.fixture
def first(workspace: Workspace, sample: Dataset) -> Run:
    made = create_run(workspace, sample, PRESETS["fast"], name="first")
    made.events.append("started", epochs=1)
    made.events.append("epoch", epoch=0, valid_accuracy=0.8)
    made.events.append("finished", test_accuracy=0.9, test_macro_f1=0.89, valid_accuracy=0.8, seconds=3.0)
    made.report_file.write_text("the report")
    return made


def test_nothing_yet(workspace: Workspace) -> None:
    assert answer("list") == []
    assert run("list").stdout.strip() == "There are no runs yet."
    assert run("list", "--tag", "x").stdout.strip() == "No run is tagged x."


def test_the_list_names_state_and_result(workspace: Workspace, sample: Dataset, first: Run) -> None:
    create_run(workspace, sample, PRESETS["best"], name="second").events.append("failed", error="No memory.")
    bad = workspace.runs / "bad"
    bad.mkdir()
    (bad / "run.json").write_text("{")
    second, one, damaged = answer("list")
    assert (one["run"], one["state"], one["test_accuracy"], one["epochs"]) == ("first", "finished", 0.9, 1)
    assert (second["state"], second["error"]) == ("failed", "No memory.")
    assert damaged["state"] == "damaged"
    assert "run.json" in damaged["error"]
    text = run("list").stdout
    assert "test 0.9000" in text
    assert "is damaged" in text
    assert "failed" in (line := text.splitlines()[0])
    assert line.endswith("0 % done: No memory.")
    assert "There is no data set 'another'." in refusal("list", "--data", "another")


def test_one_run_is_shown_whole(first: Run) -> None:
    shown = answer("show", "first")
    assert shown["recipe"] == PRESETS["fast"].model_dump(mode="json")
    assert [epoch["valid_accuracy"] for epoch in shown["history"]] == [0.8]
    assert "the report" in run("show", first.id).stdout
    assert "There is no run 'x'" in refusal("show", "x")


def test_rename_note_delete(workspace: Workspace, first: Run) -> None:
    assert answer("rename", "first", "better")["run"] == "better"
    assert answer("note", "better", "lower rate helped")["notes"] == "lower rate helped"
    assert find_run(workspace, first.id).notes == "lower rate helped"
    declined = CliRunner().invoke(app, ["runs", "delete", "better"], input="n\n")
    assert declined.exit_code == 1
    assert len(list_runs(workspace)) == 1
    assert answer("delete", "better", "--yes")["deleted"] == "better"
    assert list_runs(workspace) == []


def test_what_cannot_be_done_is_said(first: Run) -> None:
    assert "not going" in refusal("stop", "first")
    assert "nothing is left to do" in refusal("resume", "first")
    assert "name" in refusal("rename", "first", "a/b").lower()


@pytest.mark.slow
def test_a_run_is_stopped_and_goes_on(workspace: Workspace, sample: Dataset) -> None:
    made = create_run(workspace, sample, PRESETS["fast"].with_changes(SMALL), name="long")
    launch.start(made)
    while not status(made).epochs:
        assert status(made).state.active, status(made).error
        launch.wait(made, timeout=0.2)
    assert "still going" in refusal("delete", "long", "--yes")
    stopped = answer("stop", "long")
    assert stopped["state"] == "stopped"
    assert "No Ray cluster" in refusal("resume", "long", "--engine", "ray", "--address", "127.0.0.1:1")
    assert plan_of(find_run(workspace, "long")) == EnginePlan(), "it stays where it was"
    assert answer("resume", "long", "--engine", "local", "--workers", "1", "--detach")["state"] == "starting"
    assert plan_of(find_run(workspace, "long")) == EnginePlan("local", n_workers=1)
    while len(status(made).epochs) <= stopped["epochs"]:
        assert status(made).state.active, status(made).error
        launch.wait(made, timeout=0.2)
    assert answer("stop", "long")["epochs"] > stopped["epochs"]
