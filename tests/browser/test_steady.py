"""Nothing jumps: what a page shows stays where it is while the rest arrives, and while a run goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.runs.store import Run, create_run
from core.workspace import Workspace
from tests.browser.conftest import settled
from tests.finished_runs import SAMPLE, small_recipe

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
expect.set_options(timeout=60_000)
MOST = 0.05
"""Of the Cumulative Layout Shift; up to 0.1 counts as good (web.dev/articles/cls)."""
LOADS = 2
"""The better of so many counts: on a busy machine a page arrives in more pieces than there are."""
N_EPOCHS = 12

# Every shift that no key and no click brought about, once the heading and the sidebar are there.
WATCH = """
window.shifts = [];
window.painted = Infinity;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    if (!one.hadRecentInput) {
      const moved = one.sources.map((source) => (source.node?.innerText || "").slice(0, 60));
      window.shifts.push({at: one.startTime, value: one.value, moved});
    }
  }
}).observe({type: "layout-shift", buffered: true});
const watch = () => {
  const there = document.querySelector("[data-testid=stMain] h1")
    && document.querySelector("[data-testid=stSidebarUserContent]")?.offsetHeight > 0;
  const paint = () => { window.painted = performance.now(); };
  requestAnimationFrame(there ? () => requestAnimationFrame(paint) : watch);
};
watch();
"""


def shifts(page: Page) -> list[dict[str, object]]:
    """What moved since the first paint, oldest first."""
    return list(page.evaluate("window.shifts.filter((one) => one.at >= window.painted)"))


def moved(found: list[dict[str, object]]) -> float:
    return sum(float(str(one["value"])) for one in found)


@pytest.fixture
def running(server: Server) -> Iterator[Run]:
    """A run in its first epoch, whose worker this test is."""
    workspace = Workspace(server.workspace)
    run = create_run(workspace, open_dataset(workspace, SAMPLE), small_recipe(epochs=N_EPOCHS), name="r1")
    with FileLock(run.lock_file, is_singleton=False):
        run.events.append("started", epochs=N_EPOCHS, n_train=4500, resumed_from=None)
        epoch(run, 1)
        yield run


def epoch(run: Run, number: int) -> None:
    """Report an epoch as a worker would."""
    figures = {"train_loss": 1 / number, "train_accuracy": 1 - 0.5 / number}
    figures |= {"valid_loss": 1.2 / number, "valid_accuracy": 1 - 0.6 / number, "valid_macro_f1": 0.5}
    run.events.append(
        "epoch", epoch=number, seconds=1.0, learning_rate=1e-3, images_per_second=4500.0, **figures
    )


def arrive(page: Page, address: str) -> None:
    """Open a page and wait until all of it is there."""
    page.goto(address)
    page.locator("[data-testid=stMain] h1").wait_for()
    settled(page)
    page.wait_for_function("document.querySelector('[data-testid=stSkeleton]') === null")
    page.wait_for_load_state("networkidle")


def test_pages_stay_while_the_rest_of_them_arrives_and_while_a_run_goes_on(
    page: Page, server: Server, running: Run
) -> None:
    page.add_init_script(WATCH)
    for address in ("/", "/issues", "/train"):
        loads = []
        while not loads or (moved(loads[-1]) >= MOST and len(loads) < LOADS):
            arrive(page, f"{server.url}{address}")
            loads.append(shifts(page))
        assert moved(loads[-1]) < MOST, (address, loads)
    expect(page.get_by_text(re.compile(rf"epoch 2 of {N_EPOCHS}"))).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    before = len(shifts(page))
    for number in range(2, 5):
        epoch(running, number)
        expect(page.get_by_text(re.compile(rf"epoch {number + 1} of {N_EPOCHS}"))).to_be_visible()
    found = shifts(page)[before:]
    assert moved(found) < MOST, found
