"""Issues in a real browser: found while one waits, opened in full, left out and taken back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, settled

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)


def test_odd_images_are_found_opened_selected_and_left_out(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/issues?look=Images")
    expect(page.get_by_text("Copies and leaks")).to_be_visible()
    expect(page.get_by_text("groups across splits")).to_be_visible()
    page.get_by_role("button", name=re.compile(r"Show \d+ images")).first.click()
    expect(page.get_by_text(re.compile(r"Dark · \d+ images"))).to_be_visible()
    assert "issue=dark" in page.url
    settled(page)

    page.locator(".item").nth(1).hover()
    page.locator(".item .tick").nth(1).click()
    page.get_by_text("Leave out selected 1").click()
    page.get_by_role("button", name="Leave out 1 image").click()
    expect(page.get_by_text("1 image left out of training.")).to_be_visible()
    page.get_by_role("button", name="Take them back in").click()
    expect(page.get_by_text("1 image left out of training.")).to_have_count(0)

    page.reload()
    expect(page.get_by_text(re.compile(r"Dark · \d+ images"))).to_be_visible()
    page.get_by_role("button", name="All issues").click()
    expect(page.get_by_text("Odd images", exact=True)).to_be_visible()
    expect(page.get_by_text("Something went wrong")).to_have_count(0)


def test_a_copy_opens_its_story(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/issues?issue=copies")
    expect(
        page.get_by_role("grid", name="Group 1 of copies").or_(page.locator(".item").first)
    ).to_be_visible()
    settled(page)
    page.locator(".item").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("button", name="Mark as bad")).to_be_visible()
