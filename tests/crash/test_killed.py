"""Killed (SIGKILL) or refused by a full disk at any change of a file: what is there is whole, and it goes on.

A few points of each action; with ``TIDYSET_CRASH=full`` every one.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.catalog import list_datasets, open_dataset
from core.data.dataset import Dataset
from core.data.importer import import_source
from core.data.tags import add_tag, tags_of
from core.errors import NotFound
from core.evaluation.predictions import load_predictions
from core.labels.export import Format, export_labels
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.runs.presets import own_presets, save_preset
from core.runs.recipe import PRESETS
from core.runs.store import RunState, create_run, damaged_runs, list_runs, status
from core.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from core.worker import work
from core.workspace import Workspace
from tests.crash.faults import CRASHED, EXPLAINED, FINE, forked, killed_at, limited_to, refused_at
from tests.part_of import part_of

FULL = os.environ.get("TIDYSET_CRASH") == "full"
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Action:
    """Something that writes below a folder.

    Attributes:
        do: Does it.
        check: Asserts that what is there is whole, done or not; whether it is done.
    """

    do: Callable[[], object]
    check: Callable[[], bool]


def importing(workspace: Workspace, sample: Dataset) -> Action:
    table = workspace.root / "rows.csv"
    table.parent.mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 256, (30, 64))
    table.write_text("\n".join(f"{i % 3},{','.join(map(str, row))}" for i, row in enumerate(pixels)))

    def check() -> bool:
        assert "damaged" not in {entry.state for entry in list_datasets(workspace)}
        try:
            dataset = open_dataset(workspace, "rows")
        except NotFound:
            return False
        assert dataset.images.resized(np.arange(len(dataset)), 8, 8, 1).shape == (30, 8, 8, 1)
        return True

    return Action(lambda: import_source(workspace, table, "rows"), check)


def writing_a_checkpoint(workspace: Workspace, sample: Dataset) -> Action:
    path = workspace.root / "checkpoint.safetensors"

    def save(epoch: int) -> None:
        tensors = {"model": {"w": torch.full((50, 50), float(epoch))}}
        save_checkpoint(path, Checkpoint(tensors, {"epoch": epoch}, "one"))

    def check() -> bool:
        found = load_checkpoint(path)
        assert (found.tensors["model"]["w"] == found.state["epoch"]).all()
        return bool(found.state["epoch"] == 2)

    save(1)
    return Action(lambda: save(2), check)


def making_a_run(workspace: Workspace, sample: Dataset) -> Action:
    def check() -> bool:
        assert damaged_runs(workspace) == []
        runs = list_runs(workspace, kind=None)
        assert all(run.recipe == PRESETS["fast"] for run in runs)
        return bool(runs)

    return Action(lambda: create_run(workspace, None, PRESETS["fast"], name="r1"), check)


def keeping_small_things(workspace: Workspace, sample: Dataset) -> Action:
    def do() -> None:
        if not tags_of(workspace, sample):
            add_tag(workspace, sample, "later", [str(sample.item_ids[0])])
        if not own_presets(workspace):
            save_preset(workspace, "mine", PRESETS["fast"])

    def check() -> bool:
        tags, presets = tags_of(workspace, sample), own_presets(workspace)
        assert set(tags) <= {"later"}
        assert set(presets) <= {"mine"}
        return bool(tags and presets)

    return Action(do, check)


def exporting(name: str, chosen: Format | None = None) -> Callable[[Workspace, Dataset], Action]:
    def make(workspace: Workspace, sample: Dataset) -> Action:
        target, whole = workspace.root / "out" / name, workspace.root / "whole" / name
        state = labels_at(workspace, sample)
        whole.parent.mkdir(parents=True)
        target.parent.mkdir()
        export_labels(sample, state, whole, chosen)

        def check() -> bool:
            if target.exists() and target.suffix == ".npz":  # a zip: the time of day is in it
                with np.load(target) as found, np.load(whole) as wanted:
                    assert all((found[key] == wanted[key]).all() for key in wanted.files)
            elif target.exists():
                assert target.read_bytes() == whole.read_bytes()
            return target.exists()

        return Action(lambda: export_labels(sample, state, target, chosen), check)

    return make


ACTIONS: dict[str, Callable[[Workspace, Dataset], Action]] = {
    "import": importing,
    "checkpoint": writing_a_checkpoint,
    "run": making_a_run,
    "tags and presets": keeping_small_things,
    "export csv": exporting("labels.csv"),
    "export npz": exporting("labels.npz"),
    "export parquet": exporting("labels.parquet"),
    "export tasks": exporting("tasks.json", Format.LABEL_STUDIO),
}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("fault", ["killed", "disk full"])
def test_at_any_change_what_is_there_is_whole_and_it_can_be_done_again(
    tmp_path: Path, sample: Dataset, name: str, fault: str
) -> None:
    number, struck = 0, 0
    step = 1 if FULL else 6
    while True:
        workspace = Workspace(tmp_path / f"{fault}-{number}")
        action = ACTIONS[name](workspace, sample)
        strike = killed_at if fault == "killed" else refused_at
        status = strike(number, action.do, workspace.root)
        done = action.check()
        if status == FINE and done and not _struck(strike, number, name, sample, tmp_path):
            break
        assert status != CRASHED, f"a traceback instead of a message at change {number}"
        if not done:
            action.do()
            assert action.check(), f"not done again after change {number}"
        number, struck = number + step, struck + 1
    assert struck, "it changes no file below its folder"


def _struck(strike: Callable[..., int], number: int, name: str, sample: Dataset, tmp_path: Path) -> bool:
    """Whether a fault at this change is still felt: where only a cache is refused, it is not."""
    workspace = Workspace(tmp_path / f"again-{number}")
    action = ACTIONS[name](workspace, sample)
    return killed_at(number, action.do, workspace.root) == KILLED


@pytest.mark.parametrize("name", ["import", "checkpoint", "export csv", "export npz"])
@pytest.mark.parametrize("n_bytes", [0, 2_000])
def test_a_disk_that_fills_up_within_a_file_is_said_and_harms_nothing(
    workspace: Workspace, sample: Dataset, name: str, n_bytes: int
) -> None:
    action = ACTIONS[name](Workspace(workspace.root / "own"), sample)
    assert limited_to(n_bytes, action.do) == EXPLAINED
    assert not action.check()
    action.do()
    assert action.check()


def test_a_training_killed_at_random_ends_like_an_unbroken_one(workspace: Workspace, sample: Dataset) -> None:
    few = part_of(workspace, sample, np.arange(0, 6_000, 15), "few", step=2)
    recipe = PRESETS["fast"].with_changes(
        {"width": 4, "epochs": 3, "batch_size": 40, "threads": 1, "device": "cpu"}
    )
    unbroken, killed = (create_run(workspace, few, recipe) for _ in range(2))
    assert work(unbroken.folder) == 0
    random_ = random.Random(7)
    for _ in range(20 if FULL else 3):
        worker = subprocess.Popen(
            [sys.executable, "-m", "core.worker", str(killed.folder)],
            env={**os.environ, "TIDYSET_CHECKPOINT_SECONDS": "0"},
        )
        wanted = len(killed.events.read()[0]) + random_.randint(1, 12)
        while worker.poll() is None and len(killed.events.read()[0]) < wanted:
            time.sleep(random_.random() / 20)
        worker.kill()
        worker.wait()
        assert status(killed).state in (RunState.LOST, RunState.STARTING, RunState.FINISHED)
        assert damaged_runs(workspace) == []
    assert work(killed.folder) == 0
    assert status(killed).state is RunState.FINISHED
    one, other = (load_predictions(run.predictions_file) for run in (unbroken, killed))
    assert np.array_equal(one.pred_probs, other.pred_probs)


def test_no_label_that_was_acknowledged_is_lost_by_a_kill(workspace: Workspace, sample: Dataset) -> None:
    random_ = random.Random(24)
    acknowledged = 0
    for life in range(40 if FULL else 6):
        read, write = os.pipe()

        def label(write: int = write, life: int = life) -> None:
            for seq in range(1, 10_000):
                new = NewEdit(
                    str(sample.item_ids[(500 * life + seq) % 6_000]),
                    EditKind.EXCLUDE,
                    session=f"life-{life}",
                    seq=seq,
                )
                (edit,) = LabelJournal(workspace).append(sample, [new])
                os.write(write, edit.number.to_bytes(4, "little"))

        child = os.fork()
        if child == 0:
            try:
                label()
            finally:
                os._exit(CRASHED)
        os.close(write)
        for _ in range(random_.randint(1, 12)):
            acknowledged = max(acknowledged, int.from_bytes(os.read(read, 4), "little"))
        time.sleep(random_.random() / 50)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while answer := os.read(read, 4):
            acknowledged = max(acknowledged, int.from_bytes(answer, "little"))
        os.close(read)
    numbers: list[int] = []

    def count() -> None:
        found = [edit.number for edit in LabelJournal(workspace).edits(sample.name)]
        assert sorted(found) == list(range(1, len(found) + 1)), "a gap or a double"
        assert len(found) >= acknowledged

    assert acknowledged > 5
    assert forked(count, lambda: numbers.clear()) == FINE
