"""Relabelling in a real browser beyond one key an image: several labels, doubts, missing classes, copies."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.labels.versions import labels_at
from core.quality.duplicates import similar_images
from core.quality.queue import QueueRequest
from core.workspace import Workspace
from dashboard.handover import keep_selection
from tests.tagged import tagged

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
expect.set_options(timeout=40_000)


def journal(server: Server) -> list[tuple[str, str, str | None, str | None]]:
    """(item, kind, class, new) of every edit, oldest first."""
    database = sqlite3.connect(f"file:{server.workspace / 'labels.db'}?mode=ro", uri=True)
    try:
        query = "SELECT item_id, kind, class_name, new FROM edits ORDER BY number"
        return database.execute(query).fetchall()
    finally:
        database.close()


def open_relabel(page: Page, server: Server, address: str) -> None:
    page.goto(f"{server.url}/relabel?{address}")
    expect(page.locator(".review.focused")).to_be_visible()


def saved(page: Page, n: int) -> None:
    expect(page.locator(".review .saved")).to_have_text(f"saved {n} · pending 0")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_several_labels_are_toggled_confirmed_and_taken_back(page: Page, server: Server) -> None:
    workspace = Workspace(server.workspace)
    tags = tagged(workspace, open_dataset(workspace, "fashion-mnist-sample"))
    ids = [str(one) for one in tags.item_ids]
    open_relabel(page, server, f"data={tags.name}")
    rows = page.locator(".review .class")
    expect(rows.nth(1)).to_have_attribute("data-answer", "unknown")
    press(page, "2", "2", "3")
    expect(rows.nth(1)).to_have_attribute("data-answer", "no")
    press(page, "Shift+Digit3")
    expect(rows.nth(2)).to_have_attribute("data-answer", "unknown")
    press(page, "Space")
    expect(page.locator(".review .place")).to_have_text("2 of 120")
    saved(page, 5)
    said = journal(server)
    assert {item for item, *_ in said} == {ids[0]}
    assert [tuple(row[1:]) for row in said[:4]] == [
        ("label", "sleeves", "yes"),
        ("label", "sleeves", "no"),
        ("label", "whole body", "yes"),
        ("label", "whole body", "unknown"),
    ]
    assert said[4][1] == "confirm"
    press(page, "u", "u")
    saved(page, 7)
    state = labels_at(workspace, tags)
    assert not state.confirmed[0]
    assert state.labels[0, 2] == 1  # what it was before Shift+3

    open_relabel(page, server, f"data={tags.name}&queue_label=footwear")
    press(page, "n", "y", "?")
    expect(page.locator(".review .place")).to_have_text("4 of 120")
    saved(page, 3)
    assert [tuple(row) for row in journal(server)[7:]] == [
        (ids[0], "label", "footwear", "no"),
        (ids[1], "label", "footwear", "yes"),
        (ids[2], "label", "footwear", "unknown"),
    ]


def test_doubts_and_missing_classes_are_kept_and_become_a_data_set(page: Page, server: Server) -> None:
    open_relabel(page, server, "data=fashion-mnist-sample")
    press(page, "-", "/")
    field = page.locator(".review .palette input")
    field.fill("trou")
    expect(page.locator(".review .choice[aria-selected=true]")).to_have_text("Trouser")
    field.press("Enter")
    press(page, "/")
    field.fill("rain coat")
    expect(page.locator(".review .choice")).to_have_text(["New class: rain coat"])
    field.press("Enter")
    saved(page, 3)
    assert [(kind, new) for _, kind, _, new in journal(server)] == [
        ("unsure", "Ankle boot"),
        ("label", "Trouser"),
        ("propose", "rain coat"),
    ]
    page.reload()
    page.get_by_role("button", name="Make a data set with them").click()
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/explore?*data=fashion-mnist-sample-2*")
    made = open_dataset(Workspace(server.workspace), "fashion-mnist-sample-2")
    assert made.classes[-1] == "rain coat"


def test_one_key_settles_copies(page: Page, server: Server) -> None:
    workspace = Workspace(server.workspace)
    sample = open_dataset(workspace, "fashion-mnist-sample")
    similar = similar_images(workspace, sample)
    group = similar.members[similar.starts[0] : similar.starts[1]].tolist()
    others = [one for one in range(20) if one not in group][:2]
    queue = (group[0], others[0], *group[1:], others[1])
    ids = tuple(str(sample.item_ids[one]) for one in queue)
    name = keep_selection(workspace, QueueRequest("selection", item_ids=ids))
    open_relabel(page, server, f"queue=Your+selection&queue_picked={name}&queue_together=true")
    n = len(group)
    expect(page.locator(".review .batch")).to_contain_text(f"{n} nearly the same: one key settles them all")
    press(page, "9")
    saved(page, n)
    assert {item for item, *_ in journal(server)} == {str(sample.item_ids[one]) for one in group}
    expect(page.locator(".review .place")).to_have_text(f"{n + 1} of {n + 2}")
    press(page, "u")
    saved(page, 2 * n)
    assert not labels_at(workspace, sample).reviewed.any()
    press(page, "=", "9")
    expect(page.locator(".review .place")).to_have_text(f"2 of {n + 2}")
    saved(page, 2 * n + 1)
