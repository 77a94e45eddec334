"""What the crawler leaves alone, pressed in a real browser: it writes, or starts a job that goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from core.evaluation.thresholds import load_thresholds
from core.quality import evidence, mismatch
from core.runs import launch
from core.runs.store import Run, RunState, find_run, list_runs, status
from core.workspace import Workspace
from tests.browser.conftest import Server, settled
from tests.crash.whole import CLOTHES, TAGGED, unpacked
from tests.finished_runs import SAMPLE

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)
WORKED = 120_000  # milliseconds, for a worker to begin and to be done


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a workspace with everything in it."""
    server = Server(unpacked(tmp_path_factory.mktemp("pressed") / "workspace"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def workspace(server: Server) -> Workspace:
    return Workspace(server.workspace)


def in_table(page: Page, words: str) -> Locator:
    """Cells of the list of runs: drawn on a canvas, inside which their words stand for screen readers."""
    return page.locator("[class*=st-key-runs_] canvas [role=gridcell]").filter(has_text=words)


def choose_run(page: Page, name: str) -> Locator:
    """Tick the first run of the list, which is called so; what can be done with it."""
    expect(in_table(page, name).first).to_be_attached()
    settled(page)
    rows = page.locator("[class*=st-key-runs_] .dvn-scroller")
    rows.click(position={"x": 16, "y": 52}, force=True)
    actions = page.locator(".st-key-run_actions")
    expect(actions).to_contain_text(name)
    return actions


def opened(actions: Locator, name: str) -> Locator:
    actions.get_by_role("button", name=name).click()
    return actions.page.get_by_test_id("stPopoverBody")


def closed(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    settled(page)


def test_a_run_is_renamed_noted_tagged_found_and_deleted(
    page: Page, server: Server, workspace: Workspace
) -> None:
    page.goto(f"{server.url}/train?data={CLOTHES}")
    actions = choose_run(page, "second")

    body = opened(actions, "Rename")
    body.get_by_label("Name").fill("plain-one")
    body.get_by_role("button", name="Rename it").click()
    expect(actions).to_contain_text("plain-one")
    expect(in_table(page, "plain-one")).to_be_attached()
    closed(page)

    body = opened(actions, "Notes")
    body.get_by_label("Notes").fill("less noise than before")
    body.get_by_role("button", name="Keep").click()
    expect(in_table(page, "less noise than before")).to_be_attached()
    closed(page)

    body = opened(actions, "Tags")
    body.get_by_role("combobox").fill("keeper")
    body.get_by_role("combobox").press("Enter")
    body.get_by_role("combobox").press("Tab")  # closes the list of tags
    body.get_by_role("button", name="Keep", exact=True).click()
    words = page.get_by_label("Find")
    expect(words).to_be_visible()  # where a run has a tag, runs can be found
    closed(page)
    run = find_run(workspace, "plain-one")
    assert (run.notes, run.tags) == ("less noise than before", ("keeper",))

    words.fill("noise")
    words.press("Enter")
    expect(in_table(page, "first")).to_have_count(0)
    actions = choose_run(page, "plain-one")
    body = opened(actions, "Delete")
    expect(body).to_contain_text("plain-one")
    body.get_by_role("button", name="Delete it").click()
    expect(in_table(page, "first")).to_be_attached()
    expect(in_table(page, "plain-one")).to_have_count(0)
    assert not run.folder.exists()


def test_how_long_a_training_takes_is_found_out(page: Page, server: Server, workspace: Workspace) -> None:
    before = [run.name for run in list_runs(workspace)]
    page.goto(f"{server.url}/train?data={CLOTHES}")
    page.get_by_role("button", name="How long will it take?").click()
    expect(page.get_by_text(re.compile("Takes about .*, after a short trial"))).to_be_visible(timeout=WORKED)
    assert [run.name for run in list_runs(workspace)] == before


def test_label_errors_are_looked_for_and_the_search_is_stopped(
    page: Page, server: Server, workspace: Workspace
) -> None:
    page.goto(f"{server.url}/issues?data={SAMPLE}")
    page.get_by_role("button", name="Look for label errors").click()
    job = page.locator("[class*=st-key-job_]")
    expect(job.get_by_role("progressbar")).to_be_visible()
    job.get_by_role("button", name="Stop").click()
    expect(job).to_contain_text("is stopped. It goes on with what is missing.", timeout=WORKED)
    expect(job.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_role("button", name="Search again")).to_be_visible()
    (run,) = list_runs(workspace, dataset=SAMPLE, kind=evidence.KIND)
    assert status(run).state is RunState.STOPPED


def done(run: Run) -> Run:
    """The run, once its worker has finished it."""
    assert launch.wait(run, timeout=120).state is RunState.FINISHED, status(run).error
    return run


def test_captions_that_do_not_match_are_looked_for(page: Page, server: Server, workspace: Workspace) -> None:
    page.goto(f"{server.url}/issues?look=Captions&data={TAGGED}")
    (before,) = list_runs(workspace, dataset=TAGGED, kind=mismatch.KIND)
    expect(page.locator(f".st-key-mismatches_{before.id}")).to_be_visible()
    page.get_by_role("button", name="Look for mismatches").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator(f".st-key-mismatches_{before.id}")).to_have_count(0, timeout=WORKED)
    run = done(list_runs(workspace, dataset=TAGGED, kind=mismatch.KIND)[0])
    expect(page.locator(f".st-key-mismatches_{run.id}")).to_be_visible()


def test_a_threshold_moved_by_hand_is_saved_with_the_run(
    page: Page, server: Server, workspace: Workspace
) -> None:
    run = find_run(workspace, "many")
    page.goto(f"{server.url}/evaluate?data={TAGGED}")
    save = page.get_by_role("button", name="Save with the run")
    expect(save).to_be_disabled()
    page.get_by_role("slider", name="Threshold").press("ArrowRight")
    expect(save).to_be_enabled()
    save.click()
    expect(save).to_be_disabled()
    kept = load_thresholds(run.folder, 3)
    assert kept.aim == "manual"
    assert kept.values == pytest.approx((0.405, 0.5, 0.6))
