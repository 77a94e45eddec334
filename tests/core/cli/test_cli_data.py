"""``tidyset data``, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.workspace import Workspace

run = CliRunner().invoke


def test_both_sets_are_named_in_an_empty_workspace(workspace: Workspace) -> None:
    result = run(app, ["data", "list", "--json"])
    assert result.exit_code == 0
    assert [entry["name"] for entry in json.loads(result.stdout)] == ["fashion-mnist-sample", "fashion-mnist"]


def test_info(workspace: Workspace) -> None:
    about = json.loads(run(app, ["data", "info", "fashion-mnist-sample", "--json"]).stdout)
    assert about["splits"] == {"train": 5_000, "test": 1_000}
    assert about["classes"]["Bag"] == {"train": 500, "test": 100}
    assert about["licence"].startswith("MIT")


def test_import_list_and_delete(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=sample.images.resized(np.arange(40), 28, 28, 1), labels=[0, 1] * 20)
    done = run(
        app, ["data", "import", str(tmp_path / "a.npz"), "--name", "mine", "--classes", "x,y", "--json"]
    )
    assert done.exit_code == 0
    about = json.loads(done.stdout)
    assert about["splits"] == {"train": 32, "test": 8}
    assert (workspace.datasets / "mine" / "sheets").exists()
    assert run(app, ["data", "delete", "mine", "--yes"]).exit_code == 0
    assert run(app, ["data", "info", "mine"]).exit_code == 1


def test_a_data_set_that_is_not_there_is_named_and_not_asked_about(workspace: Workspace) -> None:
    for words in (
        ["data", "delete", "nosuch"],
        ["train", "--data", "nosuch"],
        ["runs", "list", "--data", "nosuch"],
    ):
        result = run(app, words)
        assert result.exit_code == 1
        assert result.stderr.startswith("tidyset: There is no data set 'nosuch'.")
        assert "Delete" not in result.stdout


def test_a_refused_import_reports_every_problem(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", images=sample.images.resized(np.arange(4), 28, 28, 1), labels=[0, 1, 7, -1])
    arguments = ["data", "import", str(tmp_path / "a.npz"), "--name", "mine", "--classes", "x,y", "--json"]
    refused = run(app, arguments)
    assert refused.exit_code == 1
    assert [p["row"] for p in json.loads(refused.stderr)["problems"]] == [3, 4]
    rest = json.loads(run(app, [*arguments, "--skip-bad"]).stdout)
    assert (rest["n_items"], rest["n_left_out"]) == (2, 2)


def test_mistakes_are_sentences(workspace: Workspace, tmp_path: Path) -> None:
    for arguments in (
        ["data", "import", str(tmp_path / "no.csv"), "--name", "x"],
        ["data", "import", str(tmp_path), "--name", "Not A Name"],
        ["data", "import", str(tmp_path), "--name", "x", "--shape", "28"],
        ["data", "info", "nothing"],
    ):
        result = run(app, arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("tidyset: ")
        assert "Traceback" not in result.output
