"""The whole loop by keyboard alone: look, train, find, fix, retrain. The mouse is never touched."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.labels.journal import LabelJournal
from core.runs import launch
from core.runs.presets import save_preset
from core.runs.recipe import make_recipe
from core.runs.store import RunState, list_runs
from core.workspace import Workspace
from tests.browser.conftest import Server, settled
from tests.finished_runs import SAMPLE

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
MINUTES = 60_000
MOST_TABS = 120

# The name by which a screen reader would call what has the focus.
FOCUSED = """() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  if (!node || node === document.body) return '';
  const ids = node.getAttribute('aria-labelledby')?.split(' ') ?? [];
  const names = ids.map((id) => document.getElementById(id));
  const label = node.getAttribute('aria-label') || names.map((one) => one?.innerText ?? '').join(' ');
  return (label || node.innerText || node.value || '').trim();
}"""


def go_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press ``key`` until the focus is on what is called ``name`` (a regular expression)."""
    passed = []
    for _ in range(MOST_TABS):
        page.keyboard.press(key)
        focused = page.evaluate(FOCUSED)
        if re.search(name, focused):
            return
        passed.append(focused.replace("\n", " ")[:40])
    raise AssertionError(f"no {key} leads to {name!r}, only to {passed}")


def open_page(page: Page, name: str) -> None:
    """Go to a page by its link in the sidebar; the link is an icon's word and the name."""
    page.evaluate("document.activeElement?.blur()")
    go_to(page, rf"(^|\s){name}$")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/{name.lower()}"))
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    settled(page)


def test_the_loop_by_keyboard_alone(page: Page, server: Server) -> None:
    expect.set_options(timeout=2 * MINUTES)
    workspace = Workspace(server.workspace)
    quick = {"width": 8, "epochs": 1, "batch_size": 64, "learning_rate": 0.01, "image_size": 14, "threads": 1}
    save_preset(workspace, "quick", make_recipe(quick))
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    settled(page)

    open_page(page, "Explore")
    go_to(page, "^train$")
    go_to(page, "^test$", "ArrowRight")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("split=test"))

    open_page(page, "Train")
    go_to(page, "^(baseline|fast)$")
    go_to(page, "^quick$", "ArrowRight")
    page.keyboard.press("Space")
    expect(page.get_by_text("A preset of this workspace.")).to_be_visible()
    settled(page)
    go_to(page, "Start training")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    (run,) = list_runs(workspace)
    assert launch.wait(run, timeout=300).state is RunState.FINISHED

    open_page(page, "Evaluate")
    go_to(page, r"Review the [\d,]+ mistakes")
    page.keyboard.press("Enter")
    expect(page.locator(".review.focused")).to_be_visible()
    for key in ("1", "1", "Space"):
        page.keyboard.press(key)
    expect(page.locator(".review .saved")).to_contain_text("pending 0")
    edits = LabelJournal(workspace).edits(open_dataset(workspace, SAMPLE).name)
    assert len(edits) == 3

    go_to(page, "Retrain on the corrected labels", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/evaluate\?.*compare="), timeout=5 * MINUTES)
    assert len(list_runs(workspace)) == 2
