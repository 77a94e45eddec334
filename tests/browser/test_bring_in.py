"""Corrections from a file, in the browser: what they would change is seen before it is done."""

from __future__ import annotations

import csv
import io

import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.labels.journal import LabelJournal
from core.workspace import Workspace
from tests.browser.conftest import Server, settled
from tests.finished_runs import SAMPLE

pytestmark = pytest.mark.browser


def table(*rows: tuple[str, str]) -> dict[str, object]:
    text = io.StringIO()
    csv.writer(text).writerows([("item_id", "label"), *rows])
    return {"name": "fixes.csv", "mimeType": "text/csv", "buffer": text.getvalue().encode()}


def test_a_table_of_corrections_is_seen_and_taken_in(page: Page, server: Server) -> None:
    expect.set_options(timeout=40_000)
    workspace = Workspace(server.workspace)
    sample = open_dataset(workspace, SAMPLE)
    ids = [str(one) for one in sample.item_ids[:3]]
    was = sample.classes[int(sample.labels[0])]
    other = next(name for name in sample.classes if name != was)
    page.goto(f"{server.url}/history?data={SAMPLE}")
    upload = page.locator("[data-testid=stFileUploader] input[type=file]")

    upload.set_input_files([table((ids[0], "Hat"))])  # type: ignore[list-item]
    expect(page.get_by_text("1 problem found")).to_be_visible()
    assert not (server.workspace / "labels.db").exists()

    page.get_by_role("button", name="Remove fixes.csv").click()
    expect(page.get_by_text("1 problem found")).not_to_be_visible()
    settled(page)
    same = sample.classes[int(sample.labels[1])]
    upload.set_input_files([table((ids[0], other), (ids[1], same), ("nobody", was))])  # type: ignore[list-item]
    said = "3 labels in the file · 1 change · 1 so already · 1 of images that are not here: nobody"
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_text(f"{was} → {other}")).to_be_visible()
    page.get_by_role("button", name="Make 1 edit").click()
    expect(page.get_by_text("1 edit made; History can take them back.")).to_be_visible()
    settled(page)
    made = LabelJournal(workspace).edits(SAMPLE)
    assert [(edit.item_id, edit.new, edit.evidence["file"]) for edit in made] == [
        (ids[0], other, "fixes.csv"),
    ]
    expect(upload).to_be_attached()
    expect(page.get_by_role("button", name="Make 1 edit")).not_to_be_visible()
