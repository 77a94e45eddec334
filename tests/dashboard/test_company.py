"""What an image is held against while labelling: its nearest training images, and typical ones."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.data.dataset import Dataset
from core.errors import NotFound
from core.evaluation.nearest import nearest_training_items
from core.evaluation.predictions import load_predictions
from core.quality import evidence
from core.runs.store import create_run
from core.workspace import Workspace
from dashboard import links
from dashboard.review import company as of_review
from dashboard.review.company import N_NEAR, N_TYPICAL, NO_ONE_LABEL, company
from dashboard.routes import ROUTES
from tests.finished_runs import finished_run
from tests.tagged import tagged


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


def test_the_company_of_an_image(workspace: Workspace, sample: Dataset, client: TestClient) -> None:
    run = finished_run(workspace, sample, "r1")
    answer = client.get(f"/{links.company(sample)}5.json", params={"run": run.id})
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    found = answer.json()
    item_id = str(sample.item_ids[5])
    nearest = nearest_training_items(run, load_predictions(run.predictions_file), item_id, N_NEAR)
    assert [position for position, _ in found["near"]] == sample.positions(nearest.item_ids.tolist()).tolist()
    assert all(sample.labels[position] == label for position, label in found["near"])
    assert len(found["typical"]) == 10
    for k, positions in found["typical"].items():
        assert len(positions) == N_TYPICAL
        assert (sample.labels[positions] == int(k)).all()


def test_neighbours_that_a_search_found_where_images_have_several_labels(
    workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = tagged(workspace, sample)
    run = create_run(workspace, several, None, kind=evidence.KIND)
    near = np.array([[3, 4, -1]] * len(several))
    monkeypatch.setattr(of_review, "_judged", lambda *_: SimpleNamespace(neighbours=near))
    assert company(workspace, several, 0, run.id)["near"] == [[3, NO_ONE_LABEL], [4, NO_ONE_LABEL]]


def test_an_image_is_not_its_own_company(workspace: Workspace, sample: Dataset) -> None:
    typical = company(workspace, sample, 0, None)["typical"]
    first = typical["3"][0]
    found = company(workspace, sample, first, None)
    assert found["near"] == []
    assert first not in found["typical"]["3"]


def test_what_is_not_there_is_named(workspace: Workspace, sample: Dataset, client: TestClient) -> None:
    with pytest.raises(NotFound, match="no item 6000"):
        company(workspace, sample, 6000, None)
    answer = client.get(f"/{links.company(sample)}5.json", params={"run": "../../labels"})
    assert answer.status_code == 404
    assert "There is no run" in answer.text
