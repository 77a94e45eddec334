"""Where parts are done: what a person may ask for, and what is said where it cannot be."""

from __future__ import annotations

import importlib.util
import socket
import time

import pytest

from core.engines import EnginePlan, assign, engine_plan, on_ray, plan_of
from core.engines.on_ray import Head, places
from core.errors import BadInput, Offline
from core.runs.store import create_run, load_run
from core.workspace import Workspace

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


def node(alive: bool = True, **resources: float) -> dict[str, object]:
    return {"Alive": alive, "Resources": resources}


def test_a_run_keeps_where_its_parts_are_done(workspace: Workspace) -> None:
    run = create_run(workspace, None, None, kind="crossval")
    assert plan_of(run) == EnginePlan()
    assert not plan_of(run).spreads
    plan = EnginePlan("local", n_workers=2)
    assign(run, plan)
    assert plan_of(load_run(run.folder)) == plan


@pytest.mark.parametrize(
    ("name", "address", "workers", "said"),
    [
        ("spark", None, None, "There is no engine 'spark'. Choose one of local, ray."),
        ("local", None, 100_000, "100000 workers cannot be."),
        ("local", "10.0.0.5:6379", None, "goes with a cluster. Add --engine ray"),
    ],
)
def test_what_cannot_be_is_refused(name: str, address: str | None, workers: int | None, said: str) -> None:
    with pytest.raises(BadInput) as error:
        engine_plan(name, address, workers)
    assert said in str(error.value)


@needs_ray
def test_a_cluster_that_does_not_answer_is_told_with_the_mend() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Offline, match=rf"No Ray cluster answers at 127\.0\.0\.1:{port}.*ray start --head"):
        engine_plan("ray", f"127.0.0.1:{port}")
    with pytest.raises(BadInput, match="no address of a Ray cluster"):
        engine_plan("ray", "my-cluster")


def test_a_cluster_that_goes_away_is_told_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(on_ray, "GONE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        head = Head(f"ray://127.0.0.1:{port}")
        assert head.answers()
    assert not head.answers()
    time.sleep(0.2)
    with pytest.raises(Offline, match=rf"127\.0\.0\.1:{port} is gone.*tidyset runs resume"):
        head.answers()
    assert head.is_gone


def test_every_processor_is_a_place_unless_workers_share_them() -> None:
    nodes = [node(CPU=4.0), node(CPU=8.0), node(alive=False, CPU=64.0)]
    assert places(nodes, 0) == (12, {"num_cpus": 1.0})
    assert places(nodes, 3) == (3, {"num_cpus": 4.0})
    assert places(nodes, 1) == (1, {"num_cpus": 8.0})
    assert places([node(CPU=8.0, GPU=2.0), node(CPU=8.0)], 0) == (2, {"num_gpus": 1.0, "num_cpus": 1.0})
    assert places([node(CPU=8.0, GPU=2.0)], 4, uses_gpu=False) == (4, {"num_cpus": 2.0})
    uneven = [node(CPU=4.0), node(CPU=4.0), *[node(CPU=1.0)] * 4]
    assert places(uneven, 3) == (4 - 1, {"num_cpus": 2.0}), "more nodes leave no worker without a place"
    with pytest.raises(BadInput, match="no processors"):
        places([node(GPU=1.0)], 0)
