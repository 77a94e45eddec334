"""Long jobs on a real Ray cluster of two nodes over loopback, one of them killed in the middle."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.embeddings.features import FeatureSource, features_of
from core.embeddings.maps import MapRequest, create_map
from core.embeddings.shards import maker_of, missing_shards
from core.engines import EnginePlan, assign, engine_plan, on_ray
from core.evaluation.crossval import create_crossval, read_crossval
from core.evaluation.predictions import load_predictions
from core.models import ModelCard, create_model, save_model
from core.runs.launch import start, wait
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, create_run, status
from core.training.checkpoint import load_checkpoint
from core.tuning.space import parse_space
from core.tuning.studies import StudyPlan, TrialState, create_study, load_trials
from core.worker import folds, work
from core.worker.parts import part_events
from core.workspace import Workspace
from tests.part_of import part_of

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (uv sync --extra cluster)"
)

TINY = make_recipe({"width": 4, "epochs": 2, "batch_size": 128, "learning_rate": 0.02, "threads": 1})


ATTEMPTS = 3
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def head() -> Iterator[Any]:
    """A cluster that this process has joined: so its workers, slow to start, do the parts of several runs."""
    on_ray.set_up()
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster()
    _add_node(made, include_dashboard=False)
    on_ray.connect(made.address)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def cluster(head: Any) -> Any:
    """A head and a second node, one processor each."""
    if not head.worker_nodes:
        _add_node(head)
    return head


def _add_node(cluster: Any, **more: Any) -> None:
    """Ray gives its agents 15 seconds to start, on a busy machine too few (ray-project/ray issue 65983)."""
    for attempt in range(ATTEMPTS):
        try:
            cluster.add_node(**NODE, **more)
        except Exception:  # Ray raises no other
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return


def _kill_second_node(cluster: Any) -> None:
    """As if its current were cut: its workers die with it."""
    (node,) = cluster.worker_nodes
    raylet = node.all_processes["raylet"][0].process.pid
    children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
    for process in [raylet, *map(int, children)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)


@contextlib.contextmanager
def _losing_a_node(cluster: Any, in_the_middle: Callable[[], bool]) -> Iterator[None]:
    """While the block works, the second node is killed as soon as it is in the middle of that."""

    def kill() -> None:
        deadline = time.monotonic() + 120
        while not in_the_middle() and time.monotonic() < deadline:
            time.sleep(0.02)
        _kill_second_node(cluster)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()


@pytest.fixture
def some(workspace: Workspace, sample: Dataset) -> Dataset:
    """800 images of the sample."""
    return _part_of(workspace, sample, "some", 1)


def _part_of(workspace: Workspace, sample: Dataset, name: str, step: int) -> Dataset:
    """800 images of the sample, of their pixels every ``step``-th each way."""
    rows = np.arange(len(sample))[::5][:800]
    return part_of(workspace, sample, rows, name, step=step)


def _wait_until(done: Callable[[], bool], run: Run) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline, run.log_file.read_text()
        time.sleep(0.02)


def test_a_search_spreads_its_trials(workspace: Workspace, some: Dataset, cluster: Any) -> None:
    space = parse_space(["learning_rate=1e-3..1e-1:log"], TINY)
    run = create_study(workspace, some, TINY, StudyPlan(space, 3), label_version=0)
    assert work(assign(run, engine_plan("ray", cluster.address)).folder) == 0, status(run).error
    assert [one.state for one in load_trials(run)] == [TrialState.FINISHED] * 3
    assert all((run.folder / "parts" / f"trial-{number}.jsonl").exists() for number in range(3))


def test_members_of_an_ensemble_are_those_of_one_process(
    workspace: Workspace, some: Dataset, cluster: Any
) -> None:
    recipe = TINY.with_changes({"members": 3, "bootstrap": True})
    alone, spread = (create_run(workspace, some, recipe) for _ in range(2))
    for run in (alone, assign(spread, EnginePlan("ray", cluster.address))):
        assert work(run.folder) == 0, status(run).error
    assert all((spread.folder / "parts" / f"member-{number}.jsonl").exists() for number in range(3))
    found = [load_predictions(run.predictions_file).pred_probs for run in (alone, spread)]
    assert np.array_equal(*found), "bit for bit"


def test_a_node_killed_in_the_middle_costs_nothing_but_time(
    workspace: Workspace, some: Dataset, cluster: Any
) -> None:
    recipe = TINY.with_changes({"epochs": 15})
    run = create_crossval(workspace, some, recipe, label_version=0, n_folds=3)
    run = assign(run, engine_plan("ray", cluster.address))
    start(run)
    _wait_until(lambda: all(part_events(run, f"fold-{number}").path.exists() for number in (0, 1)), run)
    _wait_until(lambda: bool(list((run.folder / "parts").glob("*/checkpoint.safetensors"))), run)
    _kill_second_node(cluster)
    assert wait(run, 180).state is RunState.FINISHED, status(run).error
    assert any("goes on in another one" in note for note in status(run).notes), status(run).notes

    (workspace.cache / folds.CACHE).rename(workspace.cache / "other")
    alone = create_crossval(workspace, some, recipe, label_version=0, n_folds=3)
    assert work(alone.folder) == 0
    assert read_crossval(run)["folds"] == read_crossval(alone)["folds"], "bit for bit what one process gives"


def _has_checkpoint(run: Run) -> bool:
    return any(event["type"] == "checkpoint" for event in part_events(run, "rank-0").read()[0])


def test_one_run_of_two_nodes_goes_on_where_one_is_lost_for_good(
    workspace: Workspace, sample: Dataset, cluster: Any
) -> None:
    few = _part_of(workspace, sample, "small", 4)  # the fewer numbers are added up, the less is rounded
    recipe = TINY.with_changes({"epochs": 12, "optimizer": "sgd", "precision": "fp32"})
    lost, alone = (create_run(workspace, few, recipe) for _ in range(2))
    with _losing_a_node(cluster, lambda: _has_checkpoint(lost)):
        assert work(assign(lost, EnginePlan("ray", cluster.address, 2)).folder) == 0, status(lost).error
    notes = status(lost).notes
    assert "A worker died; all go on from the last checkpoint." in notes
    assert "There is room for 1 of 2 workers." in notes
    assert work(alone.folder) == 0
    found = [load_checkpoint(run.checkpoint_file).state["history"] for run in (lost, alone)]
    losses = [[epoch["valid_loss"] for epoch in epochs] for epochs in found]
    np.testing.assert_allclose(*losses, atol=1e-4)


def test_features_of_shards_are_those_of_one_process_where_a_node_is_lost(
    workspace: Workspace, sample: Dataset, cluster: Any
) -> None:
    judge = create_run(workspace, sample, TINY, name="judge")
    network = create_model("small-resnet", 10, 1, width=16)
    card = ModelCard("small-resnet", 16, sample.classes, 1, 28, 28, mean=(73.0,), std=(90.0,))
    save_model(judge.model_file, network, card)
    source = FeatureSource("run", judge.id)
    run = create_map(workspace, sample, MapRequest(source, method="pca"))
    run = assign(run, EnginePlan("ray", cluster.address))
    maker = maker_of(workspace, source)
    shards = missing_shards(sample, maker)

    def is_in_the_middle() -> bool:
        return 0 < len(missing_shards(sample, maker)) < len(shards) - 1

    with _losing_a_node(cluster, is_in_the_middle):
        assert work(run.folder) == 0, status(run).error
    assert len(list((run.folder / "parts").iterdir())) == len(shards), "the workers did them all"
    spread = features_of(workspace, sample, source)
    (workspace.cache / "network-images-1").rename(workspace.cache / "other")
    alone = features_of(workspace, sample, source)
    assert np.array_equal(spread.values, alone.values), "bit for bit"
