"""Every page in one browser: three kinds of data and an empty workspace, light and dark, wide and narrow.

One visit a page and data set looks at all of it at once, so that the whole stays cheap: loaded wide and
light, then darkened and narrowed in place. With ``TIDYSET_CRAWL=1`` every control is used, too (15 minutes).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, expect

from core.workspace import Workspace
from tests.browser.accessible import axe
from tests.browser.conftest import Server, settled
from tests.browser.crawler import Crawler
from tests.browser.left_alone import RULES
from tests.finished_runs import SAMPLE
from tests.furnished import DATASETS, furnish

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
CRAWL = os.environ.get("TIDYSET_CRAWL") == "1"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATIENCE = 60_000  # milliseconds; a busy machine is no fault of the page

FITS = "document.querySelector('[data-testid=stMain]').scrollWidth <= innerWidth"
GROUND = "(colour) => getComputedStyle(document.querySelector('.stApp')).backgroundColor === colour"
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 20, 25)"}

PAGES = (
    "",
    "explore",
    "clean",
    "train",
    "evaluate",
    "embeddings",
    "zero_shot",
    "issues",
    "relabel",
    "label_next",
    "fill",
    "agreement",
    "team",
    "history",
    "prove",
)
FULL = (
    *((data, page) for data in DATASETS for page in PAGES if page != "zero_shot"),
    *((data, "zero_shot?model=tiny") for data in DATASETS),
    (SAMPLE, "issues?look=Images"),
    (SAMPLE, "train?mode=Cross-validate"),
    ("captioned", "issues?look=Captions"),
)
USED = (
    *((SAMPLE, page) for page in PAGES if page != "zero_shot"),
    (SAMPLE, "zero_shot?model=tiny"),
    *(("tagged", page) for page in PAGES if page not in ("zero_shot", "team")),
    *(("captioned", page) for page in ("explore", "train", "evaluate", "relabel", "zero_shot?model=tiny")),
    ("captioned", "issues?look=Captions"),
)
"""Where every control is used: all pages on one label an image, those with other controls on the others."""

# Words that a box cuts off, outside Streamlit's own fields, where nothing else says them in full.
CLIPPED = """() => {
  const FIELDS = '[role=combobox], [data-baseweb=select], input';
  const found = [];
  const look = (root) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.shadowRoot) look(node.shadowRoot);
      const own = [...node.childNodes].some((part) => part.nodeType === 3 && part.textContent.trim());
      if (!own || node.clientWidth < 2 || node.closest(FIELDS)) continue;
      const style = getComputedStyle(node);
      if (style.fontFamily.includes('Material')) continue; // the name of an icon
      if (style.visibility === 'hidden' || style.overflowX === 'visible') continue;
      if (style.overflowX === 'auto' || style.overflowX === 'scroll') continue;
      const cut = node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 3;
      const said = node.closest('[title], [aria-label]');
      if (cut && !said) found.push(`${node.tagName}.${node.className}: ${node.textContent.trim()}`);
    }
  };
  look(document.querySelector('[data-testid=stMain]'));
  return found;
}"""


@dataclass
class Visitor:
    """A page of the browser, and what it complained about since it was last asked."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.crawler = Crawler(self.page, RULES)
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"console: {message.text}")

    def _on_response(self, response: Response) -> None:
        """Streamlit tries where the server's own addresses begin, below each page first; 404 is an answer."""
        if response.status >= 400 and "/_stcore/" not in response.url:
            self.faults.append(f"{response.status} for {response.url}")

    def visit(self, address: str) -> list[str]:
        """Everything that is wrong with the page at ``address``: wide and narrow, light and dark."""
        page = self.page
        page.set_viewport_size(WIDE)
        page.emulate_media(color_scheme="light")
        page.goto(address)
        expect(page.locator("h1")).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text("This goes on when you leave the page")).to_have_count(0, timeout=PATIENCE)
        settled(page)
        faults = [*self._looked_at("wide, light"), *self._judged()]
        self._coloured("dark")
        faults += self._looked_at("wide, dark")
        page.set_viewport_size(NARROW)
        settled(page)
        faults += [*self._looked_at("narrow, dark"), *self._judged()]
        self._coloured("light")
        faults += self._looked_at("narrow, light")
        faults, self.faults = faults + self.faults, []
        return faults

    def use_all(self) -> list[str]:
        """Everything that goes wrong when the controls of the open page are used."""
        self.page.set_viewport_size(WIDE)
        faults = self.crawler.crawl()
        faults, self.faults = faults + self.faults, []
        return faults

    def _coloured(self, scheme: Literal["light", "dark"]) -> None:
        """Change the colours in place, and wait for the new ones."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_function(GROUND, arg=GROUNDS[scheme])
        settled(self.page)

    def judged_in_both(self, what: str) -> list[str]:
        """What axe says of the page as it stands, in the light and in the dark."""
        faults = []
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            self._coloured(scheme)
            faults += [f"{what}, {scheme}: {fault}" for fault in self._judged()]
        return faults

    def _judged(self) -> list[str]:
        """What axe says; asked once more where a busy machine is still at the change of colours."""
        found = axe(self.page)
        if found:
            self.page.wait_for_timeout(2_000)
            found = axe(self.page)
        return found

    def _looked_at(self, how: str) -> list[str]:
        page = self.page
        n = page.locator("h1:visible").count()
        faults = [f"{how}: {n} main headings"] * (n != 1)
        for what, place in {
            "an exception": page.get_by_test_id("stException"),
            "an error": page.get_by_text("Something went wrong"),
            "a traceback": page.get_by_text("Traceback (most recent call last)"),
        }.items():
            faults += [f"{how}: {what}"] * (place.count() > 0)
        with contextlib.suppress(Error):  # charts and tables take a moment to follow the window
            page.wait_for_function(FITS, timeout=10_000)
        wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        room = page.evaluate("innerWidth")
        faults += [f"{how}: {wide} of {room} pixels wide"] * (wide > room)
        return faults + [f"{how}: cut off: {words}" for words in page.evaluate(CLIPPED)]


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context()
    yield Visitor(context.new_page())
    context.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _served(tmp_path_factory.mktemp("full") / "workspace", furnished=True)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _served(tmp_path_factory.mktemp("empty") / "workspace", furnished=False)


def _served(root: Path, *, furnished: bool) -> Iterator[Server]:
    if furnished:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TIDYSET_WORKSPACE", str(root))
            patch.delenv("TIDYSET_DATABASE_URL", raising=False)
            furnish(Workspace(root))
    server = Server(root)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path or "home")
def test_on_an_empty_workspace(visitor: Visitor, empty: Server, path: str) -> None:
    faults = visitor.visit(f"{empty.url}/{path}")
    assert not faults, json.dumps(faults, indent=1)


@pytest.mark.parametrize(("data", "path"), FULL, ids=lambda part: part or "home")
def test_on_a_full_workspace(visitor: Visitor, full: Server, data: str, path: str) -> None:
    faults = visitor.visit(f"{full.url}/{path}{'&' if '?' in path else '?'}data={data}")
    if CRAWL and (data, path) in USED:
        faults += visitor.use_all()
    if "Traceback" in full.log.read_text():
        faults.append("the server's log has a traceback")
    assert not faults, json.dumps(faults, indent=1)


def test_what_opens_over_a_page_is_accessible(visitor: Visitor, empty: Server, full: Server) -> None:
    page, faults = visitor.page, []
    page.set_viewport_size(WIDE)

    page.goto(empty.url)
    page.get_by_role("button", name="Take the tour").click()
    expect(page.locator(".st-key-tour")).to_be_visible(timeout=PATIENCE)
    faults += visitor.judged_in_both("tour")
    page.get_by_role("button", name="Leave the tour").click()
    expect(page.locator(".st-key-tour")).to_have_count(0, timeout=PATIENCE)

    page.get_by_role("button", name="Import data").click()
    expect(page.get_by_role("dialog")).to_be_visible(timeout=PATIENCE)
    faults += visitor.judged_in_both("import")

    page.goto(f"{full.url}/evaluate?data={SAMPLE}")
    page.get_by_role("button", name=re.compile(" taken for ")).first.click()
    page.locator(".item").first.click()
    expect(page.get_by_role("dialog").get_by_text("Nearest training images")).to_be_visible(timeout=PATIENCE)
    faults += visitor.judged_in_both("image")

    page.goto(f"{full.url}/train?data={SAMPLE}")
    page.get_by_role("button", name="This machine").click()
    expect(page.get_by_test_id("stPopoverBody")).to_be_visible(timeout=PATIENCE)
    faults += visitor.judged_in_both("popover")
    assert not faults, json.dumps(faults, indent=1)


def test_each_rule_is_about_a_control(visitor: Visitor, request: pytest.FixtureRequest) -> None:
    """What stands in the list of what is not used is there; asked only where all were looked for."""
    ran = sum(item.name.startswith("test_on_a_full") for item in request.session.items)
    if not CRAWL or ran < len(FULL):
        pytest.skip("needs TIDYSET_CRAWL=1 and every page")
    assert RULES.patterns() - visitor.crawler.matched == set()
