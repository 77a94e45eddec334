"""The guided tour in a real browser, from the first start to its end, by pressing what it points at, at once.

Every press comes as soon as its button is there, while the page below is still at work: that none is lost
is half of what is tested.
"""

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

# Relabel tells the page some seconds after the last key that there is something new to show. Here it does
# just when a button was pressed, whose run that would end.
HELD_BACK = """() => {
  const later = window.setTimeout;
  window.setTimeout = (call, delay, ...rest) =>
    delay === 2500 ? later(() => {}, 0, (window.heldBack = call)) : later(call, delay, ...rest);
}"""
PRESSED_AND_TOLD = """async (button) => {
  button.click();
  await new Promise((done) => setTimeout(done, 50));
  window.heldBack();
}"""


def ringed(button: Locator) -> None:
    expect(button).to_have_css("outline-style", "solid")


def test_the_tour_goes_once_round_the_loop(page: Page, server: Server) -> None:
    page.set_default_timeout(2 * MINUTES)
    expect.set_options(timeout=2 * MINUTES)
    page.goto(server.url)
    page.get_by_role("button", name="Take the tour").click()
    strip = page.locator(".st-key-tour")
    strip.get_by_role("button", name="Go to Explore").click()
    strip.get_by_role("button", name="Go to Train").click()

    # Train: one epoch is enough here. The strip notices the end of the run without a press.
    start = page.get_by_role("button", name="Start training")
    ringed(start)
    page.get_by_text("Recipe", exact=True).click()
    page.get_by_role("tab", name="Optimisation").click()
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("1")
    epochs.press("Enter")
    settled(page)
    start.click()
    expect(strip).to_contain_text("is training")
    expect(strip).to_contain_text("is trained. See which classes", timeout=4 * MINUTES)

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
    settled(page)
    expect(page.locator(".review.focused")).to_be_visible()
    page.evaluate(HELD_BACK)
    for number, key in enumerate("12121212121212", 1):  # one of two differs from the label of an image
        page.locator(".review").press(key)  # where the keys go: a page that was drawn anew has lost them
        expect(page.locator(".review .place")).to_contain_text(f"{number + 1} of ")
    expect(page.locator(".review .saved")).to_have_text("saved 14 · pending 0")
    page.wait_for_function("window.heldBack !== undefined")

    # Retrain and read the verdict, which opens by itself.
    again = page.get_by_role("button", name="Retrain on the corrected labels")
    ringed(again)
    again.evaluate(PRESSED_AND_TOLD)
    expect(strip).to_contain_text("learns from the corrected labels")
    expect(page).to_have_url(re.compile(r"/evaluate\?.*compare="), timeout=4 * MINUTES)
    strip.get_by_role("button", name="End the tour").click()
    expect(strip).to_have_count(0)
