"""Setting runs going and steering them, from this process and from any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from core.data.dataset import Dataset
from core.errors import Busy, NotFound, StorageFailed
from core.runs import launch
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, create_run, delete_run, is_held, status
from core.workspace import PROJECT_ROOT, Workspace

MINUTE = 60.0


@pytest.fixture
def run(workspace: Workspace, sample: Dataset) -> Run:
    """A run that would take hours."""
    return create_run(workspace, sample, make_recipe({"width": 4, "epochs": 5_000, "threads": 1}))


def pid_of_last_child() -> int:
    return launch._CHILDREN[-1].pid


def reached(run: Run, type_: str) -> None:
    """Wait until the run has such an event."""
    pause = threading.Event()
    for _ in range(1_200):
        if any(event["type"] == type_ for event in run.events.read()[0]):
            return
        assert status(run).state.active, status(run)
        pause.wait(0.1)
    raise AssertionError(f"no event {type_} in two minutes")


def test_a_run_is_started_once_stopped_deleted(run: Run) -> None:
    launch.start(run)
    assert status(run).state is RunState.STARTING
    reached(run, "progress")
    assert status(run).state is RunState.RUNNING
    with pytest.raises(Busy, match="is going already"):
        launch.start(run)
    with pytest.raises(Busy, match="is going already"):
        launch.resume(run)
    with pytest.raises(Busy, match="still going"):
        delete_run(run)
    assert len([e for e in run.events.read()[0] if e["type"] == "launched"]) == 1
    launch.request_stop(run)
    assert launch.wait(run, timeout=MINUTE).state is RunState.STOPPED
    with pytest.raises(NotFound, match="is not going"):
        launch.request_stop(run)
    delete_run(run)
    assert not run.folder.exists()


def test_a_worker_outlives_the_process_that_launched_it(run: Run) -> None:
    code = "import sys; from pathlib import Path; from core.runs import launch, store\n"
    code += "launch.start(store.load_run(Path(sys.argv[1])))"
    subprocess.run(
        [sys.executable, "-c", code, str(run.folder)], cwd=PROJECT_ROOT, check=True, timeout=MINUTE
    )
    reached(run, "progress")
    assert is_held(run)
    launch.request_stop(run)
    assert launch.wait(run, timeout=MINUTE).state is RunState.STOPPED


def test_a_killed_worker_is_lost_at_once_and_can_be_resumed(run: Run) -> None:
    launch.start(run)
    reached(run, "progress")
    os.kill(pid_of_last_child(), signal.SIGKILL)
    now = launch.wait(run, timeout=MINUTE)
    assert now.state is RunState.LOST
    assert "Resume goes on from the last checkpoint" in now.error
    launch.resume(run)
    assert status(run).state.active
    launch.request_stop(run)
    assert launch.wait(run, timeout=MINUTE).state is RunState.STOPPED


def test_a_finished_run_has_nothing_left_to_do(run: Run) -> None:
    run.events.append("finished", seconds=1.0)
    with pytest.raises(NotFound, match="nothing is left to do"):
        launch.resume(run)


def test_starting_again_forgets_an_old_wish_to_stop(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.stop_file.touch()
    monkeypatch.setattr(sys, "executable", "/bin/true")
    launch.start(run)
    assert not launch.stop_requested(run)


def test_the_lock_is_one_holders(run: Run) -> None:
    with launch.held(run):
        assert is_held(run)
        with pytest.raises(Busy), launch.held(run):
            pass
    assert not is_held(run)


def test_a_worker_that_cannot_be_started_is_a_failed_write_not_a_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(StorageFailed):
        launch.start(run)
