"""A search whose name is used again: gone on with where it is the same, refused where it is another one."""

from __future__ import annotations

from typing import Any

import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, Busy, NameTaken
from core.runs.launch import held
from core.runs.recipe import PRESETS, make_recipe
from core.runs.store import Run, create_run, load_run
from core.tuning.going_on import extend, open_study
from core.tuning.space import parse_space
from core.tuning.studies import StudyPlan, TrialRecord, TrialState, load_trials, plan_of, save_trial
from core.worker import work
from core.workspace import Workspace

TINY = make_recipe({"width": 4, "epochs": 1, "batch_size": 512, "threads": 1})
AXES = parse_space(["learning_rate=1e-3..1e-2:log"], TINY)


@pytest.fixture
def searched(workspace: Workspace, sample: Dataset) -> Run:
    """Two trials of three: the second was broken off by a stop."""
    run = open_study(workspace, sample, TINY, StudyPlan(AXES, 3), label_version=0, name="lr")
    save_trial(run, TrialRecord(0, {"learning_rate": 0.002}, TrialState.FINISHED, 0.8, 0, 1, 5.0))
    save_trial(run, TrialRecord(1, {"learning_rate": 0.003}, TrialState.RUNNING))
    run.events.append("stopped")
    return run


def test_the_same_search_is_given_more_trials(workspace: Workspace, sample: Dataset, searched: Run) -> None:
    more = StudyPlan(AXES, 8, n_workers=2, prune=False)
    again = open_study(workspace, sample, TINY.with_changes({"threads": 2}), more, label_version=0, name="lr")
    assert again.id == searched.id
    plan = plan_of(load_run(searched.folder))
    assert (plan.n_trials, plan.n_workers) == (8, 2)
    assert plan.prune, "what it was asked for stays"
    assert extend(again, 2).id == searched.id, "one of the two has not ended"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"plan": StudyPlan(parse_space(["dropout=0..0.5"], TINY), 9)}, "the space was learning_rate="),
        ({"plan": StudyPlan(AXES, 9, "macro_f1")}, "the objective was accuracy, not macro_f1"),
        ({"plan": StudyPlan(AXES, 9, with_cost=True)}, "time as a second objective was False, not True"),
        ({"base": TINY.with_changes({"epochs": 2})}, "the recipe's epochs was 1, not 2"),
        ({"label_version": 1}, "the version of the labels was 0, not 1"),
        ({"plan": StudyPlan(AXES, 1)}, "has 2 trials already"),
        ({"plan": StudyPlan(AXES, 0)}, "has 2 trials already"),
        ({"plan": StudyPlan(AXES, 10_001)}, "10001 trials cannot be"),
    ],
)
def test_another_search_of_that_name_is_refused_and_says_what_differs(
    workspace: Workspace, sample: Dataset, searched: Run, changes: dict[str, Any], problem: str
) -> None:
    asked = {"base": TINY, "plan": StudyPlan(AXES, 9), "label_version": 0, **changes}
    with pytest.raises(BadInput, match=problem):
        open_study(workspace, sample, name="lr", **asked)
    assert plan_of(load_run(searched.folder)).n_trials == 3


def test_the_name_of_a_training_and_a_search_that_goes_are_refused(
    workspace: Workspace, sample: Dataset, searched: Run
) -> None:
    create_run(workspace, sample, PRESETS["fast"], name="once", label_version=0)
    with pytest.raises(NameTaken, match="not a search"):
        open_study(workspace, sample, TINY, StudyPlan(AXES, 3), label_version=0, name="once")
    searched.events.append("launched")
    with held(searched), pytest.raises(Busy, match="is going"):
        extend(searched, 9)


@pytest.mark.slow
def test_a_finished_search_learns_on_from_its_trials(workspace: Workspace, sample: Dataset) -> None:
    run = open_study(workspace, sample, TINY, StudyPlan(AXES, 1), label_version=0, name="lr")
    assert work(run.folder) == 0
    assert work(extend(run, 2).folder) == 0
    whole = open_study(workspace, sample, TINY, StudyPlan(AXES, 2), label_version=0, name="at-once")
    assert work(whole.folder) == 0
    values = [[one.params for one in load_trials(each)] for each in (run, whole)]
    assert values[0] == values[1], "the second draw follows from the seed and the first trial"
