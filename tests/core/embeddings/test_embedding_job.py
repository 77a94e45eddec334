"""The job that makes a map: on real features of a really trained run, and on features that are no good."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.embeddings.features import FeatureSource
from core.embeddings.maps import MapRequest, create_map, load_map, maps_of
from core.runs.store import Run, RunState, status
from core.worker import work
from core.workspace import Workspace
from tests.finished_runs import finished_run


@pytest.fixture
def run(workspace: Workspace, sample: Dataset) -> Run:
    return finished_run(workspace, sample, "base")


def request(run: Run, **changes: object) -> MapRequest:
    return MapRequest(FeatureSource("run", run.id), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_a_map_has_every_image_of_the_run(
    workspace: Workspace, sample: Dataset, run: Run, method: str
) -> None:
    made = create_map(workspace, sample, request(run, method=method))
    assert work(made.folder) == 0, status(made).error
    assert status(made).state is RunState.FINISHED
    found = load_map(made)
    assert found.is_final
    assert found.request == request(run, method=method)
    assert np.array_equal(found.positions, np.arange(len(sample)))
    assert found.xy.dtype == np.float32
    assert np.abs(found.xy).max() == pytest.approx(1)
    assert maps_of(workspace, sample) == (made,)
