"""Training in a real browser: a run outlives the server, and a killed worker can be sent on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from core.runs import launch
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
expect.set_options(timeout=60_000)


def worker_of(run: Run) -> int:
    """The process id of the run's worker; process ids lie, but not while the worker is known to live."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"core.worker" in words and str(run.folder).encode() in words:
                return int(entry.name)
    raise AssertionError("the run has no worker")


@pytest.fixture
def long_run(page: Page, server: Server) -> Iterator[Run]:
    """A run of very many short epochs, started on the page and through its first epochs."""
    page.goto(f"{server.url}/train")
    page.get_by_text("Recipe", exact=True).click()
    page.get_by_role("tab", name="Optimisation").click()
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("900")
    epochs.press("Tab")
    expect(page.get_by_text(re.compile("Changed from the preset: .*900"))).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text(re.compile(r"epoch [2-9]\d* of 900"))).to_be_visible(timeout=180_000)
    (run,) = list_runs(Workspace(server.workspace))
    yield run
    if status(run).state.active:
        launch.request_stop(run)
        launch.wait(run, timeout=60)


def test_a_run_goes_on_without_its_server(page: Page, server: Server, long_run: Run) -> None:
    server.kill()
    before = len(status(long_run).epochs)
    while len(status(long_run).epochs) < before + 2:
        assert status(long_run).state is RunState.RUNNING
        launch.wait(long_run, timeout=0.5)
    server.start()
    page.goto(f"{server.url}/train")
    expect(page.get_by_text(re.compile(rf"{long_run.name}: epoch \d+ of 900, .*left"))).to_be_visible()
    shown = page.get_by_text(re.compile(r"epoch \d+ of 900")).inner_text()
    assert int(re.findall(r"epoch (\d+)", shown)[0]) > before

    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()  # not Streamlit's own
    expect(page.get_by_role("button", name="Resume").first).to_be_visible()
    assert launch.wait(long_run, timeout=60).state is RunState.STOPPED


def test_a_killed_worker_shows_as_crashed_and_goes_on(page: Page, server: Server, long_run: Run) -> None:
    os.kill(worker_of(long_run), signal.SIGKILL)
    expect(page.get_by_text("The worker ended without a word")).to_be_visible()
    assert status(long_run).state is RunState.LOST
    before = len(status(long_run).epochs)
    page.get_by_role("button", name="Resume").first.click()
    expect(page.get_by_text(re.compile(r"epoch \d+ of 900, .*left"))).to_be_visible(timeout=120_000)
    while (started := status(long_run).started) is None or started["resumed_from"] is None:
        assert status(long_run).state.active
        launch.wait(long_run, timeout=0.5)
    while len(status(long_run).epochs) <= before:
        assert status(long_run).state is RunState.RUNNING
        launch.wait(long_run, timeout=0.5)
