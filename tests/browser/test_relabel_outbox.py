"""What waits in the browser: two tabs, reloads in mid-flight, an edit that can never be accepted."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from conftest import Server

pytestmark = pytest.mark.browser

NOTHING_WAITS = "Object.keys(localStorage).every((key) => !key.startsWith('tidyset-outbox'))"


def items(server: Server) -> list[str]:
    """The item of every edit in the journal."""
    database = sqlite3.connect(f"file:{server.workspace / 'labels.db'}?mode=ro", uri=True)
    try:
        return [item for (item,) in database.execute("SELECT item_id FROM edits ORDER BY number")]
    finally:
        database.close()


def open_relabel(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/relabel")
    expect(page.locator(".review.focused")).to_be_visible(timeout=40_000)


def press(page: Page, keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_reload_in_mid_flight_loses_and_doubles_nothing(page: Page, server: Server) -> None:
    open_relabel(page, server)
    for start in (0, 10, 20):
        press(page, "1234567890")
        page.reload()  # no waiting: some are saved, some are under way, some are only in the browser
        expect(page.locator(".review.focused")).to_be_visible(timeout=40_000)
        page.wait_for_function(NOTHING_WAITS)
        page.reload()  # the list begins after what is reviewed by now
        expect(page.locator(".review .place")).to_have_text(f"{start + 11} of 6,000", timeout=40_000)
        expect(page.locator(".review.focused")).to_be_visible(timeout=40_000)
    saved = items(server)
    assert len(set(saved)) == len(saved) == 30


def test_two_tabs_do_not_lose_one_anothers_edits(page: Page, server: Server) -> None:
    open_relabel(page, server)
    other = page.context.new_page()
    open_relabel(other, server)
    for _ in range(10):
        other.keyboard.press("ArrowRight")
    server.kill()
    page.bring_to_front()
    press(page, "123")
    other.bring_to_front()
    press(other, "456")
    page.bring_to_front()
    press(page, "789")
    server.start()
    third = page.context.new_page()  # takes on all that waits, while the other two still live
    open_relabel(third, server)
    page.close()
    third.wait_for_function(NOTHING_WAITS)
    saved = items(server)
    assert len(set(saved)) == len(saved) == 9


def test_an_edit_that_is_never_accepted_does_not_hold_up_the_others(page: Page, server: Server) -> None:
    open_relabel(page, server)
    press(page, "1")
    expect(page.locator(".review .saved")).to_have_text("saved 1 · pending 0")
    store = page.evaluate(PREFIX)
    expect(page.locator(".review .saved")).to_have_text("saved 2 · pending 0")
    waiting = {1: {"item": "", "kind": "confirm"}, 2: {"item": "train-00009", "kind": "exclude"}}
    for seq, edit in waiting.items():
        value = json.dumps({"who": "ann", "edit": {**edit, "evidence": {}}})
        page.evaluate(
            "([key, value]) => localStorage.setItem(key, value)", [f"{store}:older-01:{seq}", value]
        )
    strange = "tidyset-outbox:another-workspace:fashion-mnist-sample:0:older-02:1"
    page.evaluate("([key, value]) => localStorage.setItem(key, value)", [strange, value])
    page.reload()
    expect(page.locator(".review .banner")).to_contain_text("not accepted", timeout=40_000)
    expect(page.locator(".review .saved")).to_contain_text("pending 0")
    press(page, "2")
    expect(page.locator(".review .saved")).to_contain_text("saved 2 · pending 0")
    assert len(items(server)) == 4
    waits = page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('tidyset-outbox'))")
    assert waits == [strange]  # it belongs to another workspace


# Undoes, and returns the common beginning of the keys, seen by catching the one that this writes.
PREFIX = """async () => {
  const seen = [];
  const write = Storage.prototype.setItem;
  Storage.prototype.setItem = function (key, value) { seen.push(key); write.call(this, key, value); };
  const find = (root) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.matches('.review')) return node;
      const inner = node.shadowRoot && find(node.shadowRoot);
      if (inner) return inner;
    }
  };
  const press = (key) => new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
  find(document).dispatchEvent(press('u'));
  Storage.prototype.setItem = write;
  return seen.find((key) => key.startsWith('tidyset-outbox')).split(':').slice(0, -2).join(':');
}"""
