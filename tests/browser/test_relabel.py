"""Relabelling in a real browser: every key press arrives in the journal, once, whatever happens."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.quality.queue import QueueRequest
from core.workspace import Workspace
from dashboard.handover import keep_selection

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
expect.set_options(timeout=40_000)  # a server of its own starts with every test


def journal(server: Server) -> list[tuple[str, str, str | None]]:
    """(item, kind, new) of every edit, oldest first."""
    database = sqlite3.connect(f"file:{server.workspace / 'labels.db'}?mode=ro", uri=True)
    try:
        return database.execute("SELECT item_id, kind, new FROM edits ORDER BY number").fetchall()
    finally:
        database.close()


def open_relabel(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/relabel")
    expect(page.locator(".review .place")).to_have_text("1 of 6,000")
    expect(page.locator(".review.focused")).to_be_visible()


def saved(page: Page, n: int) -> None:
    expect(page.locator(".review .saved")).to_have_text(f"saved {n} · pending 0", timeout=20_000)


def test_ten_images_by_keyboard(page: Page, server: Server) -> None:
    open_relabel(page, server)
    for key in ("1", "2", "3", "4", "5", "6", "7", " ", "x", "0"):
        page.keyboard.press(key)
    expect(page.locator(".review .place")).to_have_text("11 of 6,000")
    saved(page, 10)
    edits = journal(server)
    assert len({item for item, _, _ in edits}) == len(edits) == 10
    assert [kind for _, kind, _ in edits[7:9]] == ["confirm", "exclude"]
    assert [new for _, _, new in edits[:3]] == ["T-shirt/top", "Trouser", "Pullover"]

    page.keyboard.press("u")
    saved(page, 11)
    page.keyboard.press("Shift+U")
    saved(page, 12)
    assert [kind for _, kind, _ in journal(server)[10:]] == ["undo", "undo"]


def test_a_burst_of_keys_loses_none(page: Page, server: Server) -> None:
    open_relabel(page, server)
    page.evaluate(
        """async () => {
             const find = (root) => {
               for (const node of root.querySelectorAll('*')) {
                 if (node.matches('.review')) return node;
                 const inner = node.shadowRoot && find(node.shadowRoot);
                 if (inner) return inner;
               }
             };
             const review = find(document);
             for (let i = 0; i < 20; i++) {
               const key = String(1 + (i % 9));
               review.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
               await new Promise((done) => setTimeout(done, 5));
             }
           }"""
    )
    saved(page, 20)
    edits = journal(server)
    assert len({item for item, _, _ in edits}) == len(edits) == 20


def test_letters_of_another_alphabet_count_by_their_place(page: Page, server: Server) -> None:
    open_relabel(page, server)
    review = page.locator(".review")
    for key, code in (("ы", "KeyS"), ("σ", "KeyS"), ("ב", "KeyX")):
        review.dispatch_event("keydown", {"key": key, "code": code})
    expect(page.locator(".review .place")).to_have_text("4 of 6,000")
    saved(page, 1)
    assert [kind for _, kind, _ in journal(server)] == ["exclude"]
    review.dispatch_event("keydown", {"key": "г", "code": "KeyU"})
    saved(page, 2)


def test_edits_wait_out_a_dead_server_and_a_reload_and_arrive_once(page: Page, server: Server) -> None:
    open_relabel(page, server)
    page.keyboard.press("1")
    saved(page, 1)
    server.kill()
    for key in ("2", "3", "4"):
        page.keyboard.press(key)
    expect(page.locator(".review .banner")).to_contain_text("3 edits wait in this browser")
    expect(page.locator(".review .saved")).to_have_text("saved 1 · pending 3")
    assert len(journal(server)) == 1
    server.start()
    saved(page, 4)
    assert len(journal(server)) == 4

    server.kill()
    page.keyboard.press("5")
    expect(page.locator(".review .saved")).to_contain_text("pending 1")
    server.start()
    page.goto(f"{server.url}/relabel")
    expect(page.locator(".review .saved")).to_contain_text("pending 0")
    expect(page.locator(".review .place")).to_be_visible()
    page.wait_for_function("Object.keys(localStorage).every((key) => !key.startsWith('tidyset-outbox'))")
    edits = journal(server)
    assert len({item for item, _, _ in edits}) == len(edits) == 5


def test_the_grid_labels_all_that_are_selected(page: Page, server: Server) -> None:
    open_relabel(page, server)
    page.keyboard.press("g")
    tiles = page.locator(".review .tile")
    tiles.nth(2).click()
    tiles.nth(6).click(modifiers=["Shift"])
    expect(page.locator(".review .tile[aria-selected=true]")).to_have_count(5)
    page.keyboard.press("9")
    saved(page, 5)
    assert {kind_new for _, *kind_new in map(tuple, journal(server)) for kind_new in [tuple(kind_new)]} <= {
        ("label", "Bag"),
        ("confirm", "Bag"),
    }
    expect(tiles.nth(4).locator(".caption")).to_have_text("Bag")


def test_a_full_disk_is_told_and_nothing_counts_as_saved(page: Page, server: Server) -> None:
    open_relabel(page, server)
    blocked = server.workspace / "labels.db"
    blocked.mkdir()
    page.keyboard.press("1")
    expect(page.locator(".review .banner")).to_contain_text("could not be")
    expect(page.locator(".review .saved")).to_have_text("saved 0 · pending 1")
    blocked.rmdir()
    saved(page, 1)
    assert len(journal(server)) == 1


def test_an_image_is_held_against_others_and_looked_at_closely(page: Page, server: Server) -> None:
    open_relabel(page, server)
    company = page.locator(".review .company")
    expect(company.get_by_text("Typical Ankle boot")).to_be_visible()
    expect(company.locator("figure")).to_have_count(6)
    page.keyboard.press(".")
    expect(company).to_be_hidden()
    page.keyboard.press("+")
    expect(page.locator(".review .frame.zoomed")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".review .frame.zoomed")).to_have_count(0)
    page.keyboard.press(".")
    expect(company.locator("figure").first).to_be_visible()


def test_keys_beyond_the_end_change_nothing(page: Page, server: Server) -> None:
    workspace = Workspace(server.workspace)
    sample = open_dataset(workspace, "fashion-mnist-sample")
    name = keep_selection(workspace, QueueRequest("selection", item_ids=tuple(sample.item_ids[:3].tolist())))
    page.goto(f"{server.url}/relabel?queue=Your+selection&queue_picked={name}")
    expect(page.locator(".review .place")).to_have_text("1 of 3")
    expect(page.locator(".review.focused")).to_be_visible()
    for key in "12345":
        page.keyboard.press(key)
    expect(page.locator(".review .end")).to_contain_text("That was the last one")
    saved(page, 3)
    assert [new for _, _, new in journal(server)] == ["T-shirt/top", "Trouser", "Pullover"]
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".review .place")).to_have_text("2 of 3")
    page.keyboard.press("7")
    saved(page, 4)


def test_the_next_part_comes_by_itself(page: Page, server: Server) -> None:
    open_relabel(page, server)
    page.keyboard.press("End")
    expect(page.locator(".review .place")).to_have_text("500 of 6,000")
    page.keyboard.press("s")
    expect(page.locator(".review .place")).to_have_text("501 of 6,000")
    page.keyboard.press("1")
    saved(page, 1)
    sample = open_dataset(Workspace(server.workspace), "fashion-mnist-sample")
    assert [item for item, _, _ in journal(server)] == [sample.item_ids[500]]
