"""Where the independent parts of a long job are done: processes of this machine, or a Ray cluster.

A part (a fold, a trial, one arm of a proof) is described by its run's folder and its name alone, so any
process that can read the workspace can do it, and can do it again where the one before died: what was
finished is in the cache or in the run's folder, and a training that writes checkpoints goes on from its
last. Engines know nothing of what a part does; ``core.worker.parts`` does them, and is named, not imported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from core.errors import BadInput, TidysetError
from core.files import Json
from core.runs.store import Run, with_job

EngineName = Literal["local", "ray"]
ENGINES: tuple[EngineName, ...] = ("local", "ray")
MOST_WORKERS = 1_024
MOST_DEATHS = 3
"""How often a part is tried again after the process or the node that did it died."""
DOES_PARTS = "core.worker.parts:do_part"
"""``do_part(folder, part, should_stop) -> Answer``."""
Answer = Json
"""What became of a part: state ("done", "stopped", "failed", "lost"); of a failure problem, mend, details."""


class PartLost(TidysetError):
    """What a part worked with is gone, through no fault of its own: it can be done again."""


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """Where the parts of a run are done.

    Attributes:
        name: One of ENGINES.
        address: Of the Ray cluster, host:port; "" for the one that runs here, or a new one.
        n_workers: Parts that are done at the same time; 0 for as many as there is room for on a cluster, and
            for one on this machine.
    """

    name: EngineName = "local"
    address: str = ""
    n_workers: int = 0

    @property
    def spreads(self) -> bool:
        """Whether parts leave the process of the job."""
        return self.name == "ray" or self.n_workers > 1


@dataclass(frozen=True, slots=True)
class Task:
    """One part of a run.

    Attributes:
        folder: The run's.
        part: Its name, which the run's kind understands: "fold-3".
    """

    folder: Path
    part: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A part that is no longer under way; ``answer`` is None where its process or node died."""

    task: Task
    answer: Answer | None


class Engine(Protocol):
    """Does parts side by side. ``n_places`` is how many."""

    n_places: int

    def submit(self, task: Task) -> None:
        """Begin a part; only called while fewer than ``n_places`` are under way."""

    def ended(self, seconds: float) -> list[Ended]:
        """Those that ended since the last call, after waiting ``seconds`` at most for the first."""

    def count_places(self, *, asks_nodes: bool = False) -> None:
        """Set ``n_places`` anew: nodes may have come or gone. What is under way stays so.

        Args:
            asks_nodes: Whether a node must answer to count; else the cluster's word counts, which comes late.
        """

    def abandon(self) -> None:
        """Give up what is under way; ``ended`` tells of each part as of one that died."""

    def close(self) -> None:
        """End what is under way, and give everything back."""


def engine_plan(name: str, address: str | None = None, n_workers: int | None = None) -> EnginePlan:
    """The plan for what a person asked for, tried out as far as that takes no time.

    Raises:
        BadInput: There is no such engine, or it cannot be used here.
        Offline: The cluster does not answer.
    """
    if name not in ENGINES:
        raise BadInput(f"There is no engine {name!r}.", f"Choose one of {', '.join(ENGINES)}.")
    if n_workers is not None and not 1 <= n_workers <= MOST_WORKERS:
        raise BadInput(f"{n_workers} workers cannot be.", f"Choose 1 to {MOST_WORKERS:,}.")
    if address and name != "ray":
        raise BadInput(f"An address ({address}) goes with a cluster.", "Add --engine ray, or leave it out.")
    plan = EnginePlan(name, (address or "").strip(), n_workers or 0)
    if plan.name == "ray":
        from core.engines.on_ray import check_cluster

        check_cluster(plan.address)
    return plan


def assign(run: Run, plan: EnginePlan) -> Run:
    """Keep with a run where its parts are to be done; it is used again when the run goes on."""
    return with_job(run, engine=asdict(plan))


def plan_of(run: Run) -> EnginePlan:
    """Where the parts of a run are done; here, where it says nothing."""
    return EnginePlan(**run.job.get("engine", {}))


def open_engine(plan: EnginePlan) -> Engine:
    """The engine at work. Raises as ``engine_plan``."""
    if plan.name == "ray":
        from core.engines.on_ray import RayEngine

        return RayEngine(plan)
    from core.engines.local import LocalEngine

    return LocalEngine(max(1, plan.n_workers))


def do_all(
    engine: Engine,
    tasks: Iterator[Task],
    *,
    should_stop: Callable[[], bool],
    on_wait: Callable[[list[Task]], None],
    on_death: Callable[[Task], None],
    poll_seconds: float = 0.5,
) -> bool:
    """Do every task; False when it was asked to stop before.

    Args:
        tasks: Asked for the next one only when there is a place for it.
        on_wait: Told what is under way, every ``poll_seconds``.
        on_death: Told of a part that is tried again.

    Raises:
        TidysetError: A part failed, or killed what did it MOST_DEATHS times and once more.
    """
    under_way: list[Task] = []
    deaths: Counter[str] = Counter()
    is_more = True
    while True:
        while is_more and len(under_way) < engine.n_places and not should_stop():
            task = next(tasks, None)
            is_more = task is not None
            if task is not None:
                engine.submit(task)
                under_way.append(task)
        if should_stop():
            return False
        if not under_way:
            return True
        for one in engine.ended(poll_seconds):
            under_way.remove(one.task)
            if one.answer is None:
                deaths[one.task.part] += 1
                _check_deaths(one.task, deaths[one.task.part])
                on_death(one.task)
                engine.submit(one.task)
                under_way.append(one.task)
            elif one.answer["state"] == "stopped":
                return False
            elif one.answer["state"] == "failed":
                raise TidysetError(one.answer["problem"], one.answer["mend"])
        on_wait(under_way)


def _check_deaths(task: Task, n: int) -> None:
    if n > MOST_DEATHS:
        raise TidysetError(
            f"The worker of {task.part} died {n} times.",
            "worker.log may say why; most often the memory is too small: choose fewer workers. "
            "`tidyset runs resume` goes on with what is missing.",
        )


def as_answer(state: str, **fields: Any) -> Answer:
    """What became of a part."""
    return {"state": state, **fields}
