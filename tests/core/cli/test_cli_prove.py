"""``tidyset prove``, as typed, on a worker process of its own."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.patch import export_patch, write_patch
from core.runs.recipe import make_recipe
from core.runs.store import create_run, find_run
from core.worker import work
from core.workspace import Workspace

run = CliRunner().invoke
TINY = {"width": 4, "epochs": 1, "batch_size": 256, "learning_rate": 0.01, "threads": 1}


def trained_and_edited(workspace: Workspace, dataset: Dataset, n: int = 1_200) -> None:
    made = create_run(workspace, dataset, make_recipe(TINY), name="r1")
    assert work(made.folder) == 0
    edits = [
        NewEdit(str(dataset.item_ids[p]), EditKind.LABEL, dataset.classes[(int(dataset.labels[p]) + 1) % 10])
        for p in dataset.in_split("train")[:n]
    ]
    LabelJournal(workspace).append(dataset, edits)


def test_a_version_and_its_patch_give_the_same_verdict_as_one_json_object(
    workspace: Workspace, sample: Dataset, tmp_path: Path
) -> None:
    trained_and_edited(workspace, sample)
    result = run(app, ["prove", "r1", "--version", "1200", "--seeds", "2", "--json"])
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert value["outcome"] in ("gain", "loss", "not proven")
    assert value["ci95"][0] <= value["difference"] <= value["ci95"][1]
    assert 0 <= value["p_value"] <= 1
    assert set(value["arms"]) == {"before", "after", "placebo", "drop"}
    assert find_run(workspace, value["run"]).kind == "prove"

    write_patch(export_patch(workspace, sample), tmp_path / "edits.jsonl")
    again = run(app, ["prove", "r1", "--edits", str(tmp_path / "edits.jsonl"), "--seeds", "2"])
    assert again.exit_code == 0, again.stderr
    assert value["verdict"] in again.stdout
    shown = run(app, ["runs", "show", value["run"]])
    assert value["verdict"] in shown.stdout


def test_what_cannot_be_is_said_in_one_sentence(workspace: Workspace, sample: Dataset) -> None:
    trained_and_edited(workspace, sample, n=3)
    both = run(app, ["prove", "r1", "--edits", "x.jsonl", "--version", "1"])
    assert both.exit_code == 1
    assert "Both --edits and --version were given." in both.stderr
    gone = run(app, ["prove", "r1", "--version", "9", "--json"])
    assert gone.exit_code == 1
    assert "no label version 9" in json.loads(gone.stderr)["error"]
    none = run(app, ["prove", "r1", "--edits", "missing.jsonl"])
    assert none.exit_code == 1
    assert "missing.jsonl" in none.stderr
    one = run(app, ["prove", "r1", "--seeds", "1"])
    assert one.exit_code == 1
    assert "cannot tell a gain from luck" in one.stderr
