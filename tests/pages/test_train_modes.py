"""The Train page's other ways: cross-validating a recipe, sweeping a grid, searching its fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.engines import EnginePlan
from core.engines import plan_of as plan_of_engine
from core.evaluation.crossval import FIGURES, create_crossval, crossval_file, spread
from core.evaluation.sweep import create_sweep, put_together
from core.files import write_json
from core.runs import launch
from core.runs.presets import find_recipe
from core.runs.recipe import PRESETS
from core.runs.store import Run, RunState, list_runs, load_run, status
from core.tuning.grid import parse_grid
from core.tuning.space import parse_space
from core.tuning.studies import (
    StudyPlan,
    TrialRecord,
    TrialState,
    create_study,
    importances_file,
    plan_of,
    save_trial,
    trial_events,
)
from core.workspace import Workspace
from tests.tagged import tagged

ROOT = Path(__file__).resolve().parents[2]
AXES = parse_space(["learning_rate=1e-4..1e-1:log", "optimizer=adam|sgd"], PRESETS["fast"])
SELECT = {"selection": {"rows": [2], "columns": [], "cells": []}}


@pytest.fixture(autouse=True)
def _nothing_goes_on(workspace: Workspace) -> Iterator[None]:
    yield
    for run in list_runs(workspace, kind=None):
        if status(run).state.active:
            launch.request_stop(run)
            assert launch.wait(run, timeout=120).state is not RunState.RUNNING


def opened(mode: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "dashboard" / "Home.py"), default_timeout=60)
    test.run().switch_page("../pages/train.py").run()
    test.segmented_control(key="mode").set_value(mode).run()
    assert not test.exception
    return test


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.main.button if button.label == label).click().run()
    assert not test.exception
    return test


def words(test: AppTest) -> str:
    return "\n".join(
        str(one.value) for kind in ("markdown", "caption", "info") for one in test.main.get(kind)
    )


def test_folds_are_explained_and_started_as_asked(workspace: Workspace, sample: Dataset) -> None:
    test = opened("Cross-validate")
    assert "Folds tell how much of that is luck" in words(test)
    assert "the test images left out" in words(test)
    test.number_input(key="recipe_fast_epochs").set_value(500)
    test.number_input(key="n_folds").set_value(3).run()
    assert "3 trainings" in words(test)
    press(test, "Cross-validate")
    (run,) = list_runs(workspace, kind="crossval")
    assert run.job["n_folds"] == 3
    assert run.recipe.epochs == 500
    assert not plan_of_engine(run).spreads


def test_where_the_folds_run_is_chosen_in_the_form(workspace: Workspace, sample: Dataset) -> None:
    test = opened("Cross-validate")
    test.segmented_control(key="folds_engine").set_value("ray").run()
    test.text_input(key="folds_address").set_value("127.0.0.1:1").run()
    press(test, "Cross-validate")
    assert r"No Ray cluster answers at 127.0.0.1\:1" in test.main.error[0].value
    assert not list_runs(workspace, kind="crossval"), "nothing is made that cannot be started"
    test.segmented_control(key="folds_engine").set_value("local").run()
    test.number_input(key="folds_local_workers").set_value(2).run()
    test.number_input(key="recipe_fast_epochs").set_value(500).run()
    press(test, "Cross-validate")
    (run,) = list_runs(workspace, kind="crossval")
    assert plan_of_engine(run) == EnginePlan("local", n_workers=2)


def test_figures_over_folds_are_shown_with_their_interval(workspace: Workspace, sample: Dataset) -> None:
    run = create_crossval(workspace, sample, PRESETS["fast"], label_version=0, n_folds=2, name="cv")
    folds = [{"n": 100, **dict.fromkeys(FIGURES, value)} for value in (0.8, 0.9)]
    curve = [[0.5, 0.8], [0.6, 0.9]]
    value = {
        "run": "cv",
        "data": sample.name,
        "n_folds": 2,
        **{name: spread([0.8, 0.9], most=1) for name in FIGURES},
        "folds": folds,
        "curves": {f"{part}_{one}": curve for part in ("train", "valid") for one in ("loss", "accuracy")},
        "notes": ["Class 'Bag' is rare."],
    }
    write_json(crossval_file(run), value)
    run.events.append("finished", seconds=3.0)
    test = opened("Cross-validate")
    assert "**85.0 %** accuracy on average; from 80.0 % to 90.0 % by fold" in words(test)
    assert [one.label for one in test.main.metric] == ["Accuracy", "Macro-F1", "Balanced accuracy"]
    assert test.main.metric[0].value == "85.0 % ± 7.1"
    assert "rare" in test.main.warning[0].value


def test_a_search_is_started_as_asked(workspace: Workspace, sample: Dataset) -> None:
    test = opened("Search")
    assert "A search tries values" in words(test)
    test.number_input(key="n_trials").set_value(7)
    test.selectbox(key="objective").set_value("macro_f1")
    test.number_input(key="recipe_fast_batch_size").set_value(64).run()
    press(test, "Start search")
    (run,) = list_runs(workspace, kind="tune")
    plan = plan_of(run)
    assert [axis.field for axis in plan.axes] == ["learning_rate", "dropout", "epochs"]
    assert (plan.n_trials, plan.objective, plan.prune) == (7, "macro_f1", True)
    assert run.recipe.batch_size == 64


@pytest.fixture
def searched(workspace: Workspace, sample: Dataset) -> Run:
    run = create_study(workspace, sample, PRESETS["fast"], StudyPlan(AXES, 4), label_version=0, name="search")
    rng = np.random.default_rng(0)
    for number in range(3):
        params = {"learning_rate": float(10.0 ** rng.uniform(-4, -1)), "optimizer": "adam"}
        save_trial(run, TrialRecord(number, params, TrialState.FINISHED, 0.8 + number / 100, 1, 2, 5.0))
        for epoch in range(2):
            figures = {"train_loss": 1.0, "valid_loss": 0.9, "train_accuracy": 0.7, "valid_accuracy": 0.8}
            trial_events(run, number).append("epoch", epoch=epoch, **figures)
    save_trial(run, TrialRecord(3, params, TrialState.FAILED, error="The loss became NaN in epoch 1."))
    write_json(importances_file(run), {"learning_rate": 0.9, "optimizer": 0.1})
    run.events.append("finished", best_value=0.82, best_trial=2, n_trials=4, seconds=20.0)
    return run


def test_trials_are_listed_best_first_and_the_best_becomes_a_preset(
    searched: Run, workspace: Workspace
) -> None:
    test = opened("Search")
    assert "**0.8200**, trial 2. 4 trials of 4: 3 finished, 1 failed" in words(test)
    frame = test.main.dataframe[-1].value
    assert list(frame["Trial"]) == [2, 1, 0, 3]
    test.text_input(key=f"preset_{searched.id}").set_value("mine").run()
    press(test, "Keep as preset")
    rate = find_recipe(workspace, "mine").learning_rate
    assert rate == frame["Learning rate"][0]
    assert "mine" in test.pills(key="preset").options


def test_a_name_that_is_taken_is_refused_in_words(searched: Run, workspace: Workspace) -> None:
    test = opened("Search")
    test.text_input(key=f"preset_{searched.id}").set_value("fast").run()
    press(test, "Keep as preset")
    assert "There is a preset" in test.main.error[0].value


def test_the_best_is_trained_with_its_own_recipe(searched: Run, workspace: Workspace) -> None:
    press(opened("Search"), "Train the best")
    (run,) = list_runs(workspace)
    assert run.recipe.optimizer == "adam"


def test_a_search_that_has_ended_is_given_more_trials(searched: Run, workspace: Workspace) -> None:
    test = opened("Search")
    test.number_input(key=f"more_{searched.id}").set_value(3)
    press(test, "Go on")
    assert plan_of(load_run(searched.folder)).n_trials == 7
    assert status(searched).state.active


def test_a_sweep_begins_with_what_the_data_has_and_is_started_as_asked(
    workspace: Workspace, sample: Dataset
) -> None:
    test = opened("Sweep")
    assert "A sweep trains every combination" in words(test)
    assert test.selectbox(key=f"sweep_grid_{sample.name}").options == ["Small grid"]
    assert "16 trainings" in words(test)
    captioned = tagged(workspace, sample, captions=True)
    test.query_params["data"] = captioned.name
    test.run()
    grids = ["Image, caption, both", "Small grid", "What is unknown"]
    assert test.selectbox(key=f"sweep_grid_{captioned.name}").options == grids
    test.number_input(key="recipe_fast_epochs").set_value(500).run()
    press(test, "Start sweep")
    (run,) = list_runs(workspace, kind="sweep")
    assert [setting["inputs"] for setting in run.job["settings"]] == ["image", "caption", "both"]
    assert run.recipe.epochs == 500


def test_settings_are_listed_best_first_with_time_and_interval(workspace: Workspace, sample: Dataset) -> None:
    grid = parse_grid(["dropout=0.5|0.7", "epochs=1|3"], PRESETS["fast"])
    run = create_sweep(workspace, sample, PRESETS["fast"], grid, label_version=0, name="grid")
    right = [(np.arange(1000) < n) * 1.0 for n in (500, 600, 800, 799)]
    rows: list[Any] = [
        {
            "setting": setting,
            "seconds": 60.0 + number,
            "epochs": setting["epochs"],
            "valid": {"accuracy": float(one.mean())},
            "test": {"accuracy": float(one.mean())},
        }
        for number, (setting, one) in enumerate(zip(grid, right, strict=True))
    ]
    value = {"run": "grid", "n_test": 1000, **put_together(rows, right), "seconds": 250.0}
    write_json(run.folder / "sweep.json", value)
    run.events.append("finished", seconds=250.0)
    test = opened("Sweep")
    assert "Best: **Dropout 0.7, Epochs 1**" in words(test)
    assert "Of the other 3, 2 are worse beyond chance" in words(test)
    frame = test.main.dataframe[-1].value
    assert frame["Against the best"][0] == "the best"
    assert list(frame["Time"]) == ["1 min 2 s", "1 min 3 s", "1 min 1 s", "1 min 0 s"]
    test.text_input(key=f"preset_{run.id}").set_value("dry").run()
    press(test, "Keep as preset")
    assert find_recipe(workspace, "dry").dropout == 0.7
