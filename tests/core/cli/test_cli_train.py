"""``tidyset train``, as typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from core.cli import app
from core.cli.training import duration, progress_text
from core.data.dataset import Dataset
from core.runs.launch import held
from core.runs.recipe import PRESETS, Recipe
from core.runs.store import RunState, create_run, find_run, list_runs, status
from core.workspace import PROJECT_ROOT, Workspace

run = CliRunner().invoke
SMALL = [f"--set={setting}" for setting in ("width=4", "epochs=1", "threads=1", "batch_size=64")]


def test_training_ends_with_one_json_object(workspace: Workspace) -> None:
    result = run(
        app, ["train", "--data", "fashion-mnist-sample", "--recipe", "fast", "--name", "r1", *SMALL, "--json"]
    )
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert value["run"] == "r1"
    assert 0.3 < value["test_accuracy"] <= 1
    assert 0.2 < value["test_macro_f1"] <= 1
    assert value["seconds"] > 0
    assert "epoch   1" in result.stderr
    stored = find_run(workspace, "r1")
    assert stored.recipe == PRESETS["fast"].with_changes(
        {"width": 4, "epochs": 1, "threads": 1, "batch_size": 64}
    )

    again = run(app, ["train", "--name", "r1", "--json"])
    assert again.exit_code == 1
    assert "There is a run 'r1' already" in json.loads(again.stderr)["error"]


def test_control_c_stops_the_run_so_that_it_can_go_on(workspace: Workspace, sample: Dataset) -> None:
    command = [sys.executable, "-c", "from core.cli import app; app()", "train", "--name", "long", *SMALL]
    process = subprocess.Popen(
        [*command, "--set=epochs=500"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what runs in the background deaf to Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not (list_runs(workspace) and status(find_run(workspace, "long")).epochs):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "long is stopped; `tidyset runs resume long` goes on." in out
    assert status(find_run(workspace, "long")).state is RunState.STOPPED


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "absent"], "absent"),
        (["--recipe", "quick"], "There is no recipe 'quick'. Give a preset (baseline, fast, best, "),
        (["--set", "epochs=0"], "epochs = '0': Input should be greater than or equal to 1"),
        (["--set", "speed=9"], "There is no recipe field 'speed'"),
        (["--set", "epochs"], "--set 'epochs' has no value"),
        (
            ["--recipe", "fixmatch", "--workers", "2"],
            "unlabelled images (semi = fixmatch) is not shared",
        ),
        (["--labels", "newest"], "--labels 'newest' is no label version"),
        (["--labels", "7"], "no label version 7"),
        (["--name", "A run"], "'A run' cannot name a run"),
    ],
)
def test_a_mistake_is_explained_and_leaves_no_run(
    workspace: Workspace, arguments: list[str], message: str
) -> None:
    result = run(app, ["train", *arguments])
    assert result.exit_code == 1
    assert message in result.stderr
    assert list_runs(workspace) == []


def test_a_failed_run_exits_with_its_reason(workspace: Workspace) -> None:
    bad = ["optimizer=sgd", "learning_rate=10", "weight_decay=1", "batch_size=8"]
    result = run(app, ["train", *SMALL, *(f"--set={setting}" for setting in bad), "--json"])
    assert result.exit_code == 1
    report = json.loads(result.stderr.splitlines()[-1])
    assert "The loss became NaN in epoch 1. Lower learning_rate" in report["error"]


def test_help_recipe_lists_every_field_with_its_range() -> None:
    text = run(app, ["train", "--help-recipe"]).stdout
    for name in Recipe.model_fields:
        assert f"\n  {name} " in text
    assert "above 0 to 10" in text
    assert "sgd | adam | adamw" in text


def test_the_line_says_where_a_run_is(workspace: Workspace, sample: Dataset) -> None:
    stored = create_run(workspace, sample, Recipe(), name="r")
    assert progress_text(stored, status(stored)) == "r: starting ..."
    with held(stored):
        stored.events.append("progress", share=0.0, text="Scaled 256 of 900 images")
        assert progress_text(stored, status(stored)) == "r: Scaled 256 of 900 images ..."
        stored.events.append("started", epochs=4)
        figures = {"train_loss": 0.5, "train_accuracy": 0.81234, "images_per_second": 5000.0}
        stored.events.append("progress", epoch=1, share=0.3, seconds_left=75.0, **figures)
        text = progress_text(stored, status(stored))
    assert text.startswith("r: epoch 2 of 4 · 30 %")
    assert text.endswith("loss 0.500, accuracy 0.812 · 5,000 images/s")


@pytest.mark.parametrize(("seconds", "text"), [(4.4, "4 s"), (75, "1 min 15 s"), (7260, "2 h 1 min")])
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
