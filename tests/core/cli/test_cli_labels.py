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
    run("undo")
    (redo,) = run("redo")
    assert redo["new"] == "Bag"
    assert "no undo" in refused("redo")


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
        (["export", "--output", "labels.csv", "--version", "3"], "no label version '3'"),
        (["export", "--output", "labels.csv", "--person", "ann"], "Only a patch"),
        (["export", "--output", "x.jsonl", "--to", "3", "--version", "1"], "both end the range"),
        (["export", "--output", "x.jsonl", "--since", "noon"], "'noon' is no time"),
        (["redo"], "no undo"),
        (["versions", "--name", "1"], "cannot name a label version"),
        (["versions", "--compare", "0", "first"], "no label version 'first'"),
        (["apply", "nothing.jsonl"], "no file nothing.jsonl"),
        (["merge", "nothing.jsonl", "nothing.jsonl", "--output", "x.jsonl"], "no file nothing.jsonl"),
        (["revert"], "either a patch or a choice"),
        (["revert", "x.jsonl", "--person", "ann"], "either a patch or a choice"),
        (["import", "nothing.json"], "no file nothing.json"),
        (["agreement", "--choose", "0.1"], "No label was decided"),
        (["agreement", "--person", "ann"], "goes with --choose"),
        (["edit", "--item", "ITEM", "--label", "yes", "--class", "Bag"], "sets no single class"),
    ],
)
def test_mistakes_are_explained(item: str, arguments: list[str], message: str) -> None:
    assert message in refused(*[item if word == "ITEM" else word for word in arguments])


def test_export(sample: Dataset, item: str, tmp_path: Path) -> None:
    (edit,) = run("edit", "--item", item, "--label", "Bag")
    run("edit", "--item", str(sample.item_ids[-1]), "--mark", "exclude")
    paths = {ending: tmp_path / f"labels.{ending}" for ending in ("csv", "jsonl", "parquet")}
    for path in paths.values():
        assert run("export", "--output", str(path), "--format", "table")["n_edited"] == 1
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
        "exported": "Bag",
    }
    assert by_id[str(sample.item_ids[-1])]["state"] == "excluded"
    assert [json.loads(line) for line in paths["jsonl"].read_text().splitlines()] == rows
    assert pq.read_table(paths["parquet"]).to_pylist() == rows


def test_export_of_the_given_labels(item: str, tmp_path: Path) -> None:
    run("edit", "--item", item, "--label", "Bag")
    assert run("export", "--output", str(tmp_path / "x.csv"), "--version", "0")["n_edited"] == 0


def as_text(*arguments: str) -> str:
    """What a command prints for people."""
    result = CliRunner().invoke(app, ["labels", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_history_of_a_person_and_a_range(sample: Dataset, item: str) -> None:
    run("edit", "--item", item, "--label", "Bag", "--who", "ann")
    (second,) = run("edit", "--item", item, "--label", "Coat", "--who", "bob")
    assert [edit["id"] for edit in run("history", "--person", "bob")] == [2]
    assert [edit["id"] for edit in run("history", "--session", second["session"])] == [2]
    assert [edit["id"] for edit in run("history", "--to", "1")] == [1]
    assert run("history", "--since", "2999-01-01") == []
    assert "No edits." in as_text("history", "--person", "carl")


def test_versions_are_named_listed_and_compared(sample: Dataset, item: str) -> None:
    assert run("versions") == {"newest": 0, "named": []}
    (edit,) = run("edit", "--item", item, "--label", "Bag")
    named = run("versions", "--name", "first-pass", "--who", "ann", "--why", "done")
    assert [(one["name"], one["version"], one["why"]) for one in named["named"]] == [
        ("first-pass", 1, "done")
    ]
    run("edit", "--item", str(sample.item_ids[-1]), "--mark", "exclude")
    found = run("versions", "--compare", "0", "first-pass")
    assert found["pairs"] == [{"class": None, "before": edit["old"], "after": "Bag", "n": 1}]
    assert (found["changed"], found["left_out"]) == ([item], [])
    assert run("versions", "--compare", "first-pass", "newest")["left_out"] == [str(sample.item_ids[-1])]
    assert "first-pass" in as_text("versions")
    assert f"{edit['old']} -> Bag" in as_text("versions", "--compare", "0", "newest")


def test_a_patch_goes_round(workspace: Workspace, sample: Dataset, item: str, tmp_path: Path) -> None:
    path = str(tmp_path / "edits.jsonl")
    run("edit", "--item", item, "--label", "Bag", "--who", "ann")
    run("edit", "--item", str(sample.item_ids[-1]), "--mark", "exclude", "--who", "bob")
    assert run("export", "--output", path)["n_edits"] == 2
    assert run("export", "--output", str(tmp_path / "bob.jsonl"), "--person", "bob")["n_edits"] == 1
    assert run("export", "--output", str(tmp_path / "one.jsonl"), "--version", "1")["n_edits"] == 1
    reverted = run("revert", path, "--dry-run")
    assert (len(reverted["taken_back"]), reverted["n_committed"]) == (2, 0)
    assert run("revert", path)["n_committed"] == 2
    assert not labels_at(workspace, sample).reviewed.any()
    dry = run("apply", path, "--dry-run")
    assert (dry["counts"]["applies"], dry["n_committed"]) == (2, 0)
    done = run("apply", path, "--who", "carl")
    assert done["n_committed"] == 2
    assert run("apply", path)["counts"]["already"] == 2
    assert run("history", "--person", "ann")[-1]["evidence"]["applied_by"] == "carl"
    assert "2 edits taken back" in as_text("revert", "--session", done["session"])
    assert "2 edits would be made" in as_text("apply", path, "--dry-run")
    assert "revert --session" in as_text("apply", path)


def test_conflicts_are_shown_with_both_sides(sample: Dataset, item: str, tmp_path: Path) -> None:
    ours, theirs, both = (str(tmp_path / f"{name}.jsonl") for name in ("ours", "theirs", "both"))
    run("edit", "--item", item, "--label", "Bag", "--who", "ann")
    run("export", "--output", ours)
    run("revert", ours)
    run("edit", "--item", item, "--label", "Sandal", "--who", "bob")
    run("export", "--output", theirs)
    (conflict,) = run("apply", ours)["conflicts"]
    assert (conflict["current"], conflict["line"]["new"]) == ("Sandal", "Bag")
    assert "but it is Sandal" in as_text("apply", ours)
    merged = run("merge", ours, theirs, "--output", both)
    assert (merged["n_edits"], [one["a"]["who"] for one in merged["conflicts"]]) == (0, ["ann"])
    assert "by bob" in as_text("merge", ours, theirs, "--output", both)
    assert run("merge", ours, theirs, "--output", both, "--prefer", "a")["n_edits"] == 1
    assert run("apply", both, "--force")["n_committed"] == 1
    assert run("history", "--limit", "1")[0]["new"] == "Bag"


def test_bad_lines_are_listed_with_their_numbers(sample: Dataset, item: str, tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    run("edit", "--item", item, "--label", "Bag")
    run("export", "--output", str(path))
    path.write_text(path.read_text() + "torn{\n" + '{"image": 3}\n')
    result = CliRunner().invoke(app, ["labels", "apply", str(path), "--json"])
    assert result.exit_code == 1
    assert [problem["row"] for problem in json.loads(result.stderr)["problems"]] == [3, 4]
    shown = CliRunner().invoke(app, ["labels", "apply", str(path)]).stderr
    assert "edits.jsonl, row 3" in shown


def test_import_from_another_tool(sample: Dataset, item: str, tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    coco = {
        "images": [{"id": 1, "file_name": f"{item}.png"}, {"id": 2, "file_name": "unheard.png"}],
        "categories": [{"id": 1, "name": "Bag"}],
        "annotations": [{"image_id": 1, "category_id": 1}, {"image_id": 2, "category_id": 1}],
    }
    path.write_text(json.dumps(coco))
    assert run("import", str(path), "--dry-run")["n_committed"] == 0
    done = run("import", str(path))
    assert (done["source"], done["n_committed"], done["unmatched"]) == ("coco", 1, ["unheard.png"])
    assert "decided so already: 1" in as_text("import", str(path))


def test_agreement_and_a_settlement(sample: Dataset, item: str) -> None:
    assert "Nobody has looked twice" in as_text("agreement")
    others = [str(one) for one in sample.item_ids[-3:]]
    for one in (item, *others):
        run("edit", "--item", one, "--label", "Bag", "--who", "ann")
    drawn = run("agreement", "--choose", "0.5", "--seed", "1", "--person", "ann")["items"]
    assert len(drawn) == 2
    assert drawn == run("agreement", "--choose", "0.5", "--seed", "1")["items"]
    for one in others:
        run("edit", "--item", one, "--label", "Bag", "--as", "look", "--who", "bob")
    again = run("agreement", "--choose", "1", "--who", "bob")
    assert (len(again["items"]), sorted(again["seen"])) == (4, sorted(others))
    assert as_text("agreement", "--choose", "1", "--who", "bob").count("(seen)") == 3
    run("edit", "--item", item, "--label", "Coat", "--as", "look", "--who", "bob")
    found = run("agreement")
    assert found["krippendorff_alpha"]["agreed"] == 0.75
    assert found["cohen_kappa"][0]["people"] == ["ann", "bob"]
    assert found["conflicts"] == [
        {"item": item, "class": None, "said": {"ann": "Bag", "bob": "Coat"}, "settled": None}
    ]
    assert f"{item}: ann Bag, bob Coat" in as_text("agreement")
    assert run("agreement", "--test-fixes") == {"items": [], "seed": 0}
    run("edit", "--item", item, "--label", "Coat", "--as", "settle", "--who", "carl")
    assert run("agreement")["conflicts"][0]["settled"] == "Coat"
    assert "0 of them open" in as_text("agreement")


def test_export_for_other_tools(sample: Dataset, item: str, tmp_path: Path) -> None:
    run("edit", "--item", item, "--label", "Bag")
    run("versions", "--name", "v1")
    done = run("export", "--output", str(tmp_path / "x.npz"), "--version", "v1")
    assert (done["format"], done["n_items"]) == ("npz", 6_000)
    done = run("export", "--output", str(tmp_path / "folders"), "--format", "folders")
    assert (tmp_path / "folders" / "labels.csv").exists()
    assert "already" in refused("export", "--output", str(tmp_path / "folders"), "--format", "folders")
