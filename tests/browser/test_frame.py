"""The frame in a real browser: every page opens, nothing is fetched from elsewhere, narrow screens do."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server, settled

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)
PAGES = ("", "explore", "train", "evaluate", "relabel")


def test_every_page_opens_from_the_sidebar_without_another_host(page: Page, server: Server) -> None:
    page.goto(server.url)
    for name in ("Home", "Explore", "Train", "Evaluate", "Relabel"):
        page.get_by_test_id("stSidebarNav").get_by_text(name, exact=True).click()
        expect(page.locator("h1")).to_be_visible()
        settled(page)
        expect(page.get_by_text("Something went wrong")).to_have_count(0)
    assert page.evaluate("document.fonts.check('15px Inter')")
    families = page.evaluate("[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)")
    assert "Inter" in families


def test_every_page_opens_by_its_address_and_fits_a_telephone(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in PAGES:
        page.goto(f"{server.url}/{path}")
        expect(page.locator("h1")).to_be_visible()
        settled(page)
        wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert wide <= 390, f"/{path} is {wide} pixels wide"


def test_dark_follows_the_system(browser: Browser, server: Server) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(server.url)
    expect(page.locator("h1")).to_be_visible()
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert ground == "rgb(15, 20, 25)"
    context.close()


def test_the_samples_are_drawn_and_one_opens_by_keyboard(page: Page, server: Server) -> None:
    with page.expect_response("**/tidyset/sheets/**/0.webp") as answer:
        page.goto(server.url)
    assert answer.value.status == 200
    page.get_by_text("Ankle boot", exact=True).click()
    expect(page.locator(".item").nth(1)).to_have_attribute("aria-label", "train-00011")
    settled(page)
    page.locator(".item[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
