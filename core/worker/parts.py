"""The independent parts of long jobs: done by name, in any process that sees the run's folder.

A job whose run says so spreads its parts first (``spread``) and then goes through them as it always does: it
finds each in the cache or in the run's folder, where the process that did it has put it.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from core.engines import Answer, Engine, EnginePlan, PartLost, Task, as_answer, do_all, open_engine, plan_of
from core.errors import TidysetError
from core.files import make_folder
from core.people.acting import acting_as
from core.people.roles import SERVER
from core.runs.events import EventLog
from core.runs.store import Run, load_run
from core.worker import Job, Stopped, explain
from core.workspace import Workspace

PARTS = {
    "crossval": "core.worker.folds:do_fold",
    "issues": "core.worker.folds:do_fold",
    "sweep": "core.worker.sweeping:do_setting",
    "prove": "core.worker.proving:do_training",
    "tune": "core.worker.tuning:do_trial",
    "embed": "core.worker.embedding:do_shard",
    "zero-shot": "core.worker.zero_shot:do_shard",
    "fill": "core.worker.filling:do_judge",
    "unknown": "core.worker.unknown:do_way",
    "active": "core.worker.active:do_curve",
    "train": "core.worker.training:do_train_part",
}
"""By the run's kind, what does one of its parts: ``module:function(job, part)``."""


def part_events(run: Run, part: str) -> EventLog:
    """What happened in one part, as far as people are told."""
    return EventLog(run.folder / "parts" / f"{part}.jsonl")


def do_part(folder: Path, part: str, is_over: Callable[[], bool] = lambda: False) -> Answer:
    """Do one part of the run in ``folder``.

    Args:
        is_over: Whether the job that asked is gone.
    """
    with acting_as(SERVER):  # whoever started the job was allowed to
        return _do_part(folder, part, is_over)


def _do_part(folder: Path, part: str, is_over: Callable[[], bool]) -> Answer:
    try:
        run = load_run(folder)
        log = part_events(run, part)
        make_folder(log.path.parent)
        job = Job(run, Workspace(folder.parents[1]), log.append, lambda: is_over() or run.stop_file.exists())
        module, _, function = PARTS[run.kind].partition(":")
        getattr(import_module(module), function)(job, part)
        log.append("progress", share=1.0, seconds_left=None, text="done")
    except Stopped:
        return as_answer("stopped")
    except PartLost:
        return as_answer("lost")
    except TidysetError as error:
        return as_answer("failed", problem=error.problem, mend=error.mend)
    except Exception as error:  # told to the job, which fails with it
        traceback.print_exc()
        return as_answer("failed", problem=explain(error), mend="", details=traceback.format_exc())
    return as_answer("done")


def where(run: Run) -> EnginePlan:
    """Where the parts of a run are done. A search says by itself how many trials are trained at a time."""
    plan = plan_of(run)
    n_workers = plan.n_workers or int(run.job.get("plan", {}).get("n_workers", 0))
    return replace(plan, n_workers=n_workers if plan.name == "local" else plan.n_workers)


def spread(
    job: Job,
    parts: Iterable[str],
    n_parts: int,
    on_wait: Callable[[], None] | None = None,
) -> bool:
    """Do ``parts`` on the engine of the job's run; nothing where that is the job's own process.

    Args:
        parts: Asked for the next one only when there is a place for it.
        n_parts: How many there will be.
        on_wait: Reports progress now and then; None for what the parts say of theirs.

    Returns:
        Whether they are done; False where the job does them itself.

    Raises:
        Stopped: A person asked for it.
        TidysetError: A part failed, or the cluster cannot be reached.
    """
    plan = where(job.run)
    if not plan.spreads:
        return False
    place = "on the Ray cluster" if plan.name == "ray" else "on this machine"
    job.on_event("progress", share=0.0, seconds_left=None, text=f"starting workers {place}")
    engine = open_engine(plan)
    watch, is_done = _Watch(job, n_parts), False
    try:
        is_done = do_all(
            engine,
            _tasks(job, parts, watch),
            should_stop=job.should_stop,
            on_wait=lambda _tasks: (on_wait or watch.report)(),
            on_death=lambda task: job.on_event(
                "note", text=f"The worker of {task.part} died; {task.part} goes on in another one."
            ),
        )
    finally:
        end_parts(job.run, engine, is_done=is_done)
    if not is_done:
        raise Stopped
    return True


def end_parts(run: Run, engine: Engine, *, is_done: bool) -> None:
    """Close an engine; parts of a run that are not done are to write their checkpoints and stop."""
    if not is_done:
        with contextlib.suppress(OSError):
            run.stop_file.touch()
    engine.close()


def _tasks(job: Job, parts: Iterable[str], watch: _Watch) -> Iterator[Task]:
    for part in parts:
        watch.parts.append(part)
        yield Task(job.run.folder, part)


class _Watch:
    """Adds up what the parts say of their progress."""

    def __init__(self, job: Job, n_parts: int) -> None:
        self.parts: list[str] = []
        self._job, self._n_parts = job, n_parts
        self._offsets: dict[str, int] = {}
        self._shares: dict[str, float] = {}
        self._began, self._before = time.monotonic(), 0.0

    def report(self) -> None:
        """Tell the whole's progress."""
        for part in self.parts:
            for event in self._new_events(part):
                if event["type"] == "note":
                    self._job.on_event("note", text=f"{part}: {event.get('text', '')}")
                self._shares[part] = float(event.get("share", self._shares.get(part, 0.0)))
        share = min(1.0, sum(self._shares.values()) / self._n_parts)
        spent = time.monotonic() - self._began
        n_done = sum(one >= 1 for one in self._shares.values())
        self._job.on_event(
            "progress",
            share=share,
            seconds_left=spent * (1 - share) / share if share > 0.02 else None,
            text=f"{n_done} of {self._n_parts} done, {len(self.parts) - n_done} under way",
        )

    def _new_events(self, part: str) -> list[dict[str, Any]]:
        events, offset = part_events(self._job.run, part).read(self._offsets.get(part, 0))
        self._offsets[part] = offset
        return events
