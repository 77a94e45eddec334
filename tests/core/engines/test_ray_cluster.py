"""Long jobs on a real Ray cluster of two nodes over loopback, one of them killed in the middle."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.data.writer import write_array_dataset
from core.engines import assign, engine_plan
from core.evaluation.crossval import create_crossval, read_crossval
from core.runs.launch import start, wait
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, status
from core.tuning.space import parse_space
from core.tuning.studies import StudyPlan, TrialState, create_study, load_trials
from core.worker import work
from core.worker.parts import part_events
from core.workspace import Workspace

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (uv sync --extra cluster)"
)

TINY = make_recipe({"width": 4, "epochs": 2, "batch_size": 128, "learning_rate": 0.02, "threads": 1})


ATTEMPTS = 3
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and a second node, one processor each."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    made = _started()
    yield made
    made.shutdown()


def _started() -> Any:
    """Ray gives its agents 15 seconds to start, on a busy machine too few (ray-project/ray issue 65983)."""
    from ray.cluster_utils import Cluster

    for attempt in range(ATTEMPTS):
        made = Cluster()
        try:
            made.add_node(**NODE, include_dashboard=False)
            made.add_node(**NODE)
        except Exception:  # Ray raises no other
            made.shutdown()
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return made
    return None


@pytest.fixture
def some(workspace: Workspace, sample: Dataset) -> Dataset:
    """800 images of the sample."""
    rows = np.arange(len(sample))[::5][:800]
    return write_array_dataset(
        workspace,
        "some",
        title="Some",
        task=sample.task,
        classes=sample.classes,
        item_ids=np.asarray(sample.item_ids)[rows],
        split=np.asarray(sample.split)[rows],
        labels=np.array(sample.labels, np.int64)[rows],
        images=np.array(sample.images.pixels)[rows],  # type: ignore[attr-defined]
    )


def _wait_until(done: Callable[[], bool], run: Run) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline, run.log_file.read_text()
        time.sleep(0.02)


def test_a_node_killed_in_the_middle_costs_nothing_but_time(
    workspace: Workspace, some: Dataset, cluster: Any
) -> None:
    recipe = TINY.with_changes({"epochs": 15})
    run = create_crossval(workspace, some, recipe, label_version=0, n_folds=3)
    run = assign(run, engine_plan("ray", cluster.address))
    start(run)
    _wait_until(lambda: all(part_events(run, f"fold-{number}").path.exists() for number in (0, 1)), run)
    _wait_until(lambda: bool(list((run.folder / "parts").glob("*.safetensors"))), run)
    (second,) = cluster.worker_nodes
    cluster.remove_node(second, allow_graceful=False)
    assert wait(run, 180).state is RunState.FINISHED, status(run).error
    assert any("goes on in another one" in note for note in status(run).notes), status(run).notes

    (workspace.cache / "issue-fold-2").rename(workspace.cache / "other")
    alone = create_crossval(workspace, some, recipe, label_version=0, n_folds=3)
    assert work(alone.folder) == 0
    assert read_crossval(run)["folds"] == read_crossval(alone)["folds"], "bit for bit what one process gives"


def test_a_search_spreads_its_trials(workspace: Workspace, some: Dataset, cluster: Any) -> None:
    space = parse_space(["learning_rate=1e-3..1e-1:log"], TINY)
    run = create_study(workspace, some, TINY, StudyPlan(space, 3), label_version=0)
    start(assign(run, engine_plan("ray", cluster.address)))
    assert wait(run, 180).state is RunState.FINISHED, status(run).error
    assert [one.state for one in load_trials(run)] == [TrialState.FINISHED] * 3
    assert all((run.folder / "parts" / f"trial-{number}.jsonl").exists() for number in range(3))
