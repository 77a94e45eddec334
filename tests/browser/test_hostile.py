"""Markup in every name, on every page of a real browser: it is shown as text, and no script of it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from dashboard.frame import PAGES
from tests.browser.conftest import Server, settled
from tests.browser.hostile import hostile
from tests.crash.whole import CLOTHES, TAGGED

ADDRESSES = [Path(file).stem for entries in PAGES.values() for file, _, _ in entries]
OF_SEVERAL = ["overview", "explore", "evaluate", "issues", "fill", "relabel"]
"""Pages that show other panels where images have several labels, or captions."""
FOUND = """() => ({
    pwned: window.pwned === undefined ? null : window.pwned,
    built: [...document.querySelectorAll("[src=x], svg[onload], [onerror], a[href^='javascript:']")]
        .map((one) => one.outerHTML),
    styles: [...document.styleSheets].filter((one) => one.ownerNode?.textContent == "*{display:none}").length,
    text: document.body.innerText,
})"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server over a workspace full of markup."""
    server = Server(hostile(tmp_path / "workspace"))
    server.start()
    yield server
    server.kill()


@pytest.mark.browser
@pytest.mark.parametrize("data", [CLOTHES, TAGGED])
def test_no_name_becomes_markup(page: Page, server: Server, data: str) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    page.set_default_timeout(120_000)
    shown = 0
    for name in ADDRESSES if data == CLOTHES else OF_SEVERAL:
        address = "" if name == "overview" else name
        page.goto(f"{server.url}/{address}?data={data}")
        page.get_by_test_id("stHeading").first.wait_for()
        settled(page)
        found = page.evaluate(FOUND)
        assert (found["pwned"], found["built"], found["styles"]) == (None, [], 0), name
        assert "Something went wrong" not in found["text"], name
        shown += found["text"].count("window.pwned")
    assert shown > 10, "the names are hardly shown at all"
    log = server.log.read_text()
    assert "Traceback" not in log, log[-3_000:]
