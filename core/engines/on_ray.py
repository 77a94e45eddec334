"""Parts on a Ray cluster (the extra ``tidyset[cluster]``); ray is imported only here, inside the functions.

Every node must have the same Tidyset and Python, and see the workspace under the same path: runs stay
folders. A part whose process or node died is handed out again, see core.engines.do_all.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from core.engines import DOES_PARTS, Answer, Ended, EnginePlan, Task
from core.errors import BadInput, Offline, TidysetError

ANSWER_SECONDS = 5.0
NODE_SECONDS = 2.0
"""How long a node may take to let us in."""
LOOK_SECONDS = 2.0
"""How often is looked whether the cluster is still there."""
GONE_SECONDS = 20.0
"""A cluster whose head does not answer for so long is gone; after 60 Ray would end this process."""
STOP_SECONDS = 1.0
"""Within this, parts that are still at work see that they are asked to stop."""
CLOSE_SECONDS = 15.0
"""How long parts may take to end the step they are in, once they were asked to stop."""
ENVIRONMENT = ("TIDYSET_DATABASE_URL", "TIDYSET_CHECKPOINT_SECONDS")
"""What the workers are told of this process's environment."""


def check_cluster(address: str) -> None:
    """Whether Ray is installed and something listens at the address, without starting anything.

    Raises:
        BadInput: Ray is not installed, or the address is none.
        Offline: Nothing answers there.
    """
    if importlib.util.find_spec("ray") is None:
        raise BadInput(
            "The engine ray needs Ray, which is not installed.",
            "Install it with `uv sync --extra cluster` (or pip install 'tidyset[cluster]'), on every node; "
            "or use --engine local --workers 2, which needs nothing.",
        )
    if not address or address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise BadInput(
            f"{address!r} is no address of a Ray cluster.",
            "Give host:port, as `ray start --head` prints it: --address 10.0.0.5:6379.",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> Offline:
    where = f"at {address}" if address else "here"
    return Offline(
        f"No Ray cluster answers {where} ({str(error).strip().splitlines()[0]}).",
        "Start one with `ray start --head --port 6379` and give its address, leave --address out to use this "
        "machine, or use --engine local. A run that was made goes on with `tidyset runs resume`, elsewhere "
        "with `--engine local` or another `--address`.",
    )


def set_up() -> None:
    """What Ray reads of the environment when it is imported."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    # Every node has Tidyset already; else Ray, under `uv run`, makes each worker an environment of its own.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")


def connect(address: str) -> bool:
    """Join the cluster; without an address the one that runs here, else a new one on this machine.

    Returns:
        False where this process had joined one already, and stays in that.

    Raises:
        BadInput: Ray is not installed.
        Offline: It does not answer, or does not take us.
    """
    check_cluster(address)
    set_up()
    import ray

    if ray.is_initialized():
        return False
    try:
        ray.init(
            address=address or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
            namespace="tidyset",
        )
    except Exception as error:  # Ray raises a bare Exception where a node does not come up
        raise _unreachable(address, error) from error
    return True


class RayEngine:
    """As many places as the plan says, or as the cluster has processors or GPUs."""

    def __init__(self, plan: EnginePlan, *, uses_gpu: bool | None = None) -> None:
        self._joined = connect(plan.address)
        self._head = Head(plan.address)
        self._plan, self._uses_gpu = plan, uses_gpu
        self._under_way: dict[Any, Task] = {}
        self.n_places = 0
        self.count_places()

    def count_places(self, *, asks_nodes: bool = False) -> None:
        """As of ``Engine``."""
        import ray

        while not self._head.answers(at_once=True):  # Ray would wait for it
            time.sleep(LOOK_SECONDS)
        nodes: Any = ray.nodes  # it has no types
        there = _answering(nodes()) if asks_nodes else nodes()
        self.n_places, needs = places(there, self._plan.n_workers, uses_gpu=self._uses_gpu)
        self._uses_gpu = "num_gpus" in needs  # also when a node with another kind of processor comes
        remote: Any = ray.remote  # its types know no mapping of options
        self._remote = remote(max_retries=0, **needs)(_do)

    def submit(self, task: Task) -> None:
        """As of ``Engine``."""
        told = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        self._under_way[self._remote.remote(str(task.folder), task.part, told)] = task

    def ended(self, seconds: float) -> list[Ended]:
        """As of ``Engine``."""
        import ray

        ready, _ = ray.wait(list(self._under_way), timeout=seconds)
        self._head.answers()
        return [Ended(self._under_way.pop(one), self._answer(one)) for one in ready]

    def _answer(self, reference: Any) -> Answer | None:
        import ray

        try:
            answer: Answer = ray.get(reference)
        except (ray.exceptions.RayTaskError, ray.exceptions.RaySystemError) as error:
            raise TidysetError(
                f"A worker of the cluster could not begin ({str(error).strip().splitlines()[-1]}).",
                "Every node needs the same Tidyset and Python, and the workspace under the same path.",
            ) from error
        except ray.exceptions.RayError:  # the process or its node died
            return None
        return answer

    def abandon(self) -> None:
        """As of ``Engine``; what waits for room is given up too."""
        import ray

        for reference in self._under_way:
            ray.cancel(reference, force=True)

    def close(self) -> None:
        """As of ``Engine``; what has not stopped by then is given up."""
        import ray

        if self._head.is_gone:  # Ray would wait for it
            time.sleep(STOP_SECONDS)
            return
        if self._under_way:
            ray.wait(list(self._under_way), num_returns=len(self._under_way), timeout=CLOSE_SECONDS)
        self.abandon()
        if self._joined:
            ray.shutdown()


def _answering(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes without those that are gone already: Ray counts on them for 15 seconds more."""

    alive = [node for node in nodes if node["Alive"]]
    answering = [node for node in alive if _lets_in(node["NodeManagerAddress"], node["NodeManagerPort"])]
    return answering or alive  # none: we are outside of their network


def _lets_in(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), NODE_SECONDS).close()
    except OSError:
        return False
    return True


class Head:
    """The process that the whole cluster hangs on.

    Attributes:
        is_gone: Whether it has not answered for GONE_SECONDS.
    """

    def __init__(self, address: str) -> None:
        if not address or address == "auto":
            import ray

            address = ray.get_runtime_context().gcs_address
        self._address = address.removeprefix("ray://")
        self._looked_at = self._answered_at = time.monotonic()
        self.is_gone = False

    def answers(self, *, at_once: bool = False) -> bool:
        """Whether it did when last looked.

        Args:
            at_once: Look now, also where that was done a moment ago.

        Raises:
            Offline: It is gone.
        """
        now = time.monotonic()
        if at_once or now - self._looked_at >= LOOK_SECONDS:
            host, _, port = self._address.rpartition(":")
            self._looked_at = now
            if _lets_in(host.strip("[]"), int(port)):
                self._answered_at = now
        self.is_gone = now - self._answered_at > GONE_SECONDS
        if self.is_gone:
            raise Offline(
                f"The Ray cluster at {self._address} is gone.",
                "When it is there again, `tidyset runs resume` goes on with what is missing; elsewhere with "
                "`--engine local` or another `--address`.",
            )
        return self._answered_at >= self._looked_at


def places(
    nodes: list[dict[str, Any]], n_workers: int, *, uses_gpu: bool | None = None
) -> tuple[int, dict[str, float]]:
    """(parts at the same time, what Ray is to reserve for each).

    With a number of workers they share all processors, as far as one node has them; without, every
    processor is a place, or every GPU where there are any.

    Args:
        nodes: As ``ray.nodes()`` gives them.
        n_workers: As of EnginePlan.
        uses_gpu: None: where the cluster has any.

    Raises:
        BadInput: The cluster has no processors.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    cpus = [int(one.get("CPU", 0)) for one in alive if one.get("CPU", 0) >= 1]
    n_gpus = int(sum(one.get("GPU", 0) for one in alive))
    if not cpus:
        raise BadInput("The Ray cluster has no processors.", "Add nodes: `ray start --address=HOST:PORT`.")
    if n_gpus and uses_gpu is not False:
        return min(n_workers or n_gpus, n_gpus), {"num_gpus": 1.0, "num_cpus": 1.0}
    each = min(sum(cpus) // n_workers, max(cpus)) if n_workers else 1
    while each > 1 and sum(one // each for one in cpus) < n_workers:
        each -= 1  # so many leave too much of each node unused
    each = max(1, each)
    n_places = sum(one // each for one in cpus)
    return min(n_workers or n_places, n_places), {"num_cpus": float(each)}


def _do(folder: str, part: str, environment: dict[str, str]) -> Answer:
    """What a worker of the cluster does; as many threads as processors were reserved (OMP_NUM_THREADS)."""
    os.environ.update(environment)
    if not (Path(folder) / "run.json").exists():
        return {
            "state": "failed",
            "problem": f"{socket.gethostname()} does not see the run's folder {folder}.",
            "mend": "All nodes must see the workspace under the same path: put it on a shared file system.",
        }
    module, _, function = DOES_PARTS.partition(":")
    answer: Answer = getattr(import_module(module), function)(Path(folder), part)
    return answer
