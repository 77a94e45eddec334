"""What is told of a study, from its records alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, DamagedFile, NameTaken
from core.runs.presets import delete_preset, find_recipe, own_presets, preset_file, save_preset
from core.runs.recipe import PRESETS, make_recipe
from core.runs.store import Run, load_run
from core.tuning.space import parse_space
from core.tuning.studies import (
    StudyPlan,
    TrialRecord,
    TrialState,
    as_value,
    best_so_far,
    create_study,
    front,
    load_trials,
    plan_of,
    ranked,
    recipe_of,
    save_trial,
    text_study,
    trial_folder,
)
from core.workspace import Workspace

AXES = parse_space(["dropout=0..0.6"], PRESETS["fast"])
PLAN = StudyPlan(AXES, n_trials=5)


def record(
    number: int, value: float | None, seconds: float, state: TrialState = TrialState.FINISHED
) -> TrialRecord:
    return TrialRecord(number, {"dropout": number / 10}, state, value, 0, 1, seconds)


TRIALS = [
    record(0, 0.80, 10),
    record(1, 0.90, 30),
    record(2, 0.95, 5, TrialState.PRUNED),
    record(3, 0.85, 40),
    record(4, 0.90, 20),
    record(5, None, 1, TrialState.FAILED),
]


@pytest.fixture
def study(workspace: Workspace, sample: Dataset) -> Run:
    return create_study(workspace, sample, PRESETS["fast"], PLAN, label_version=0)


def test_trials_are_ranked_by_value_then_time_and_broken_off_ones_are_not() -> None:
    assert [one.number for one in ranked(TRIALS, PLAN)] == [4, 1, 3, 0]
    lowest = StudyPlan(AXES, 5, "loss")
    assert [one.number for one in ranked(TRIALS, lowest)] == [0, 3, 4, 1]


def test_the_front_is_what_nothing_beats_in_both() -> None:
    assert [one.number for one in front(TRIALS, PLAN)] == [0, 4]


def test_the_best_so_far_never_falls() -> None:
    assert best_so_far(TRIALS, PLAN) == [(0, 0.80), (1, 0.90), (3, 0.90), (4, 0.90)]


def test_a_study_is_read_as_it_was_made(study: Run) -> None:
    assert plan_of(load_run(study.folder)) == PLAN
    for trial in TRIALS:
        save_trial(study, trial)
    (trial_folder(study, 6)).mkdir(parents=True)
    (trial_folder(study, 6) / "trial.json").write_text("{torn")
    assert load_trials(study) == TRIALS
    assert recipe_of(study, TRIALS[4]).dropout == 0.4
    value = as_value(study, TRIALS, {"dropout": 1.0})
    assert value["best"]["number"] == 4
    assert value["n_by_state"] == {"running": 0, "finished": 4, "pruned": 1, "failed": 1}
    text = text_study(value)
    assert "best validation accuracy 0.9000, trial 4" in text
    assert "dropout = 0.4" in text


def test_a_study_without_a_finished_trial_says_so(study: Run) -> None:
    assert "no trial finished" in text_study(as_value(study, [TRIALS[5]], {}))


@pytest.mark.parametrize(
    "plan", [StudyPlan(AXES, 0), StudyPlan(AXES, 5, n_workers=0), StudyPlan(AXES, 5, "speed")]
)  # type: ignore[arg-type]
def test_a_plan_that_cannot_be_is_refused(workspace: Workspace, sample: Dataset, plan: StudyPlan) -> None:
    with pytest.raises(BadInput):
        create_study(workspace, sample, PRESETS["fast"], plan, label_version=0)


def test_a_name_in_use_is_not_taken_for_another_space(
    workspace: Workspace, sample: Dataset, study: Run
) -> None:
    other = StudyPlan(parse_space(["learning_rate=1e-4..1e-2:log"], PRESETS["fast"]), n_trials=9)
    with pytest.raises(NameTaken, match=rf"'{study.name}' already.*[Cc]hoose another name"):
        create_study(workspace, sample, PRESETS["fast"], other, label_version=0, name=study.name)
    assert plan_of(load_run(study.folder)) == PLAN


def test_a_run_without_a_sound_plan_is_damaged(study: Run) -> None:
    study.job.pop("plan")
    with pytest.raises(DamagedFile, match="search plan"):
        plan_of(study)


def test_a_preset_is_kept_found_and_forgotten(workspace: Workspace, tmp_path: Path) -> None:
    recipe = make_recipe({"dropout": 0.123})
    save_preset(workspace, "mine", recipe)
    assert find_recipe(workspace, "mine") == recipe
    assert own_presets(workspace) == {"mine": recipe}
    for taken in ("mine", "fast"):
        with pytest.raises(NameTaken):
            save_preset(workspace, taken, recipe)
    with pytest.raises(BadInput):
        save_preset(workspace, "../mine", recipe)
    assert find_recipe(workspace, "fast") == PRESETS["fast"]
    preset_file(workspace, "broken").write_text("dropout = 7")
    assert list(own_presets(workspace)) == ["mine"]
    with pytest.raises(DamagedFile, match="broken"):
        find_recipe(workspace, "broken")
    delete_preset(workspace, "mine")
    with pytest.raises(BadInput, match="no recipe 'mine'"):
        find_recipe(workspace, "mine")
    with pytest.raises(BadInput, match="no preset"):
        delete_preset(workspace, "mine")
