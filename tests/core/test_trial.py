"""A trial: a few seconds of training that say how long a whole one takes."""

from __future__ import annotations

from typing import Any

import pytest

from core.data.dataset import Dataset
from core.runs.estimate import TRIAL, estimate
from core.runs.recipe import PRESETS, make_recipe
from core.runs.store import RunState, create_run, list_runs, status
from core.worker import trial, work
from core.workspace import Workspace


def test_a_trial_tells_how_long_a_run_will_take(
    workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.3)
    recipe = PRESETS["fast"].with_changes({"width": 4})
    run = create_run(workspace, sample, recipe, kind=TRIAL)
    assert work(run.folder) == 0
    assert not run.checkpoint_file.exists()
    pace = status(run).summary["images_per_second"]
    assert pace > 0

    shape, runs = sample.images.uniform, list_runs(workspace, kind=TRIAL)
    found = estimate(recipe, 5_000, shape, runs)
    assert found is not None
    n_seen = 5_000 * (1 - recipe.validation_share) * recipe.epochs
    assert (found.seconds, found.n_runs) == (pytest.approx(n_seen / pace), 0)
    longer = estimate(recipe.with_changes({"epochs": 2 * recipe.epochs}), 5_000, shape, runs)
    assert longer is not None
    assert longer.seconds == pytest.approx(2 * found.seconds)
    assert estimate(recipe.with_changes({"width": 8}), 5_000, shape, runs) is None, "another model"
    assert estimate(recipe, 5_000, (32, 32, 3), runs) is None, "another size"


def test_a_trial_of_an_ensemble_trains_one_of_its_networks(
    workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.1)
    recipe = PRESETS["fast"].with_changes({"width": 4, "members": 3, "distil": True})
    run = create_run(workspace, sample, recipe, kind=TRIAL)
    assert work(run.folder) == 0
    shape, runs = sample.images.uniform, list_runs(workspace, kind=TRIAL)
    found = estimate(recipe, 5_000, shape, runs)
    assert found is not None
    n_seen = 4 * 5_000 * (1 - recipe.validation_share) * recipe.epochs
    assert found.seconds == pytest.approx(n_seen / status(run).summary["images_per_second"])


def trained(workspace: Workspace, sample: Dataset, seconds: list[float], **changes: Any) -> None:
    run = create_run(workspace, sample, make_recipe({"epochs": len(seconds), **changes}))
    run.events.append("started", n_train=4_500, epochs=len(seconds))
    for epoch, taken in enumerate(seconds):
        run.events.append("epoch", epoch=epoch, seconds=taken)
    run.events.append("finished", seconds=sum(seconds))


def test_earlier_runs_count_more_than_a_trial(workspace: Workspace, sample: Dataset) -> None:
    recipe = make_recipe({"epochs": 10, "validation_share": 0.1})
    tried = create_run(workspace, sample, recipe, kind=TRIAL)
    tried.events.append("finished", images_per_second=1.0)
    trained(workspace, sample, [9.0, 5.0, 4.5], seed=1)
    runs = list_runs(workspace, kind=None)
    assert {status(run).state for run in runs} == {RunState.FINISHED}
    found = estimate(recipe, 5_000, sample.images.uniform, runs)
    assert found is not None
    assert found.n_runs == 1
    assert found.seconds == pytest.approx(10 * 4_500 / (4_500 / 5.0)), "the median epoch"


def test_the_first_steps_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 20.0, 21.0, 22.0, 23.5])
    monkeypatch.setattr(trial.time, "monotonic", lambda: next(clock))
    watch = trial.Stopwatch(64)
    assert [watch() for _ in range(5)] == [False, False, False, False, True]
    assert watch.images_per_second == pytest.approx(3 * 64 / 3.5)
