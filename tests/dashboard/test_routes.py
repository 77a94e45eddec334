"""The routes beside Streamlit's: what they answer, to whom, and what they refuse."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.data.catalog import delete_dataset
from core.data.dataset import Dataset
from core.data.writer import write_array_dataset
from core.workspace import Workspace
from dashboard import links
from dashboard.routes import ROUTES


@pytest.fixture
def client(workspace: Workspace) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


def test_a_sheet_is_an_immutable_webp(client: TestClient, sample: Dataset) -> None:
    answer = client.get(f"/{links.sheets(sample)}0.webp")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert Image.open(io.BytesIO(answer.content)).size == (896, 896)


def test_a_picture_is_the_image(client: TestClient, sample: Dataset) -> None:
    answer = client.get(f"/{links.picture(sample, 4321)}")
    assert answer.headers["content-type"] == "image/png"
    assert (np.asarray(Image.open(io.BytesIO(answer.content))) == sample.images.read(4321)[:, :, 0]).all()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("sheets/nothing/{fingerprint}/0.webp", "There is no data set 'nothing'"),
        ("sheets/{name}/{other}/0.webp", "was replaced by another content"),
        ("sheets/{name}/{fingerprint}/6.webp", "no thumbnail sheet 6"),
        ("image/{name}/{fingerprint}/6000.png", "no item 6000"),
        ("sheets/..%2f..%2fetc/{fingerprint}/0.webp", ""),
        ("sheets/%2e%2e/{fingerprint}/0.webp", ""),
        ("sheets/{name}/{fingerprint}/-1.webp", ""),
    ],
)
def test_what_is_not_there_is_a_404_that_is_not_kept(
    client: TestClient, sample: Dataset, path: str, says: str
) -> None:
    given = {"name": sample.name, "fingerprint": sample.fingerprint, "other": "f" * 32}
    answer = client.get(f"/{links.ROOT}/{path.format(**given)}")
    assert answer.status_code == 404
    assert says in answer.text
    assert "immutable" not in answer.headers.get("cache-control", "")


def test_a_request_never_puts_a_data_set_into_the_workspace(client: TestClient, workspace: Workspace) -> None:
    answer = client.get(f"/{links.ROOT}/sheets/fashion-mnist-sample/{'0' * 32}/0.webp")
    assert answer.status_code == 404
    assert not workspace.datasets.exists()


def test_a_data_set_written_anew_is_served_anew(
    client: TestClient, sample: Dataset, workspace: Workspace
) -> None:
    assert client.get(f"/{links.sheets(sample)}0.webp").status_code == 200
    delete_dataset(workspace, sample.name)
    half = np.asarray(sample.images.pixels[:3000])  # type: ignore[attr-defined]
    again = write_array_dataset(
        workspace,
        sample.name,
        title="Half",
        task=sample.task,
        classes=sample.classes,
        item_ids=np.array([f"item-{n}" for n in range(3000)]),
        split=np.zeros(3000, np.int8),
        labels=np.zeros(3000, np.int64),
        images=half,
    )
    assert client.get(f"/{links.sheets(sample)}0.webp").status_code == 404
    assert client.get(f"/{links.sheets(again)}0.webp").status_code == 200
