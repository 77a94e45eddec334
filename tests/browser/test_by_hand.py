"""What people do with a browser: keys alone, two tabs at once, back and forward, a reload on the way."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.labels.versions import labels_at
from core.quality.evidence import create_search
from core.quality.queue import QueueRequest
from core.runs.store import create_run
from core.worker import work
from core.workspace import Workspace
from dashboard.handover import keep_selection
from tests.browser.conftest import Server, reach, settled
from tests.finished_runs import SAMPLE
from tests.furnished import TINY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
PATIENCE = 120_000  # milliseconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for this file, over a workspace with a trained model and a search for wrong labels."""
    root = tmp_path_factory.mktemp("by_hand") / "workspace"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDYSET_WORKSPACE", str(root))
        patch.delenv("TIDYSET_DATABASE_URL", raising=False)
        workspace = Workspace(root)
        sample = open_dataset(workspace, SAMPLE)
        assert work(create_run(workspace, sample, TINY, name="first").folder) == 0
        assert work(create_search(workspace, sample, TINY, label_version=0, n_folds=2).folder) == 0
    server = Server(root)
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def patient() -> None:
    expect.set_options(timeout=PATIENCE)


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()
    settled(page)


def edits(server: Server) -> list[tuple[str, str]]:
    """(item, new label) of every edit, oldest first."""
    with sqlite3.connect(f"file:{server.workspace / 'labels.db'}?mode=ro", uri=True) as database:
        return database.execute("SELECT item_id, new FROM edits ORDER BY number").fetchall()


def test_two_tabs_see_each_other_and_settle_in_the_order_of_the_journal(page: Page, server: Server) -> None:
    workspace = Workspace(server.workspace)
    sample = open_dataset(workspace, SAMPLE)
    ids = tuple(str(one) for one in sample.item_ids[sample.in_split("test")[:5]])
    picked = keep_selection(workspace, QueueRequest("selection", item_ids=ids))
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{server.url}/relabel?queue=Your+selection&queue_picked={picked}")
        expect(tab.locator(".review .place")).to_have_text("1 of 5")
        settled(tab)
        expect(tab.locator(".review.focused")).to_be_visible()

    page.bring_to_front()
    page.keyboard.press("1")
    expect(page.locator(".review .saved")).to_have_text("saved 1 · pending 0")
    other.bring_to_front()
    for key in "23":  # the first image once more, not knowing of the other tab, and the second
        other.keyboard.press(key)
    expect(other.locator(".review .saved")).to_contain_text("pending 0")
    assert edits(server) == [(ids[0], "T-shirt/top"), (ids[0], "Trouser"), (ids[1], "Pullover")]
    state = labels_at(workspace, sample)
    where = [sample.item_ids.tolist().index(one) for one in ids[:2]]
    assert state.labels[where].tolist() == [1, 2]

    page.bring_to_front()
    page.keyboard.press("Space")  # the second one, which the other tab has changed: nobody has seen that here
    banner = page.locator(".review .banner")
    expect(banner).to_contain_text("was changed after it was shown, and is now Pullover. Look again.")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".review .class[aria-pressed=true]")).to_contain_text("Pullover")
    assert len(edits(server)) == 3

    page.get_by_role("button", name="Refresh").click()
    expect(page.locator(".review .place")).to_have_text("3 of 5")
    page.locator(".review").focus()
    for name in ("Pullover", "Trouser"):
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".review .class[aria-pressed=true]")).to_contain_text(name)
    other.close()


def test_back_forward_and_a_reload_find_each_page_as_it_was_left(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/relabel?queue=All+images&queue_split=test")
    heading(page, "Relabel")
    split = page.get_by_role("combobox", name="Split")
    expect(split).to_have_value("test")
    page.get_by_role("link", name="Explore").click()
    heading(page, "Explore")
    page.reload()
    heading(page, "Explore")

    page.go_back()
    heading(page, "Relabel")
    expect(split).to_have_value("test")
    assert "queue_split=test" in page.url

    page.go_forward()
    heading(page, "Explore")


def test_back_leads_from_a_jump_to_where_it_began(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/evaluate?images=Test")
    heading(page, "Evaluate")
    page.get_by_role("button", name=re.compile(r"Review the [\d,]+")).click()
    heading(page, "Relabel")
    page.go_back()
    heading(page, "Evaluate")
    assert "queue" not in page.url
    page.go_forward()
    heading(page, "Relabel")
    assert "/relabel" in page.url


def test_keys_alone_go_round_the_loop(page: Page, server: Server) -> None:
    page.goto(server.url)
    heading(page, "Fashion-MNIST sample")
    reach(page, page.get_by_role("link", name="Explore"))
    page.keyboard.press("Enter")
    heading(page, "Explore")
    reach(page, page.get_by_role("link", name="Issues"))
    page.keyboard.press("Enter")
    heading(page, "Issues")
    reach(page, page.get_by_role("button", name=re.compile(r"Review the \d+")))
    page.keyboard.press("Enter")
    settled(page)
    expect(page.locator(".review.focused")).to_be_visible()
    for key in "12121":
        page.keyboard.press(key)
    expect(page.locator(".review .saved")).to_have_text("saved 5 · pending 0")
    reach(page, page.get_by_role("button", name="Retrain on the corrected labels"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/evaluate\?.*compare="), timeout=2 * PATIENCE)
    expect(page.get_by_text(re.compile("McNemar")).first).to_be_visible()
