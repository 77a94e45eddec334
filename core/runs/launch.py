"""Setting runs going, and steering them: a detached worker process, events, and a stop file.

The worker outlives the page, the browser and the server. Anyone who can write to the run's folder can
stop or resume it, so the command line and the page steer the same run.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from filelock import FileLock, Timeout

from core.errors import Busy, NotFound, StorageFailed
from core.files import delete_file, storage_failed
from core.people.acting import allow
from core.people.roles import Right
from core.runs.store import Run, RunState, RunStatus, is_held, status, workspace_of
from core.workspace import PROJECT_ROOT


def start(run: Run) -> None:
    """Start a worker for ``run`` in a process of its own, which goes on when this one ends.

    Raises:
        Busy: A worker has it already.
        StorageFailed: The log could not be written.
    """
    allow(workspace_of(run), Right.RUN)
    if is_held(run):
        raise Busy(f"Run {run.name!r} is going already.", "Wait for it, or stop it first.")
    delete_file(run.stop_file)
    run.events.append("launched")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TIDYSET_WORKSPACE": str(workspace_of(run).root)}
    try:
        with run.log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.worker", str(run.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=PROJECT_ROOT,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise storage_failed(run.log_file, error) from error
    _CHILDREN.append(process)
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


_CHILDREN: list[subprocess.Popen[bytes]] = []
"""Workers that this process started; polled so that finished ones do not stay behind as zombies."""


def resume(run: Run) -> None:
    """Go on with a stopped, failed or lost run from its last checkpoint.

    Raises:
        Busy: It is going.
        NotFound: It is finished; there is nothing left to do.
    """
    allow(workspace_of(run), Right.RUN)
    check_resumable(run)
    start(run)


def check_resumable(run: Run) -> None:
    """Raises as ``resume`` where there is nothing to go on with."""
    state = status(run).state
    if state.active:
        raise Busy(f"Run {run.name!r} is going already.", "Wait for it, or stop it first.")
    if state is RunState.FINISHED:
        raise NotFound(f"Run {run.name!r} is finished; nothing is left to do.", "Start a new run instead.")


def request_stop(run: Run) -> None:
    """Ask the worker to end after the step it is in; it writes a checkpoint first.

    Raises:
        NotFound: Nothing runs.
        StorageFailed: The request could not be written.
    """
    allow(workspace_of(run), Right.RUN)
    if not status(run).state.active:
        raise NotFound(f"Run {run.name!r} is not going.", "There is nothing to stop.")
    try:
        run.stop_file.touch()
    except OSError as error:
        raise storage_failed(run.stop_file, error) from error


def stop_requested(run: Run) -> bool:
    """Whether the worker has been asked to end."""
    return run.stop_file.exists()


@contextlib.contextmanager
def held(run: Run) -> Iterator[None]:
    """Hold the run's lock for the life of the enclosed block; the worker does. Raises Busy, StorageFailed."""
    lock = FileLock(run.lock_file, is_singleton=False)
    try:
        lock.acquire(timeout=2)
    except Timeout:
        raise Busy(f"Run {run.name!r} is going already.", "Wait for it, or stop it first.") from None
    except OSError as error:
        raise storage_failed(run.lock_file, error) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError, StorageFailed):
            lock.release()


def wait(run: Run, timeout: float | None = None, poll_seconds: float = 0.2) -> RunStatus:
    """Wait until the run is no longer active, or ``timeout`` seconds have passed; returns its status."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]
        now = status(run)
        if not now.state.active or (deadline is not None and time.monotonic() > deadline):
            return now
        time.sleep(poll_seconds)
