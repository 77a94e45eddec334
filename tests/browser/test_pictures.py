"""What pages look like, against kept pictures: small and grey, so that another machine's fonts do not matter.

A picture is compared as its structure, 96 pixels wide: a panel that moved, vanished or turned white is found;
how a letter is drawn is not. Renew them, and look at what changed, with::

    TIDYSET_RENEW_PICTURES=1 uv run pytest tests/browser/test_pictures.py
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Server, settled

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
KEPT = Path(__file__).parent / "pictures"
RENEW = bool(os.environ.get("TIDYSET_RENEW_PICTURES"))
PATIENCE = 60_000
WIDTH = 96
MEAN, WORST = 0.02, 0.30
"""Of full contrast: how far all pixels may differ on the whole, and the worst of them after blurring."""

READY = {
    "": ".item .picture",
    "clean": "[data-testid=stImage] img",
    "train": "button:has-text('Start training')",
    "issues": "[data-testid=stNumberInput]",
    "relabel": ".review .class",
    "prove": "[data-testid=stMain] button",
}
"""Pages without anything that depends on a training, and what is drawn last on each."""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_look_as_they_did(browser: Browser, server: Server, theme: str) -> None:
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme=theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    others = []
    for path, ready in READY.items():
        page.goto(f"{server.url}/{path}")
        expect(page.locator(ready).first).to_be_visible(timeout=PATIENCE)
        settled(page)
        expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)  # parts that are still being loaded
        page.wait_for_load_state("networkidle")
        name = page.get_by_role("button", name="Labelling as")  # whose machine it is
        others += _compared(page.screenshot(mask=[name], mask_color="grey"), f"{path or 'home'}-{theme}")
    context.close()
    assert not others, "\n".join(others)


def _compared(shot: bytes, name: str) -> list[str]:
    """In which way the picture differs from the kept one; renews that instead where it was asked to."""
    path = KEPT / f"{name}.webp"
    with Image.open(io.BytesIO(shot)) as image:
        small = image.convert("L").resize((4 * WIDTH, 270), Image.Resampling.BOX)
    if RENEW:
        KEPT.mkdir(exist_ok=True)
        small.save(path, quality=60, method=6)
        return []
    with Image.open(path) as image:
        kept = image.convert("L")
    difference = np.abs(structure(small) - structure(kept))
    if difference.mean() <= MEAN and difference.max() <= WORST:
        return []
    return [f"{name} differs by {difference.mean():.3f} on the whole, {difference.max():.2f} at worst"]


def structure(picture: Image.Image) -> NDArray[np.float64]:
    """(h, w), 0 to 1: the picture small and blurred, where it matters no more how a letter is drawn."""
    height = round(picture.height * WIDTH / picture.width)
    small = picture.resize((WIDTH, height), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1.5))
    return np.asarray(small, np.float64) / 255


def test_the_comparison_sees_a_panel_go_and_not_a_letter() -> None:
    rng = np.random.default_rng(0)
    page = np.full((270, 4 * WIDTH), 255, np.uint8)
    page[20:200:12, 100:300] = rng.integers(0, 255, (15, 200))
    letters, gone = page.copy(), page.copy()
    letters[20:200:12, 100:300] = rng.integers(0, 255, (15, 200))
    gone[60:140, 100:300] = 20
    before, same, other = (structure(Image.fromarray(one)) for one in (page, letters, gone))
    assert np.abs(before - same).max() < WORST
    assert np.abs(before - same).mean() < MEAN
    assert np.abs(before - other).max() > WORST
