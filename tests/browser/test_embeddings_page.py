"""The Embeddings page in a real browser: what is drawn around is relabelled, and the journal has it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.data.tags import tags_of
from core.embeddings.features import FeatureSource
from core.embeddings.maps import MapRequest, create_map
from core.labels.journal import LabelJournal
from core.labels.versions import labels_at
from core.runs.store import status
from core.worker import work
from core.workspace import Workspace
from tests.browser.conftest import Server, settled
from tests.browser.test_embedding_map import drag
from tests.finished_runs import SAMPLE, finished_run

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


@pytest.fixture
def dataset(server: Server) -> Dataset:
    """The sample, with a run and a map of its features."""
    workspace = Workspace(server.workspace)
    dataset = open_dataset(workspace, SAMPLE)
    run = finished_run(workspace, dataset, "r1")
    made = create_map(workspace, dataset, MapRequest(FeatureSource("run", run.id)))
    assert work(made.folder) == 0, status(made).error
    return dataset


def number_of_selected(page: Page) -> int:
    heading = page.get_by_role("heading", name=re.compile(r"^Images · [\d,]+$"))
    expect(heading).to_have_count(1)
    settled(page)
    return int(heading.inner_text().removeprefix("Images · ").replace(",", ""))


def test_points_are_drawn_around_relabelled_tagged_and_found_again(
    server: Server, page: Page, dataset: Dataset, tmp_path: Path
) -> None:
    workspace = Workspace(server.workspace)
    page.goto(f"{server.url}/embeddings")
    page.locator(".map[data-shown]").wait_for()
    box = page.locator(".stage").bounding_box()
    assert box is not None
    right, down = box["width"] / 2 - 2, box["height"] / 2 - 2
    drag(page, (0, -down), (right, -down), (right, down), (0, down), (0, 0))
    n = number_of_selected(page)
    assert 0 < n < len(dataset)

    page.get_by_role("button", name="Relabel as …").click()
    page.get_by_label("Why").fill("drawn around in a test")
    page.get_by_role("button", name=f"Relabel {n:,} images as T-shirt/top").click()
    expect(page.get_by_text("relabelled as T-shirt/top")).to_be_visible()
    edits = LabelJournal(workspace).edits(dataset.name)
    state = labels_at(workspace, dataset)
    changed = np.flatnonzero(state.edited)
    assert 0 < len(edits) == len(changed) <= n
    assert {edit.why for edit in edits} == {"drawn around in a test"}
    assert (state.labels[changed] == 0).all()

    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("relabelled as T-shirt/top")).to_have_count(0)
    settled(page)
    assert not labels_at(workspace, dataset).edited.any()

    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_role("combobox", name="Tag").fill("right half")
    page.keyboard.press("Enter")
    page.get_by_role("button", name=f"Tag {n:,} images").click()
    expect(page.get_by_text(f"{n:,} images tagged right half")).to_be_visible()
    assert len(tags_of(workspace, dataset)["right half"]) == n

    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_text("in the whole map")).to_be_visible()
    cell = page.get_by_role("button", name="Shirt taken for Coat")
    expect(cell).to_have_text(re.compile(r"^\d+$"))
    n_cell = int(cell.inner_text())
    cell.click()
    expect(page.get_by_role("heading", name=f"Images · {n_cell:,}")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="HTML").click()
    alone = tmp_path / "alone.html"
    download.value.save_as(alone)
    page.goto(alone.as_uri())
    page.locator(".map[data-shown]").wait_for()
    expect(page.get_by_role("group", name="Colours: Label")).to_contain_text("Ankle boot")
    page.get_by_label("Colour by").select_option("confidence")
    expect(page.get_by_role("group", name="Colours: Confidence")).to_contain_text("100 %")
