"""``tidyset crossval``, as typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.workspace import Workspace

SMALL = ["--folds", "2", "--set", "width=4", "--set", "epochs=1", "--set", "threads=1"]


@pytest.mark.slow
def test_mean_deviation_and_interval_of_each_figure(workspace: Workspace, sample: Dataset) -> None:
    result = CliRunner().invoke(app, ["crossval", *SMALL, "--name", "cv", "--json"])
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert value["run"] == "cv"
    assert len(value["folds"]) == value["n_folds"] == 2
    for figure in ("accuracy", "macro_f1", "loss"):
        low, high = value[figure]["ci95"]
        assert low <= value[figure]["mean"] <= high
        assert value[figure]["sd"] >= 0
    text = CliRunner().invoke(app, ["crossval", *SMALL]).stdout
    assert "2 folds of fashion-mnist-sample, the test split left out" in text
    assert f"{value['accuracy']['mean']:.4f} ± {value['accuracy']['sd']:.4f}" in text


def test_bad_input_is_named(workspace: Workspace, sample: Dataset) -> None:
    result = CliRunner().invoke(app, ["crossval", "--folds", "1", "--json"])
    assert result.exit_code == 1
    assert "1 folds do not fit" in json.loads(result.stderr)["error"]
