"""What may come between a person and the page: a slow line, for labelling and for four more pages."""

from __future__ import annotations

import sqlite3

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, settled

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PATIENCE = 60_000
SLOW = {
    "offline": False,
    "latency": 400,
    "downloadThroughput": 50_000,
    "uploadThroughput": 20_000,
}
"""Milliseconds there and back, bytes a second: a telephone in a train."""


def heading(page: Page, name: str) -> None:
    """Wait for the page of this name."""
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible(timeout=PATIENCE)
    settled(page)


def test_on_a_slow_line_keys_are_not_held_up_and_all_arrive(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/relabel")
    expect(page.locator(".review.focused")).to_be_visible(timeout=PATIENCE)
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    for number in range(10):
        page.keyboard.press(str(number))
    expect(page.locator(".review .place")).to_have_text("11 of 6,000")  # painted before any answer
    expect(page.locator(".review .saved")).to_have_text("saved 10 · pending 0", timeout=PATIENCE)
    with sqlite3.connect(f"file:{server.workspace / 'labels.db'}?mode=ro", uri=True) as database:
        (n,) = database.execute("SELECT COUNT(DISTINCT item_id) FROM edits").fetchone()
    assert n == 10

    for name, last in {  # and the last thing that each page draws
        "Explore": page.locator(".item").first,
        "Train": page.get_by_text("Nothing was trained on this data set yet."),
        "History": page.get_by_text("Versions"),
        "Prove": page.get_by_role("button", name="Train a model"),
    }.items():
        page.get_by_role("link", name=name, exact=True).click()
        heading(page, name)
        expect(last).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text("Something went wrong")).to_have_count(0)
