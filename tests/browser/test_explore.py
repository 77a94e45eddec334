"""Explore in a real browser: the address carries the filters, and the whole page follows them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, settled

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def test_filters_are_part_of_the_address_and_apply_to_everything(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/explore")
    expect(page.get_by_text("6,000 images of 6,000")).to_be_visible()
    settled(page)
    page.get_by_test_id("stMain").get_by_text("test", exact=True).first.click()
    expect(page.get_by_text("1,000 images of 6,000")).to_be_visible()
    settled(page)
    expect(page.get_by_text("All 10 classes have 100 images each.")).to_be_visible()
    expect(page.get_by_text("Trouser · 100 images")).to_be_visible()
    expect(page).to_have_url(re.compile("split=test"))
    page.reload()
    expect(page.get_by_text("1,000 images of 6,000")).to_be_visible()


def test_charts_and_examples_are_drawn(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/explore")
    expect(page.locator(".js-plotly-plot")).to_have_count(4)
    expect(page.locator(".item")).to_have_count(120)
    page.get_by_text("Atypical", exact=True).click()
    settled(page)
    expect(page.locator(".item")).to_have_count(120)
    page.get_by_text("By class", exact=True).click()
    settled(page)
    expect(page.locator(".js-plotly-plot")).to_have_count(4)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)
