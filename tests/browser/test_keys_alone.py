"""Somebody without a mouse does the whole loop, from a workspace in which nothing was ever done."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from core.data.catalog import open_dataset
from core.labels.journal import EditKind, LabelJournal
from core.labels.versions import labels_at
from core.runs.store import RunState, list_runs, status
from core.workspace import Workspace
from tests.browser.conftest import Server, reach, settled
from tests.finished_runs import SAMPLE

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
PATIENCE = 40_000  # milliseconds
MINUTES = 60_000


def press(page: Page, target: Locator, key: str = "Tab") -> None:
    reach(page, target, key)
    page.keyboard.press("Enter")


def turn_to(page: Page, link: str, title: str) -> None:
    press(page, page.get_by_role("link", name=link, exact=True))
    expect(page.get_by_role("heading", level=1, name=title, exact=True)).to_be_visible()
    settled(page)


def test_training_fixing_proving_and_taking_back_need_no_mouse(page: Page, server: Server) -> None:
    expect.set_options(timeout=PATIENCE)
    workspace = Workspace(server.workspace)
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1, name="Fashion-MNIST sample")).to_be_visible()

    # Train, for the first time.
    turn_to(page, "Train", "Train")
    reach(page, page.get_by_label("Name", exact=True))
    page.keyboard.type("first")
    press(page, page.get_by_role("button", name="Start training"))
    expect(page.get_by_text(re.compile(r"first: (starting|epoch \d of 4)"))).to_be_visible()
    expect(page.get_by_text("first: ", exact=False).first).not_to_be_visible(timeout=4 * MINUTES)
    (run,) = list_runs(workspace)
    assert status(run).state is RunState.FINISHED

    # Find what it got wrong, and fix some labels.
    turn_to(page, "Evaluate", "Evaluate")
    press(page, page.get_by_role("button", name=re.compile(r"(Review|Look at) the [\d,]+")))
    expect(page.locator(".review.focused")).to_be_visible()
    for key in ("Space", "1", "2", "1"):
        page.keyboard.press(key)
    expect(page.locator(".review .saved")).to_have_text("saved 4 · pending 0")

    # Take it all back, think again.
    turn_to(page, "History", "History")
    reach(page, page.get_by_role("combobox", name="What"))
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    settled(page)
    press(page, page.get_by_role("button", name=re.compile(r"^.*Take back all \d")))
    press(page, page.get_by_role("button", name=re.compile(r"Take back \d+ edit")))
    expect(page.get_by_text("taken back; that can be taken back too")).to_be_visible()
    edits = LabelJournal(workspace).edits(SAMPLE)
    assert edits[-1].kind is EditKind.UNDO

    # Fix others, and ask for the proof.
    turn_to(page, "Relabel", "Relabel")
    reach(page, page.locator(".review"))
    for key in "1212121212":
        page.keyboard.press(key)
    expect(page.locator(".review .saved")).to_contain_text("pending 0")
    turn_to(page, "Prove", "Prove")
    press(page, page.get_by_role("button", name="Prove it"))
    stop = page.get_by_role("button", name="Stop")
    press(page, stop)
    expect(stop).not_to_be_visible(timeout=2 * MINUTES)
    (proof,) = list_runs(workspace, kind="prove")
    assert status(proof).state is RunState.STOPPED
    assert labels_at(workspace, open_dataset(workspace, SAMPLE)).edited.any()
