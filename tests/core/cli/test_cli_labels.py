"""``tidyset labels``, as typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.labels.versions import labels_at
from core.workspace import Workspace


def run(*arguments: str) -> Any:
    """What a command prints with --json."""
    result = CliRunner().invoke(app, ["labels", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str) -> str:
    """The error of a command that fails."""
    result = CliRunner().invoke(app, ["labels", *arguments, "--json"])
    assert result.exit_code == 1, result.output
    return str(json.loads(result.stderr)["error"])


@pytest.fixture
def item(sample: Dataset) -> str:
    """An item whose given label is not Bag."""
    return next(
        str(item_id)
        for item_id, k in zip(sample.item_ids, sample.labels, strict=True)
        if sample.classes[k] != "Bag"
    )


def test_edit_undo_redo(workspace: Workspace, sample: Dataset, item: str) -> None:
    (edit,) = run("edit", "--item", item, "--label", "Bag", "--who", "ann", "--why", "it has a handle")
    assert (edit["id"], edit["new"], edit["who"], edit["why"]) == (1, "Bag", "ann", "it has a handle")
    (undo,) = run("undo")
    assert (undo["undoes"], undo["new"]) == (1, edit["old"])
    assert not labels_at(workspace, sample).edited.any()
    (redo,) = run("undo", "--id", str(undo["id"]))
    assert redo["new"] == "Bag"
    assert labels_at(workspace, sample).edited.sum() == 1


def test_marks(workspace: Workspace, sample: Dataset, item: str) -> None:
    run("edit", "--item", item, "--mark", "exclude")
    run("edit", "--item", item, "--mark", "confirm")
    state = labels_at(workspace, sample)
    assert state.excluded.sum() == state.confirmed.sum() == 1
    run("edit", "--item", item, "--mark", "include")
    assert not labels_at(workspace, sample).excluded.any()


def test_several_items_are_edited_together_or_not_at_all(sample: Dataset) -> None:
    ids = [str(one) for one in sample.item_ids[:3]]
    assert "nowhere" in refused("edit", "--item", ids[0], "--item", "nowhere", "--label", "Bag")
    assert run("history") == []
    made = run("edit", *[word for one in ids for word in ("--item", one)], "--label", "Bag")
    assert [edit["id"] for edit in made] == [1, 2, 3]


def test_history(sample: Dataset, item: str) -> None:
    run("edit", "--item", item, "--label", "Bag")
    run("edit", "--item", str(sample.item_ids[-1]), "--label", "Coat")
    assert [edit["id"] for edit in run("history")] == [1, 2]
    assert [edit["id"] for edit in run("history", "--item", item)] == [1]
    assert [edit["id"] for edit in run("history", "--limit", "1")] == [2]
    shown = CliRunner().invoke(app, ["labels", "history"]).stdout
    assert item in shown
    assert "-> Bag" in shown


def test_no_history(workspace: Workspace, sample: Dataset) -> None:
    assert "as given" in CliRunner().invoke(app, ["labels", "history"]).stdout
    assert not (workspace.root / "labels.db").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["edit", "--item", "ITEM", "--label", "Hat"], "'Hat' is no class"),
        (["edit", "--item", "nowhere", "--label", "Bag"], "no item 'nowhere'"),
        (["edit", "--item", "ITEM"], "either a label or a mark"),
        (["edit", "--item", "ITEM", "--label", "Bag", "--mark", "confirm"], "either a label or a mark"),
        (["edit", "--item", "ITEM", "--label", "Bag", "--data", "nothing"], "nothing"),
        (["undo"], "no edit"),
        (["undo", "--id", "7"], "no edit 7"),
        (["history", "--item", "nowhere"], "no item 'nowhere'"),
        (["export", "--output", "labels.txt"], "which format"),
        (["export", "--output", "labels.csv", "--version", "3"], "no label version 3"),
    ],
)
def test_mistakes_are_explained(item: str, arguments: list[str], message: str) -> None:
    assert message in refused(*[item if word == "ITEM" else word for word in arguments])


def test_export(sample: Dataset, item: str, tmp_path: Path) -> None:
    (edit,) = run("edit", "--item", item, "--label", "Bag")
    run("edit", "--item", str(sample.item_ids[-1]), "--mark", "exclude")
    paths = {ending: tmp_path / f"labels.{ending}" for ending in ("csv", "jsonl", "parquet")}
    for path in paths.values():
        assert run("export", "--output", str(path))["n_edited"] == 1
    with paths["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(sample)
    by_id = {row["item_id"]: row for row in rows}
    assert by_id[item] == {
        "item_id": item,
        "split": "train",
        "given": edit["old"],
        "current": "Bag",
        "state": "edited",
    }
    assert by_id[str(sample.item_ids[-1])]["state"] == "excluded"
    assert [json.loads(line) for line in paths["jsonl"].read_text().splitlines()] == rows
    assert pq.read_table(paths["parquet"]).to_pylist() == rows


def test_export_of_the_given_labels(item: str, tmp_path: Path) -> None:
    run("edit", "--item", item, "--label", "Bag")
    assert run("export", "--output", str(tmp_path / "x.csv"), "--version", "0")["n_edited"] == 0
