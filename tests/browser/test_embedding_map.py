"""The map in a real browser: outlines, the legend, keys, images, files, and a browser without WebGL2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
ALL = 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "workspace", Path(__file__).with_name("map_app.py"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def opened(page: Page, server: Server) -> Page:
    page.goto(server.url)
    page.locator(".map[data-shown]").wait_for()
    return page


def middle(page: Page) -> tuple[float, float]:
    box = page.locator(".stage").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, *corners: tuple[float, float]) -> None:
    """Drag from corner to corner, in pixels from the middle of the map."""
    x, y = middle(page)
    page.mouse.move(x + corners[0][0], y + corners[0][1])
    page.mouse.down()
    for right, down in corners[1:]:
        page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up()


def selected(page: Page) -> list[int]:
    """How many points of each of the ten clusters Python found selected."""
    text = page.get_by_text(re.compile(r"^selected \[")).inner_text()
    return [int(number) for number in re.findall(r"\d+", text)]


def test_a_lasso_and_a_box_select_what_python_finds_in_them(opened: Page) -> None:
    drag(opened, (0, -300), (300, -300), (300, 300), (0, 300))
    expect(opened.get_by_text(re.compile(r"^selected \["))).to_be_visible()
    counts = selected(opened)
    assert counts[0] == counts[1] == counts[9] == ALL
    assert counts[4] == counts[5] == counts[6] == 0
    opened.get_by_role("button", name="Box").click()
    drag(opened, (-340, -290), (340, 290))
    expect(opened.get_by_text(f"selected {[ALL] * 10}")).to_be_visible()
    opened.keyboard.press("Escape")
    expect(opened.get_by_text(re.compile(r"^selected \["))).to_have_count(0)


def test_the_legend_hides_classes_from_the_picture_and_from_selections(opened: Page) -> None:
    legend = opened.get_by_role("group", name="Colours: Label")
    legend.get_by_role("button", name="class 3").click()
    expect(legend.get_by_role("button", name="class 3")).to_have_attribute("aria-pressed", "false")
    opened.locator(".stage").focus()
    opened.keyboard.press("Control+a")
    hidden = [0 if k == 3 else ALL for k in range(10)]
    expect(opened.get_by_text(f"selected {hidden}")).to_be_visible()
    legend.get_by_role("button", name="class 5").click(modifiers=["Alt"])
    expect(opened.get_by_text(f"selected {[ALL if k == 5 else 0 for k in range(10)]}")).to_be_visible()
    legend.get_by_role("button", name="Show all").click()
    expect(opened.get_by_text(f"selected {[ALL] * 10}")).to_be_visible()
    expect(legend.get_by_text("<b>class</b> 9")).to_be_visible()


def test_colours_change_without_the_coordinates_coming_again(opened: Page) -> None:
    fetched: list[str] = []
    opened.on("request", lambda request: fetched.append(request.url) if "/points/" in request.url else None)
    opened.get_by_role("radio", name="confidence").click()
    expect(opened.get_by_role("group", name="Colours: Confidence")).to_contain_text("100 %")
    opened.get_by_role("radio", name="label").click()
    expect(opened.get_by_role("group", name="Colours: Label")).to_be_visible()
    assert len(fetched) <= 1, "only the values of a colouring that was not fetched before"


def test_hovering_tells_a_point_and_a_click_and_enter_open_it(opened: Page) -> None:
    x, y = middle(opened)
    box = opened.locator(".name", has_text="class 0").bounding_box()
    assert box is not None
    at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.mouse.move(*at)
    expect(opened.locator(".tip")).to_contain_text("Label class 0")
    expect(opened.locator(".tip")).to_contain_text("Confidence")
    opened.mouse.click(*at)
    expect(opened.get_by_text(re.compile(r"^opened \d+0$"))).to_be_visible()
    opened.mouse.move(x, y)
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "+"):
        opened.keyboard.press(key)
    opened.keyboard.press("Enter")
    expect(opened.get_by_text(re.compile(r"^opened \d+$"))).to_be_visible()


def test_keys_and_wheel_zoom_until_images_stand_for_dots(opened: Page) -> None:
    box = opened.locator(".name", has_text="class 0").bounding_box()
    assert box is not None
    with opened.expect_response("**/tidyset/sheets/**"):
        opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
        for _ in range(6):
            opened.mouse.wheel(0, -300)
    expect(opened.locator(".name", has_text="class 0")).to_be_hidden()
    opened.locator(".stage").focus()
    opened.keyboard.press("0")
    expect(opened.locator(".name", has_text="class 0")).to_be_visible()


def test_what_is_shown_is_saved_as_png_and_svg(opened: Page, tmp_path: Path) -> None:
    for kind in ("PNG", "SVG"):
        with opened.expect_download() as download:
            opened.get_by_role("button", name=kind).click()
        download.value.save_as(tmp_path / f"map.{kind.lower()}")
    picture = Image.open(tmp_path / "map.png").convert("RGB")
    assert (0x3F, 0x90, 0xDA) in {colour for _, colour in picture.getcolors(1_000_000) or []}
    text = (tmp_path / "map.svg").read_text()
    assert text.count("h0") == 10 * ALL
    assert "&#60;b&#62;class" in text
    assert "<b>" not in text


def test_without_webgl_it_says_so_and_python_knows(server: Server, page: Page) -> None:
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"
    )
    page.goto(server.url)
    expect(page.get_by_text("This browser has no WebGL 2")).to_be_visible()
    expect(page.get_by_text("unsupported True")).to_be_visible()


def test_the_map_has_a_name_and_says_what_it_shows(opened: Page) -> None:
    stage = opened.get_by_role("application", name="2,000 points")
    expect(stage).to_have_accessible_description("Ten clusters")
    assert stage.get_attribute("tabindex") == "0"
