"""Runs beside each other and out of the workspace: differences, groups, tags, CSV, event files, copies."""

from __future__ import annotations

import csv
import shutil
import struct
from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, Busy
from core.runs.compare import grouped, recipe_differences
from core.runs.export import export_csv, export_tensorboard
from core.runs.recipe import PRESETS
from core.runs.store import (
    Run,
    RunState,
    create_run,
    delete_runs,
    find_run,
    list_runs,
    load_run,
    set_tags,
    status,
)
from core.workspace import Workspace


def made(workspace: Workspace, sample: Dataset, name: str, rate: float, accuracy: float) -> Run:
    run = create_run(workspace, sample, PRESETS["fast"].with_changes({"learning_rate": rate}), name=name)
    run.events.append("started", epochs=2)
    for epoch in range(2):
        run.events.append(
            "epoch", epoch=epoch, train_loss=1.0 - epoch / 2, valid_accuracy=accuracy, share=0.5
        )
    run.events.append("finished", valid_accuracy=accuracy, test_accuracy=accuracy - 0.01, seconds=3.0)
    return run


@pytest.fixture
def runs(workspace: Workspace, sample: Dataset) -> list[Run]:
    return [
        made(workspace, sample, name, rate, accuracy)
        for name, rate, accuracy in (("a", 0.1, 0.8), ("b", 0.1, 0.9), ("c", 0.01, 0.7))
    ]


def test_only_what_differs_is_told(runs: list[Run]) -> None:
    assert recipe_differences(runs) == {"learning_rate": [0.1, 0.1, 0.01]}
    assert recipe_differences(runs[:2]) == {}


def test_groups_have_mean_and_deviation_the_best_first(runs: list[Run]) -> None:
    rows = grouped([(run, status(run)) for run in runs], "learning_rate")
    assert [(row["learning_rate"], row["n"]) for row in rows] == [("0.1", 2), ("0.01", 1)]
    assert rows[0]["valid_accuracy"] == pytest.approx(0.85)
    assert rows[0]["valid_accuracy_sd"] == pytest.approx(0.0707, abs=1e-4)
    assert rows[1]["valid_accuracy_sd"] is None
    with pytest.raises(BadInput, match="cannot be grouped by 'colour'"):
        grouped([], "colour")


def test_tags_are_kept_in_order_and_checked(runs: list[Run]) -> None:
    set_tags(runs[0], ["Paper ", "ablation", "paper"])
    assert load_run(runs[0].folder).tags == ("ablation", "paper")
    with pytest.raises(BadInput, match="cannot name a tag"):
        set_tags(runs[0], ["two words"])


def test_tables_hold_results_recipes_and_epochs(runs: list[Run], tmp_path: Path) -> None:
    about, epochs = export_csv(runs, tmp_path / "out")
    with about.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["valid_accuracy"], row["recipe.learning_rate"]) for row in rows][2] == (
        "c",
        "0.7",
        "0.01",
    )
    with epochs.open() as file:
        assert [row["train_loss"] for row in csv.DictReader(file)] == ["1.0", "0.5"] * 3


def test_tensorboard_reads_the_curves(runs: list[Run], tmp_path: Path) -> None:
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")
    folders = export_tensorboard(runs[:1], tmp_path)
    assert [folder.name for folder in folders] == ["a"]
    (file,) = folders[0].glob("events.out.tfevents.*")
    points = [
        (value.tag, event.step, round(value.simple_value, 4))
        for event in map(event_pb2.Event.FromString, _records(file.read_bytes()))
        for value in event.summary.value
        if value.tag != "recipe/text_summary"
    ]
    assert points == [
        ("loss/train", 1, 1.0),
        ("accuracy/valid", 1, 0.8),
        ("loss/train", 2, 0.5),
        ("accuracy/valid", 2, 0.8),
    ]
    with pytest.raises(BadInput, match="exists already"):
        export_tensorboard(runs[:1], tmp_path)


def _records(data: bytes) -> list[bytes]:
    """The records of a TFRecord file: length (8 bytes), its checksum (4), the record, its checksum (4)."""
    found = []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        found.append(data[12 : 12 + length])
        data = data[16 + length :]
    return found


def test_a_run_copied_from_another_workspace_is_a_run(runs: list[Run], tmp_path: Path) -> None:
    other = Workspace(tmp_path / "other")
    shutil.copytree(runs[0].folder, other.runs / runs[0].folder.name)
    copied = find_run(other, "a")
    assert status(copied).state is RunState.FINISHED
    assert copied.recipe == runs[0].recipe
    assert [run.name for run in list_runs(other)] == ["a"]


def test_several_are_deleted_together_or_not_at_all(
    workspace: Workspace, sample: Dataset, runs: list[Run]
) -> None:
    going = create_run(workspace, sample, PRESETS["fast"], name="going")
    with pytest.raises(Busy, match="going is still going"):
        delete_runs([*runs, going])
    assert len(list_runs(workspace)) == 4
    delete_runs(runs[:2])
    assert {run.name for run in list_runs(workspace)} == {"c", "going"}
