"""The job of a search on tiny real trainings: what is tried, broken off, gone on with, and never twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.labels import schema
from core.runs.launch import resume, start, wait
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, status
from core.tuning.space import parse_space
from core.tuning.studies import (
    StudyPlan,
    TrialState,
    create_study,
    load_importances,
    load_trials,
    ranked,
    recipe_of,
    study_file,
    trial_events,
    trial_folder,
)
from core.tuning.study_log import read_entries
from core.worker import material, tuning, work
from core.workspace import Workspace
from tests.part_of import part_of

TINY = make_recipe({"width": 4, "epochs": 2, "batch_size": 128, "threads": 1, "dropout": 0.0})
SPACE = ["learning_rate=1e-4..1e-1:log", "batch_size=64|128"]


@pytest.fixture
def some(workspace: Workspace, sample: Dataset) -> Dataset:
    """700 images of the sample."""
    rows = np.arange(len(sample))[::7][:700]
    return part_of(workspace, sample, rows, "some")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each training that the job really does, how many test images it was given."""
    fit, done = material.fit, []

    def counting(*arguments: object, **named: object) -> object:
        done.append(len(arguments[2].test))  # type: ignore[attr-defined]
        return fit(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(material, "fit", counting)
    return done


def study(workspace: Workspace, some: Dataset, n: int, space: list[str] = SPACE, **plan: object) -> Run:
    made = StudyPlan(parse_space(space, TINY), n, **plan)  # type: ignore[arg-type]
    return create_study(workspace, some, TINY, made, label_version=0)


def test_it_finds_a_rate_that_learns_and_sees_no_test_image(
    workspace: Workspace, some: Dataset, trained: list[int]
) -> None:
    run = study(workspace, some, 6, ["learning_rate=1e-6..1e-2:log"], prune=False)
    assert work(run.folder) == 0, status(run).error
    trials = load_trials(run)
    assert [one.state for one in trials] == [TrialState.FINISHED] * 6
    assert trained == [0] * 6
    best, *_, worst = ranked(trials, StudyPlan((), 6))
    assert best.value is not None
    assert worst.value is not None
    assert best.value > worst.value
    assert best.params["learning_rate"] > worst.params["learning_rate"], "too low a rate learns nothing here"
    assert status(run).summary["best_value"] == best.value
    importances = load_importances(run)
    assert sum(importances.values()) == pytest.approx(1, abs=0.01)
    epochs = [e for e in trial_events(run, best.number).read()[0] if e["type"] == "epoch"]
    assert len(epochs) == 2
    assert max(e["valid_accuracy"] for e in epochs) == best.value
    assert recipe_of(run, best).learning_rate == best.params["learning_rate"]


def test_one_seed_gives_one_search_and_nothing_is_trained_twice(
    workspace: Workspace, some: Dataset, trained: list[int]
) -> None:
    first, again = study(workspace, some, 3), study(workspace, some, 3)
    assert work(first.folder) == work(again.folder) == 0
    assert len(trained) == 3
    assert [one.params for one in load_trials(first)] == [one.params for one in load_trials(again)]
    assert all(one.cached for one in load_trials(again))
    assert len(trial_events(again, 0).read()[0]) == 2, "the curves of a training from the cache are there too"
    other = study(workspace, some, 1, seed=1)
    assert work(other.folder) == 0
    assert load_trials(other)[0].params != load_trials(first)[0].params


def test_a_trial_that_looks_poor_is_broken_off(
    workspace: Workspace, some: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "N_BEFORE_PRUNING", 1)
    run = study(workspace, some, 8, ["learning_rate=1e-6..1e-1:log", "epochs=4..6"])
    assert work(run.folder) == 0
    trials = load_trials(run)
    pruned = [one for one in trials if one.state is TrialState.PRUNED]
    assert pruned
    for one in pruned:
        assert one.n_epochs < one.params["epochs"]
        assert not (trial_folder(run, one.number) / "checkpoint.safetensors").exists()
    best = ranked(trials, StudyPlan((), 8))[0]
    assert best.state is TrialState.FINISHED


def test_values_that_contradict_each_other_fail_alone(workspace: Workspace, some: Dataset) -> None:
    space = ["loss=cross-entropy|focal", "label_smoothing=0.05..0.1"]
    run = study(workspace, some, 6, space)
    assert work(run.folder) == 0, status(run).error
    failed = [one for one in load_trials(run) if one.state is TrialState.FAILED]
    assert failed
    assert all(one.params["loss"] == "focal" and "label_smoothing" in one.error for one in failed)


def test_a_search_in_which_nothing_works_says_why(workspace: Workspace, some: Dataset) -> None:
    run = study(workspace, some, 2, ["label_smoothing=0.05..0.1"])
    run.recipe_file.write_text(TINY.with_changes({"loss": "focal"}).to_toml())
    assert work(run.folder) == 1
    now = status(run)
    assert now.state is RunState.FAILED
    assert "No trial could be trained. label_smoothing goes with cross-entropy only" in now.error


def test_time_can_be_a_second_objective(workspace: Workspace, some: Dataset) -> None:
    run = study(workspace, some, 4, ["epochs=1..3", "learning_rate=1e-3..1e-1:log"], with_cost=True)
    assert work(run.folder) == 0, status(run).error
    assert {one.state for one in load_trials(run)} == {TrialState.FINISHED}


def test_a_killed_search_goes_on_within_the_trial_it_was_in(workspace: Workspace, some: Dataset) -> None:
    run = study(workspace, some, 2, ["learning_rate=1e-3..1e-2:log", "epochs=9..12"], prune=False)
    start(run)
    _wait_until(lambda: len(trial_events(run, 0).read()[0]) >= 2, run)
    _kill(run, b"core.worker")
    assert wait(run, 30).state is RunState.LOST
    before = load_trials(run)
    assert [one.state for one in before] == [TrialState.RUNNING]
    resume(run)
    assert wait(run, 120).state is RunState.FINISHED, status(run).error
    after = load_trials(run)
    assert [one.state for one in after] == [TrialState.FINISHED] * 2
    assert after[0].params == before[0].params
    epochs = [e["epoch"] for e in trial_events(run, 0).read()[0] if e["type"] == "epoch"]
    assert epochs == sorted(epochs)
    assert epochs.count(0) == 1, "it went on, and did not begin again"


def test_workers_share_a_search_and_finish_what_a_dead_one_left(workspace: Workspace, some: Dataset) -> None:
    space = ["learning_rate=1e-3..1e-2:log", "epochs=6..9"]
    run = study(workspace, some, 5, space, prune=False, n_workers=2)
    start(run)
    _wait_until(lambda: len(load_trials(run)) >= 2, run)
    (lead,) = _processes(run, b"core.worker")
    os.kill(_children(lead)[0], signal.SIGKILL)
    assert wait(run, 120).state is RunState.FINISHED, status(run).error
    trials = load_trials(run)
    assert [one.number for one in trials] == list(range(5))
    assert {one.state for one in trials} == {TrialState.FINISHED}
    assert len({json.dumps(one.params) for one in trials}) == 5
    for one in trials:
        epochs = [e["epoch"] for e in trial_events(run, one.number).read()[0] if e["type"] == "epoch"]
        # One whose checkpoint was not written yet is trained and told again.
        assert list(dict.fromkeys(epochs)) == list(range(one.params["epochs"]))
    assert any("goes on in another one" in note for note in status(run).notes)
    shares = [e["share"] for e in run.events.read()[0] if e["type"] == "progress"]
    assert max(shares) <= 1


def _wait_until(done: Callable[[], bool], run: Run) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, run.log_file.read_text()
        time.sleep(0.05)


def _processes(run: Run, module: bytes) -> list[int]:
    """Those that work on this run, by what is on their command line."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            words = (proc / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(run.folder).encode() in words and module in words:
            found.append(int(proc.name))
    return found


def _children(parent: int) -> list[int]:
    """The processes that a process started."""
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for file in tasks for pid in file.read_text().split()]


def _kill(run: Run, module: bytes) -> None:
    for process in _processes(run, module):
        os.kill(process, signal.SIGKILL)


def test_a_team_keeps_the_study_in_its_database(
    workspace: Workspace, some: Dataset, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDYSET_DATABASE_URL", postgres)
    run = study(workspace, some, 2)
    assert work(run.folder) == 0, status(run).error
    assert [one.state for one in load_trials(run)] == [TrialState.FINISHED] * 2
    assert not study_file(run).exists()
    assert read_entries(schema.database(workspace), run.id)


def test_a_trial_whose_weights_ran_away_is_no_result(
    workspace: Workspace, some: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.training.loop import Trainer

    step = Trainer.train_step

    def broken(self: Trainer, positions: Any) -> None:
        step(self, positions)
        if self.recipe.learning_rate > 1:
            next(iter(self.model.parameters())).data.fill_(float("nan"))

    monkeypatch.setattr(Trainer, "train_step", broken)
    run = study(workspace, some, 6, ["learning_rate=0.01|5"])
    assert work(run.folder) == 0
    trials = load_trials(run)
    failed = [one for one in trials if one.params["learning_rate"] == 5]
    assert 0 < len(failed) < 6
    assert {one.state for one in trials if one not in failed} == {TrialState.FINISHED}
    assert {(one.state, one.value) for one in failed} == {(TrialState.FAILED, None)}
    assert "became NaN" in failed[0].error
