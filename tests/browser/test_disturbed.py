"""What may come between a person and the page: a slow line, the Back button, a second tab, a new server."""

from __future__ import annotations

import re
import sqlite3

import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.runs import launch
from core.runs.recipe import make_recipe
from core.runs.store import Run, RunState, create_run, status
from core.workspace import Workspace
from tests.browser.conftest import Server, settled
from tests.finished_runs import SAMPLE

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
    page.get_by_role("link", name="Explore").click()
    heading(page, "Explore")


def test_back_and_forward_bring_page_data_and_filters(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/explore?data={SAMPLE}")
    heading(page, "Explore")
    page.get_by_test_id("stMain").get_by_text("test", exact=True).first.click()
    expect(page).to_have_url(re.compile("split=test"))
    expect(page.get_by_text("1,000 images of 6,000")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="Relabel").click()
    expect(page.locator(".review")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="History").click()
    heading(page, "History")
    page.go_back()
    expect(page.locator(".review")).to_be_visible(timeout=PATIENCE)
    page.go_back()
    heading(page, "Explore")
    page.go_forward()
    expect(page.locator(".review")).to_be_visible(timeout=PATIENCE)


@pytest.mark.slow
def test_two_tabs_follow_one_run_over_a_new_server_without_a_reload(page: Page, server: Server) -> None:
    workspace = Workspace(server.workspace)
    recipe = make_recipe({"width": 4, "epochs": 5_000, "batch_size": 512, "threads": 1})
    run = create_run(workspace, open_dataset(workspace, SAMPLE), recipe, name="long")
    launch.start(run)
    try:
        _followed(page, server, run)
    finally:
        if status(run).state.active:
            launch.request_stop(run)
            launch.wait(run, timeout=60)


def _followed(page: Page, server: Server, run: Run) -> None:
    epoch = re.compile(r"long: epoch \d+ of 5000")
    page.goto(f"{server.url}/train")
    expect(page.get_by_text(epoch)).to_be_visible(timeout=3 * PATIENCE)
    other = page.context.new_page()
    other.goto(f"{server.url}/train")
    expect(other.get_by_text(epoch)).to_be_visible(timeout=PATIENCE)

    server.kill()
    server.start()
    before = len(status(run).epochs)
    page.wait_for_function(
        """before => { const at = document.body.innerText.match(/epoch (\\d+) of 5000/);
                       return at !== null && Number(at[1]) > before }""",
        arg=before + 1,
        timeout=2 * PATIENCE,
    )
    other.get_by_test_id("stMain").get_by_role("button", name="Stop").first.click()
    for tab in (other, page):
        expect(tab.get_by_role("button", name="Resume").first).to_be_visible(timeout=PATIENCE)
    assert launch.wait(run, timeout=60).state is RunState.STOPPED
