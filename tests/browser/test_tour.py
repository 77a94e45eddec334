"""The guided tour in a real browser, from the first start to the verdict, by pressing what it points at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import settled

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
MINUTES = 60_000


def ringed(button: Locator) -> None:
    expect(button).to_have_css("outline-style", "solid")


def test_the_tour_goes_once_round_the_loop(page: Page, server: Server) -> None:
    page.set_default_timeout(2 * MINUTES)
    expect.set_options(timeout=2 * MINUTES)
    page.goto(server.url)
    page.get_by_role("button", name="Take the tour").click()
    strip = page.locator(".st-key-tour")
    expect(strip).to_contain_text("See what is in the data")
    strip.get_by_role("button", name="Go to Explore").click()
    expect(page.get_by_text("will be the hardest to tell apart")).to_be_visible()

    # Train: two epochs are enough here. The strip notices the end of the run without a press.
    strip.get_by_role("button", name="Go to Train").click()
    start = page.get_by_role("button", name="Start training")
    ringed(start)
    page.get_by_text("Recipe", exact=True).click()
    page.get_by_role("tab", name="Optimisation").click()
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("2")
    epochs.press("Enter")
    settled(page)
    start.click()
    expect(strip).to_contain_text("is training")
    expect(strip).to_contain_text("is trained. See which classes", timeout=3 * MINUTES)

    # Left and taken up again, in between.
    strip.get_by_role("button", name="Leave the tour").click()
    expect(strip).to_have_count(0)
    page.goto(server.url)
    page.get_by_role("button", name="Tour").click()

    # Find and fix. The strip counts labels that are corrected by key.
    strip.get_by_role("button", name="Go to Evaluate").click()
    review = page.get_by_role("button", name=re.compile("Review the .* mistakes"))
    ringed(review)
    review.click()
    expect(page.locator(".review.focused")).to_be_visible()
    for key in "12121212121212":  # of two keys one differs from the label that an image has
        page.keyboard.press(key)
    expect(strip).to_contain_text("only the labels differ")

    # Retrain and read the verdict.
    again = page.get_by_role("button", name="Retrain on the corrected labels")
    ringed(again)
    again.click()
    expect(page).to_have_url(re.compile(r"/evaluate\?.*compare="), timeout=6 * MINUTES)
    expect(strip).to_contain_text("That was the loop")
    strip.get_by_role("button", name="End the tour").click()
    expect(strip).to_have_count(0)
