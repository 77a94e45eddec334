"""``tidyset tune``, as typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.runs.presets import find_recipe
from core.runs.recipe import PRESETS
from core.tuning.space import parse_space
from core.tuning.studies import StudyPlan, create_study
from core.workspace import Workspace
from tests.tagged import tagged

SMALL = ["--recipe", "fast", "--set", "width=4", "--set", "epochs=1", "--set", "threads=1", "--trials", "2"]
SPACE = ["--space", "learning_rate=1e-3..1e-2:log", "--space", "batch_size=256|512"]


@pytest.mark.slow
def test_the_best_is_told_and_can_be_kept_as_a_preset(workspace: Workspace, sample: Dataset) -> None:
    result = CliRunner().invoke(app, ["tune", *SMALL, *SPACE, "--keep-best", "mine", "--json"])
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert value["n_trials"] == 2
    assert value["space"] == ["learning_rate=0.001..0.01:log", "batch_size=256|512"]
    assert value["best"]["value"] == max(one["value"] for one in value["trials"])
    assert find_recipe(workspace, "mine").learning_rate == value["best"]["params"]["learning_rate"]


@pytest.mark.slow
def test_several_labels_are_judged_by_the_mean_auc(workspace: Workspace, sample: Dataset) -> None:
    tagged(workspace, sample, 400)
    few = ["--data", "tagged", *SMALL[:-1], "1", "--space", "dropout=0..0.5"]
    result = CliRunner().invoke(app, ["tune", *few, "--json"])
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert (value["objective"], value["n_by_state"]["finished"]) == ("macro_auc", 1)
    assert 0.0 < value["best"]["value"] <= 1.0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--space", "speed=1..2"], "no recipe field 'speed'"),
        (["--trials", "0"], "0 trials cannot be"),
        (["--workers", "0"], "0 workers cannot be"),
        (["--recipe", "nowhere"], "no recipe 'nowhere'"),
        (
            ["--objective", "macro_auc"],
            "The objective macro_auc does not fit the labels",
        ),
        (["--recipe", "fixmatch"], "learns from unlabelled images, and there are none"),
        (["--name", "other", "--recipe", "fast"], "The search 'other' is another one: the space was dropout"),
    ],
)
def test_bad_input_is_named(
    workspace: Workspace, sample: Dataset, arguments: list[str], problem: str
) -> None:
    axes = parse_space(["dropout=0..0.5"], PRESETS["fast"])
    create_study(workspace, sample, PRESETS["fast"], StudyPlan(axes, 4), label_version=0, name="other")
    result = CliRunner().invoke(app, ["tune", *arguments, "--json"])
    assert result.exit_code == 1
    assert problem in json.loads(result.stderr)["error"]
