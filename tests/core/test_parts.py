"""Parts of long jobs in other processes: the same figures, a killed process in between, and a stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.engines import EnginePlan, assign
from core.evaluation.crossval import create_crossval, read_crossval
from core.evaluation.predictions import load_predictions
from core.evaluation.sweep import create_sweep, read_sweep
from core.quality.active_compare import create_comparison
from core.quality.filling import create_fill
from core.quality.unknown import create_unknown
from core.runs.launch import request_stop, start, wait
from core.runs.recipe import make_recipe
from core.runs.store import RunState, create_run, status
from core.training.dynamics import Margins
from core.training.kept_margins import KeptMargins
from core.worker import Job, active, filling, folds, material, unknown, work
from core.worker.parts import do_part, part_events
from core.workspace import Workspace
from tests.part_of import part_of
from tests.tagged import tagged

TINY = make_recipe({"width": 4, "epochs": 2, "batch_size": 128, "learning_rate": 0.02, "threads": 1})


@pytest.fixture
def some(workspace: Workspace, sample: Dataset) -> Dataset:
    """800 images of the sample."""
    rows = np.arange(len(sample))[::5][:800]
    return part_of(workspace, sample, rows, "some")


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    found = [pid for file in tasks for pid in file.read_text().split()]
    own = [pid for pid in found if b"core.engines.local" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return [int(pid) for pid in own]  # others may be left of other tests


def test_folds_side_by_side_give_what_folds_in_turn_give(workspace: Workspace, some: Dataset) -> None:
    side_by_side = create_crossval(workspace, some, TINY, label_version=0, n_folds=4)
    side_by_side = assign(side_by_side, EnginePlan("local", n_workers=2))

    def kill_one_in_between() -> None:
        deadline = time.monotonic() + 60
        while not part_events(side_by_side, "fold-0").path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(_children()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one_in_between)
    killer.start()
    assert work(side_by_side.folder) == 0, status(side_by_side).error
    killer.join()
    assert any("died" in note for note in status(side_by_side).notes)
    (workspace.cache / folds.CACHE).rename(workspace.cache / "other")
    in_turn = create_crossval(workspace, some, TINY, label_version=0, n_folds=4)
    assert work(in_turn.folder) == 0
    assert read_crossval(side_by_side)["folds"] == read_crossval(in_turn)["folds"]


def test_what_a_part_cannot_do_is_the_error_of_the_whole(workspace: Workspace, some: Dataset) -> None:
    run = create_sweep(workspace, some, TINY, [{"epochs": 1}, {"epochs": 2}], label_version=0)
    assert do_part(run.folder, "setting-0")["state"] == "done"
    assert part_events(run, "setting-0").read()[0][-1]["share"] == 1.0
    run.recipe_file.write_text("nonsense")
    answer = do_part(run.folder, "setting-1")
    assert answer["state"] == "failed"
    assert "recipe.toml" in answer["problem"]


def test_settings_side_by_side_stop_and_go_on(workspace: Workspace, some: Dataset) -> None:
    settings = [{"learning_rate": rate, "epochs": 12} for rate in (0.01, 0.02)]
    run = create_sweep(workspace, some, TINY, settings, label_version=0)
    run = assign(run, EnginePlan("local", n_workers=2))
    start(run)
    deadline = time.monotonic() + 60
    while not list((run.folder / "parts").glob("*/checkpoint.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.05)
    request_stop(run)
    assert wait(run, 60).state is RunState.STOPPED, status(run).error
    assert list((run.folder / "parts").glob("*/checkpoint.safetensors")), "each part left its checkpoint"
    start(run)
    assert wait(run, 120).state is RunState.FINISHED, status(run).error
    assert len(read_sweep(run)["rows"]) == 2
    assert not list((run.folder / "parts").glob("*/checkpoint.safetensors"))


def test_margins_belong_to_the_checkpoint_beside_them(tmp_path: Path) -> None:
    file = tmp_path / "fold-0.safetensors"
    file.write_bytes(b"torn")
    margins = Margins(3)
    kept = KeptMargins(margins, file, lambda _type, **_fields: None)
    assert not file.exists(), "a checkpoint without its margins is not gone on with"
    kept.on_event("checkpoint", epoch=0, step=1)
    assert (tmp_path / "fold-0.npz").exists()
    kept.discard()
    assert not list(tmp_path.iterdir())


def test_members_of_an_ensemble_side_by_side_are_those_of_one_process(
    workspace: Workspace, some: Dataset
) -> None:
    recipe = TINY.with_changes({"members": 2, "bootstrap": True})
    alone, spread = (create_run(workspace, some, recipe) for _ in range(2))
    for run in (alone, assign(spread, EnginePlan("local", n_workers=2))):
        assert work(run.folder) == 0, status(run).error
    found = [load_predictions(run.predictions_file).pred_probs for run in (alone, spread)]
    assert np.array_equal(*found)
    now = status(spread)
    assert [epoch["epoch"] for epoch in now.epochs] == [0, 1, 2, 3]
    assert now.started is not None
    assert now.started["epochs"] == 4
    assert not list(spread.folder.glob("stage-*"))


@pytest.mark.parametrize("kind", ["fill", "unknown", "active"])
def test_parts_leave_the_whole_nothing_to_train(
    workspace: Workspace, sample: Dataset, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = TINY.with_changes({"epochs": 1})
    tags = tagged(workspace, sample, 90, split=np.where(np.arange(90) % 3 == 2, 2, 0).astype(np.int8))
    run, module, names = {
        "fill": lambda: (
            create_fill(workspace, tags, one, method="joint", n_folds=2),
            filling,
            ["judge-0", "judge-1"],
        ),
        "unknown": lambda: (
            create_unknown(workspace, tags, one, ways=["masked", "joint"], seeds=1),
            unknown,
            ["joint-0", "masked-0"],
        ),
        "active": lambda: (
            create_comparison(
                workspace, sample, one, strategies=["random", "badge"], start=20, step=10, rounds=1, seeds=1
            ),
            active,
            ["random-0", "badge-0"],
        ),
    }[kind]()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    def one_after_another(job: Job, parts: list[str], n_parts: int) -> bool:
        assert (parts, n_parts) == (names, len(names))
        for part in parts:
            assert do_part(job.run.folder, part)["state"] == "done"
            events = part_events(job.run, part).read()[0]
            assert all(0 <= event.get("share", 0) <= 1 for event in events)
        monkeypatch.setattr(material, "fit", never)
        return True

    monkeypatch.setattr(module, "spread", one_after_another)
    assert work(run.folder) == 0, status(run).error
