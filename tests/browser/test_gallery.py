"""The gallery in a real browser: the pixels of each tile, the keys, and text that stays text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.workspace import Workspace
from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
SHOWN = (3, 1023, 1024, 5999, 7, 8, 9, 10)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "workspace", Path(__file__).with_name("gallery_app.py"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def opened(page: Page, server: Server) -> Page:
    """The gallery with its sheets loaded."""
    with page.expect_response("**/tidyset/sheets/**/5.webp"):
        page.goto(server.url)
    expect(page.locator(".item")).to_have_count(len(SHOWN))
    page.wait_for_load_state("networkidle")
    return page


def test_each_tile_shows_exactly_the_pixels_of_its_image(opened: Page, server: Server) -> None:
    dataset = open_dataset(Workspace(server.workspace), "fashion-mnist-sample")
    for index, position in enumerate(SHOWN):
        tile = opened.locator(".item .picture").nth(index)
        box = tile.bounding_box()
        assert box is not None
        clip = {"x": round(box["x"]), "y": round(box["y"]), "width": 84, "height": 84}
        shot = np.asarray(Image.open(io.BytesIO(opened.screenshot(clip=clip))).convert("L")).astype(int)
        wanted = np.kron(dataset.images.read(position)[:, :, 0], np.ones((3, 3), int))
        inner = slice(30, 75), slice(10, 60)  # clear of the badge, the box and the round corners
        assert np.abs(shot[inner] - wanted[inner]).max() <= 2, f"tile {index} is not item {position}"


def test_text_from_the_data_is_text(opened: Page) -> None:
    expect(opened.locator(".item").first).to_contain_text("<img src=x onerror=alert(1)>")
    assert opened.locator(".item img").count() == 0


def test_a_click_and_enter_open_an_item(opened: Page) -> None:
    opened.locator(".item").nth(1).click()
    expect(opened.get_by_text("opened 1023", exact=True)).to_be_visible()
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Enter")
    expect(opened.get_by_text("opened 1024", exact=True)).to_be_visible()
    opened.keyboard.press("End")
    opened.keyboard.press("Enter")
    expect(opened.get_by_text("opened 10", exact=True)).to_be_visible()


def test_space_shift_and_escape_select(opened: Page) -> None:
    opened.locator(".item").first.focus()
    opened.keyboard.press("Space")
    expect(opened.get_by_text("selected [3]", exact=True)).to_be_visible()
    opened.keyboard.press("Shift+ArrowRight")
    opened.keyboard.press("Shift+ArrowRight")
    expect(opened.get_by_text("selected [3, 1023, 1024]", exact=True)).to_be_visible()
    assert opened.locator(".item[aria-selected=true]").count() == 3
    opened.keyboard.press("Control+a")
    expect(opened.get_by_text(f"selected {list(SHOWN)}", exact=True)).to_be_visible()
    opened.keyboard.press("Escape")
    expect(opened.get_by_text("selected []", exact=True)).to_be_visible()


def test_the_box_and_a_shift_click_select_a_range(opened: Page) -> None:
    opened.locator(".item").nth(1).hover()
    opened.locator(".item .tick").nth(1).click()
    opened.locator(".item").nth(3).click(modifiers=["Shift"])
    expect(opened.get_by_text("selected [1023, 1024, 5999]", exact=True)).to_be_visible()
    expect(opened.get_by_text("opened None", exact=True)).to_be_visible()


def test_one_tile_is_in_the_tab_order_and_each_has_a_name(opened: Page) -> None:
    assert opened.locator(".item[tabindex='0']").count() == 1
    grid = opened.get_by_role("listbox", name="Images")
    expect(grid).to_have_attribute("aria-multiselectable", "true")
    expect(grid.get_by_role("option").nth(1)).to_have_accessible_name("caption 1023, 94 %, train-12127")
