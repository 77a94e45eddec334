"""What a launched process runs: ``python -m core.worker RUN_FOLDER``.

It takes the run's lock, does the run's job, and appends events; the page, the command line and anyone else
read those. Jobs are found by the run's kind, so another kind of long work is one more line in JOBS.
"""

from __future__ import annotations

import contextlib
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from core.errors import BadInput, TidysetError
from core.people.acting import acting_as
from core.people.roles import SERVER
from core.runs.launch import held, stop_requested
from core.runs.store import Run, load_run
from core.workspace import Workspace

JOBS = {
    "train": "core.worker.training:train",
    "trial": "core.worker.trial:trial",
    "issues": "core.worker.finding:find",
    "crossval": "core.worker.crossvalidation:crossvalidate",
    "prove": "core.worker.proving:prove",
    "mismatch": "core.worker.mismatching:mismatch",
    "fill": "core.worker.filling:fill",
    "unknown": "core.worker.unknown:compare",
    "sweep": "core.worker.sweeping:sweep",
    "tune": "core.worker.tuning:tune",
    "embed": "core.worker.embedding:embed",
    "zero-shot": "core.worker.zero_shot:zero_shot",
    "few-shot": "core.worker.few_shot:few_shot",
    "import": "core.worker.importing:import_data",
    "active": "core.worker.active:compare",
}
"""By the run's kind, the function that does it: ``module:function``, imported only then."""


@dataclass(frozen=True)
class Job:
    """What a job is given.

    Attributes:
        run: Its folder and what it asks for.
        workspace: The workspace that the run is in.
        on_event: Appends an event: ``on_event("progress", share=0.5)``.
        should_stop: Whether a person has asked the job to end; it should be asked often.
    """

    run: Run
    workspace: Workspace
    on_event: Callable[..., None]
    should_stop: Callable[[], bool]


@dataclass(frozen=True)
class Outcome:
    """How a job ended, with the fields of the event that says so. A failure is raised instead."""

    state: Literal["finished", "stopped"]
    fields: dict[str, Any]


class Stopped(Exception):
    """Raised by a job that ends because it was asked to and has nothing to say of how far it came."""


def find_job(kind: str) -> Callable[[Job], Outcome]:
    """The function that does runs of this kind. Raises BadInput."""
    if kind not in JOBS:
        raise BadInput(f"No worker can do a run of kind {kind!r}.", f"Known kinds: {', '.join(JOBS)}.")
    module, _, function = JOBS[kind].partition(":")
    return getattr(import_module(module), function)  # type: ignore[no-any-return]


def work(folder: Path) -> int:
    """Do the job of the run in ``folder``; its end is always an event. Returns the exit status."""
    with acting_as(SERVER):  # whoever started it was allowed to
        return _work(folder)


def _work(folder: Path) -> int:
    run = load_run(folder)
    terminated: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: terminated.append(number))
    job = Job(
        run=run,
        workspace=Workspace(folder.parents[1]),
        on_event=run.events.append,
        should_stop=lambda: bool(terminated) or stop_requested(run),
    )
    with held(run):
        try:
            outcome = find_job(run.kind)(job)
            run.events.append(outcome.state, **outcome.fields)
        except Stopped:
            run.events.append("stopped")
        except Exception as error:
            traceback.print_exc()
            run.events.append("failed", error=explain(error), details=traceback.format_exc())
            return 1
        finally:
            with contextlib.suppress(OSError):  # it must not hide how the job ended
                run.stop_file.unlink(missing_ok=True)
            signal.signal(signal.SIGTERM, before)
    return 0


def explain(error: Exception) -> str:
    """One sentence for people."""
    if isinstance(error, TidysetError):
        return str(error)
    return (
        f"Something went wrong inside Tidyset ({type(error).__name__}: {error}). worker.log has the details."
    )
