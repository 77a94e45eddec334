"""One run trained by several workers: as one process trains it, also when one of them is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.dataset import Dataset
from core.engines import EnginePlan, assign
from core.engines.local import LocalEngine
from core.runs.recipe import make_recipe
from core.runs.store import Run, create_run
from core.training.checkpoint import Checkpoint, load_checkpoint
from core.worker import Job, work
from core.worker.parts import part_events
from core.worker.together import train_together
from core.workspace import Workspace
from tests.part_of import part_of

RECIPE = make_recipe(
    {
        "width": 4,
        "epochs": 6,
        "batch_size": 65,
        "optimizer": "sgd",
        "learning_rate": 0.02,
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "dropout": 0.3,
        "flip_share": 0.5,
        "rotation_share": 0.5,
        "ema_decay": 0.9,
        "gradient_clip": 1.0,
    }
)


@pytest.fixture
def few(workspace: Workspace, sample: Dataset) -> Dataset:
    """400 images of the sample, half as large: the fewer numbers are added up, the less is rounded."""
    rows = np.arange(len(sample))[::10][:400]
    return part_of(workspace, sample, rows, "few", step=2)


class KeptOpen(LocalEngine):
    """Its processes serve several runs: to start one takes longer than all that they do here."""

    def close(self) -> None:
        """Leave them open."""


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    made = KeptOpen(2)
    yield made
    LocalEngine.close(made)


def engine_processes() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    found = [pid for file in tasks for pid in file.read_text().split()]
    return [int(pid) for pid in found if b"core.engines.local" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def kill_one_after_a_checkpoint(run: Run) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(event["type"] == "checkpoint" for event in part_events(run, "rank-0").read()[0]):
            break
        time.sleep(0.02)
    os.kill(engine_processes()[0], signal.SIGKILL)


def trained(run: Run, engine: LocalEngine) -> Checkpoint:
    """Its last checkpoint."""
    workspace = Workspace(run.folder.parents[1])
    train_together(Job(run, workspace, run.events.append, lambda: False), engine)
    return load_checkpoint(run.checkpoint_file)


@pytest.mark.timeout(900)  # on a busy machine each of five processes takes half a minute to start
def test_two_workers_train_what_one_process_trains_also_when_one_is_killed(
    workspace: Workspace, few: Dataset, engine: LocalEngine
) -> None:
    run, killed, alone = (create_run(workspace, few, RECIPE) for _ in range(3))
    plan = EnginePlan("local", n_workers=2)
    together = trained(assign(run, plan), engine)
    killer = threading.Thread(target=kill_one_after_a_checkpoint, args=(killed,))
    killer.start()
    again = trained(assign(killed, plan), engine)
    killer.join()
    assert work(alone.folder) == 0

    events = killed.events.read()[0]
    assert any("go on from the last checkpoint" in event.get("text", "") for event in events)
    assert len([event for event in events if event["type"] == "started"]) == 2
    one = load_checkpoint(alone.checkpoint_file)
    for group, tensors in together.tensors.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, again.tensors[group][name]), f"{group}/{name}: bit for bit"
    losses = [
        [epoch[name] for epoch in state["history"] for name in ("train_loss", "valid_loss")]
        for state in (together.state, one.state)
    ]
    np.testing.assert_allclose(*losses, atol=0.01)  # test_group.py compares closely, on smaller images
