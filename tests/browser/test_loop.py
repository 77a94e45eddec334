"""The whole loop in a real browser: open, explore, train, find, fix ten labels, retrain, read the verdict."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from core.runs import launch
from core.runs.store import RunState, list_runs
from core.workspace import Workspace

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
MINUTES = 60_000


def finished(server: Server) -> None:
    """Wait until the first run has ended well."""
    (run,) = list_runs(Workspace(server.workspace))
    assert launch.wait(run, timeout=180).state is RunState.FINISHED


def test_the_loop(page: Page, server: Server) -> None:
    expect.set_options(timeout=40_000)

    # Open: real images and a next step, with nothing set up.
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Fashion-MNIST sample")).to_be_visible()
    expect(page.get_by_text("Next step")).to_be_visible()

    # Look.
    page.get_by_role("link", name="Explore").click()
    expect(page.get_by_text("will be the hardest to tell apart")).to_be_visible()

    # Train, and watch the curve grow in place.
    page.get_by_role("link", name="Train").click()
    expect(page.get_by_text("Nothing was trained on this data set yet.")).to_be_visible()
    page.get_by_label("Name").fill("first")
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text(re.compile(r"first: (starting|epoch 1 of 4)"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"first: epoch [2-4] of 4"))).to_be_visible(timeout=3 * MINUTES)
    chart = page.locator("[data-testid=stEChartsChart] canvas").first
    expect(chart).to_be_visible()
    chart.evaluate("node => { window.chartOfTheTest = node }")
    before = chart.screenshot()
    expect(page.get_by_text(re.compile(r"first: epoch 4 of 4"))).to_be_visible(timeout=3 * MINUTES)
    assert chart.screenshot() != before
    assert chart.evaluate("node => node === window.chartOfTheTest"), "the chart was replaced, not updated"
    page.reload()
    finished(server)

    # Find: a cell of the confusion matrix, its images, and on to Relabel.
    page.get_by_role("link", name="Evaluate").click()
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    page.get_by_role("radio", name="Training").click()
    expect(page.get_by_text(re.compile(r"training images right"))).to_be_visible()
    expect(page).to_have_url(re.compile("images=Training"))
    cell = page.get_by_role("button", name="Shirt taken for T-shirt/top").first
    cell.click()
    expect(page.get_by_text(re.compile(r"images?, the surest first"))).to_be_visible()
    page.get_by_role("button", name="Send to Relabel").click()

    # Fix ten labels by keyboard.
    expect(page.locator(".review.focused")).to_be_visible()
    for _ in range(9):
        page.keyboard.press("1")
    page.keyboard.press(" ")
    expect(page.locator(".review .saved")).to_have_text("saved 10 · pending 0")
    with sqlite3.connect(f"file:{server.workspace / 'labels.db'}?mode=ro", uri=True) as database:
        edits = database.execute("SELECT kind, new FROM edits ORDER BY number").fetchall()
    assert len(edits) == 10
    assert edits.count(("label", "T-shirt/top")) == 9

    # Retrain on the corrected labels; the comparison opens by itself, with the verdict.
    page.get_by_role("button", name="Retrain on the corrected labels").click()
    expect(page).to_have_url(re.compile(r"/evaluate\?.*compare="), timeout=6 * MINUTES)
    verdict = page.get_by_role("alert").or_(page.get_by_role("status"))
    expect(verdict.get_by_text(re.compile(r"significant|better|worse")).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"McNemar")).first).to_be_visible()
