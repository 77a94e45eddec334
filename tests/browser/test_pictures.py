"""What pages look like, against kept pictures: small and grey, so that another machine's fonts do not matter.

A picture is compared as its structure, a pixel for 13 of the page: a panel that moved, vanished or turned
white is found; how a letter is drawn is not. Renew them, and look at what changed, with::

    TIDYSET_RENEW_PICTURES=1 uv run pytest tests/browser/test_pictures.py

Three looks: an empty workspace; a data set with one label an image, wide and light; one with several labels
and captions, on a telephone and dark. The last two are of the workspace of tests/crash/whole.zip.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Page, expect
from scipy.ndimage import gaussian_filter

from dashboard.frame import PAGES
from tests.browser.conftest import Server, settled
from tests.crash.whole import CLOTHES, TAGGED, unpacked

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
KEPT = Path(__file__).parent / "pictures"
RENEW = bool(os.environ.get("TIDYSET_RENEW_PICTURES"))
PATIENCE = 60_000
SECONDS = 20
"""How long a page that is there may still differ: charts and thumbnails are drawn after it."""
STEADY = 4
"""Shots one after the other that are alike: that page is kept."""
FINE, COARSE = 10 / 3, 40 / 3
"""Pixels of a page for one of a kept picture, and for one of what is compared."""
MEAN, WORST, PANEL = 0.01, 0.15, 0.012
"""Of full contrast: how far all pixels may differ on the whole, the worst of them after blurring, and the
worst mean of a part as large as a small panel. Other hinting of letters and another name in the head of a
page bring 0.002, 0.04, 0.008; a hidden panel of words brings 0.001 to 0.01, 0.04 to 0.4, 0.013 to 0.16."""

HOURS_AGO = 3
"""When every run of the workspace with results was made, so that a page says the same of it at any time."""

Shot = Callable[[], bytes]


@dataclass(frozen=True)
class Look:
    """How pages are looked at, and what is drawn last on each.

    Attributes:
        data: The data set; "" for the sample of a new workspace.
    """

    data: str
    theme: Literal["light", "dark"]
    width: int
    height: int
    ready: dict[str, str]

    def name(self, path: str) -> str:
        """Of the kept picture of a page."""
        return f"{path or 'home'}-{self.data or self.theme}"


NEW = {
    "": ".item .picture",
    "clean": "[data-testid=stImage] img",
    "train": "button:has-text('Start training')",
    "issues": "[data-testid=stNumberInput]",
    "relabel": ".review .class",
    "prove": "[data-testid=stMain] button",
}
"""Pages that differ where nothing has happened yet."""
ONE_LABEL = {
    "": "text=given labels",
    "explore": ".st-key-examples_first .item .picture",
    "clean": "[data-testid=stImage] img",
    "train": "text=Select runs to lay their curves",
    "evaluate": ".st-key-surest .item .picture",
    "embeddings": ".matrix",
    "zero_shot": "button:has-text('Encode and classify')",
    "issues": "text=Why these come first",
    "relabel": ".review .class",
    "label_next": "summary:has-text('Compare strategies')",
    "fill": "button:has-text('Open Label next')",
    "agreement": "button:has-text('again')",
    "team": "[data-testid=stDataFrame] canvas",
    "history": "[data-testid=stFileUploader]",
    "prove": "[data-testid=stDataFrame] canvas",
}
SEVERAL_LABELS = {
    **ONE_LABEL,
    "evaluate": "text=There are none.",
    "embeddings": "button:has-text('New map')",
    "label_next": "text=Strategies can be compared where",
    "fill": ".st-key-fill_images .item .picture",
    "agreement": "button:has-text('Review labels')",
    "team": "text=Nobody has edited a label yet.",
    "prove": "button:has-text('Correct labels')",
}
EMPTY = [Look("", theme, 1280, 900, NEW) for theme in ("light", "dark")]
FULL = [
    Look(CLOTHES, "light", 1280, 2400, ONE_LABEL),
    Look(TAGGED, "dark", 390, 2600, SEVERAL_LABELS),
]

# Nothing is at work or missing that the page will draw.
DRAWN = """() => {
  const all = (place) => [...document.querySelectorAll(place)];
  const filled = (place, by) => all(place).every((one) => !one.checkVisibility() || one.querySelector(by));
  return document.fonts.status === 'loaded'
    && !all('[data-testid=stSkeleton], [data-testid=stSpinner]').length
    && filled('[data-testid=stPlotlyChart]', '.main-svg')
    && filled('[data-testid=stEChartsChart], [data-testid=stDataFrame]', 'canvas')
    && all('img').every((one) => one.complete);
}"""


@pytest.fixture(scope="module", autouse=True)
def _somebody() -> Iterator[None]:
    """The servers say whose labels are made: not the user of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDYSET_USER", "ann")
        yield


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, _somebody: None) -> Iterator[Server]:
    root = unpacked(tmp_path_factory.mktemp("full") / "workspace")
    _of_today(root)
    server = Server(root)
    server.start()
    yield server
    server.kill()


def _of_today(root: Path) -> None:
    runs = {path: json.loads(path.read_text()) for path in root.glob("runs/*/run.json")}
    later = time.time() - 3_600 * HOURS_AGO - max(run["created"] for run in runs.values()) - 60
    for path, run in runs.items():
        path.write_text(json.dumps({**run, "created": run["created"] + later}))


def test_every_page_is_looked_at() -> None:
    paths = {Path(file).stem for entries in PAGES.values() for file, _, _ in entries}
    for look in FULL:
        assert {path or "overview" for path in look.ready} == paths


@pytest.mark.parametrize("look", EMPTY, ids=lambda look: look.theme)
def test_pages_look_as_they_did(browser: Browser, server: Server, look: Look, tmp_path: Path) -> None:
    others = _others(browser, server, look, tmp_path)
    assert not others, "\n".join(others)


@pytest.mark.parametrize("look", FULL, ids=lambda look: look.data)
def test_pages_with_results_look_as_they_did(
    browser: Browser, full: Server, look: Look, tmp_path: Path
) -> None:
    others = _others(browser, full, look, tmp_path)
    assert not others, "\n".join(others)


def _others(browser: Browser, server: Server, look: Look, place: Path) -> list[str]:
    """In which way pages differ from the kept pictures; what they look like is left in ``place``."""
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme=look.theme,
        reduced_motion="reduce",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    others = []
    for path, ready in look.ready.items():
        page.goto(f"{server.url}/{path}?data={look.data}" if look.data else f"{server.url}/{path}")
        _there(page, ready)
        name = look.name(path)
        if RENEW:
            _renew(page.screenshot, name)
        elif found := _differs(page.screenshot, name):
            page.screenshot(path=place / f"{name}.png")
            others.append(f"{found}; see {place / name}.png")
    context.close()
    return others


def _there(page: Page, ready: str) -> None:
    expect(page.locator(ready).first).to_be_visible(timeout=PATIENCE)
    settled(page)
    page.wait_for_function(DRAWN)
    page.wait_for_load_state("networkidle")


def _differs(shoot: Shot, name: str) -> str:
    """In which way the page differs from the kept picture once it has had time; "" if it does not."""
    with Image.open(KEPT / f"{name}.webp") as image:
        kept = structure(image.convert("L"))
    deadline = time.monotonic() + SECONDS
    while (found := difference(structure(_small(shoot())), kept)) and time.monotonic() < deadline:
        pass
    return f"{name} {found}" if found else ""


def _renew(shoot: Shot, name: str) -> None:
    """Keep the page once it stays as it is."""
    shots = [_small(shoot())]
    while len(shots) < STEADY:
        shots.append(_small(shoot()))
        if not np.array_equal(np.asarray(shots[-1]), np.asarray(shots[-2])):
            del shots[:-1]
    KEPT.mkdir(exist_ok=True)
    shots[-1].save(KEPT / f"{name}.webp", quality=60, method=6)


def _small(shot: bytes) -> Image.Image:
    with Image.open(io.BytesIO(shot)) as image:
        size = round(image.width / FINE), round(image.height / FINE)
        return image.convert("L").resize(size, Image.Resampling.BOX)


def structure(picture: Image.Image) -> NDArray[np.float64]:
    """(h, w), 0 to 1: the picture small and blurred, where it matters no more how a letter is drawn."""
    size = round(picture.width * FINE / COARSE), round(picture.height * FINE / COARSE)
    small = picture.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1.5))
    return np.asarray(small, np.float64) / 255


def difference(now: NDArray[np.float64], kept: NDArray[np.float64]) -> str:
    """In words, how two structures (h, w) differ by more than may be; "" if they do not."""
    if now.shape != kept.shape:
        return f"is of another size, {now.shape} instead of {kept.shape}"
    apart = now - kept
    part = np.abs(gaussian_filter(apart, 4))
    mean, worst = np.abs(apart).mean(), np.abs(apart).max()
    if mean <= MEAN and worst <= WORST and part.max() <= PANEL:
        return ""
    y, x = (round(COARSE * int(at)) for at in np.unravel_index(part.argmax(), part.shape))
    return f"differs by {mean:.3f} on the whole, {worst:.2f} at worst, {part.max():.3f} around ({x}, {y})"


def test_the_comparison_sees_a_panel_go_and_not_a_letter() -> None:
    rng = np.random.default_rng(0)
    page = np.full((270, 384), 255, np.uint8)
    page[20:200:12, 100:300] = rng.integers(0, 255, (15, 200))
    letters, gone = page.copy(), page.copy()
    letters[20:200:12, 100:300] = rng.integers(0, 255, (15, 200))
    gone[60:140, 100:300] = 255
    before, same, other = (structure(Image.fromarray(one)) for one in (page, letters, gone))
    assert not difference(same, before)
    assert difference(other, before)
