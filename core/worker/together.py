"""One run that several workers train together (core.training.group): the job's side, and each worker's.

The job hands out the parts rank-0, rank-1, ... and waits. They meet over a file in the run's folder. Only the
first writes the run's checkpoint and says how it goes; where one is gone, the job begins a new group, which
goes on from there. When all are done the job finds a finished checkpoint, as after any resume.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.engines import Engine, EnginePlan, PartLost, Task, open_engine, plan_of
from core.engines.one_run import check_one_run
from core.engines.together import Group, do_together
from core.errors import BadInput
from core.files import delete_file, make_folder, read_json, write_json
from core.runs.recipe import Recipe
from core.runs.store import Run
from core.training import group as trained
from core.training.machine import count_gpus, own_device
from core.worker import Job, Stopped
from core.worker.material import gather_material
from core.worker.parts import end_parts, part_events

LEAST_SHARE = 16
"""Images of a batch for each worker, where nobody said how many workers."""
LOOK_SECONDS = 0.5
DISBANDED = 9
"""The exit code of a worker whose group is no more."""


def train_together(job: Job, engine: Engine | None = None) -> None:
    """Train the job's run on its engine, until its checkpoint is that of a finished training.

    Args:
        engine: An open one, which is closed at the end; one as the run's plan says when None.

    Raises:
        Stopped: A person asked for it.
        TidysetError: A worker failed, or the cluster cannot be reached.
    """
    plan, recipe = plan_of(job.run), job.run.recipe
    check_one_run(recipe, plan)
    check_gpus(recipe, plan)
    place = "on the Ray cluster" if plan.name == "ray" else "on this machine"
    job.on_event("progress", share=0.0, seconds_left=None, text=f"starting workers {place}")
    told = Relayed(job, "rank-0")
    group = Group(
        lambda n_places: _begin(job, plan, n_places), lambda: write_json(_about(job.run), _no_group())
    )
    engine, is_done = engine or open_engine(plan), False
    try:
        is_done = do_together(
            engine,
            group,
            should_stop=job.should_stop,
            on_wait=told,
            on_death=lambda: job.on_event("note", text=DIED),
        )
        told()
    finally:
        end_parts(job.run, engine, is_done=is_done)
    if not is_done:
        told()
        raise Stopped


DIED = "A worker died; all go on from the last checkpoint."


def check_gpus(recipe: Recipe, plan: EnginePlan) -> None:
    """Raises BadInput where workers of this machine would have to share a GPU."""
    n_gpus = count_gpus(recipe)
    if plan.name == "local" and 0 < n_gpus < plan.n_workers:
        raise BadInput(
            f"{plan.n_workers} workers cannot share {n_gpus} GPU{'s' * (n_gpus > 1)}.",
            f"Choose at most {n_gpus} worker{'s' * (n_gpus > 1)}, or set device to cpu.",
        )


class Relayed:
    """Passes on what a part of a job says, as the job's own events; to be called now and then."""

    def __init__(self, job: Job, part: str) -> None:
        self._job, self._log = job, part_events(job.run, part)
        _, self._offset = self._log.read()

    def __call__(self) -> None:
        """Pass on what is new."""
        events, self._offset = self._log.read(self._offset)
        for event in events:
            self._job.on_event(event["type"], **{k: v for k, v in event.items() if k not in ("type", "at")})


def _about(run: Run) -> Path:
    """The file that says which group is the present one."""
    return run.folder / "parts" / "group.json"


def _no_group() -> dict[str, Any]:
    return {"name": "", "n_workers": 0}


def _begin(job: Job, plan: EnginePlan, n_places: int) -> list[Task]:
    """Make a new group the present one; its parts."""
    n = min(plan.n_workers or max(1, job.run.recipe.batch_size // LEAST_SHARE), n_places)
    if n < plan.n_workers:
        job.on_event("note", text=f"There is room for {n} of {plan.n_workers} workers.")
    make_folder(_about(job.run).parent)
    for path in _about(job.run).parent.glob("meeting-*"):
        delete_file(path)
    write_json(_about(job.run), {"name": secrets.token_hex(8), "n_workers": n})
    return [Task(job.run.folder, f"rank-{rank}") for rank in range(n)]


def do_rank(job: Job, rank: int) -> None:
    """Train as one of the present group, from 0.

    Raises:
        Stopped: The first was asked to stop.
        PartLost: The group is no more.
    """
    run, recipe = job.run, job.run.recipe
    about = read_json(_about(run))
    if rank >= about["n_workers"]:
        raise PartLost("This worker's group is no more.", "Another one goes on.")
    with _ending_with(run, about["name"]):
        material = gather_material(job)
        training = material.training()
        material.pixels(recipe)  # before the workers meet: it may take its time
        try:
            with _group(run, recipe, rank, about) as group:
                checkpoint_file = run.checkpoint_file if rank == 0 else None
                result = material.fit(training, job.on_event, checkpoint_file=checkpoint_file, group=group)
        except trained.GroupBroken as error:
            raise PartLost(error.problem, error.mend) from error
    if result.stopped:
        raise Stopped


@contextlib.contextmanager
def _group(run: Run, recipe: Recipe, rank: int, about: dict[str, Any]) -> Iterator[trained.Group]:
    size = int(about["n_workers"])
    if size == 1:
        yield trained.Group()
        return
    device = own_device(recipe, rank)
    if plan_of(run).name == "local":  # nobody else is to listen to what goes between processes of one machine
        loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
    file = _about(run).with_name(f"meeting-{about['name']}")
    with trained.spread_group(file, rank, size, device) as group:
        yield group


@contextlib.contextmanager
def _ending_with(run: Run, name: str) -> Iterator[None]:
    """End this process, at once, when another group is the present one: it may hang in a step for one that
    is gone.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            with contextlib.suppress(Exception):  # a file system that hiccups is no other group
                if read_json(_about(run))["name"] != name:
                    os._exit(DISBANDED)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()
