"""A preprocessing pipeline is built in the browser, and every step shows what it makes of the images."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from core.runs.presets import own_presets
from core.workspace import Workspace
from tests.browser.conftest import Server, settled

pytestmark = pytest.mark.browser
expect.set_options(timeout=30_000)


def add(page: Page, title: str) -> None:
    page.get_by_label("Next step").first.click()
    page.get_by_role("option", name=title).click()
    settled(page)
    page.get_by_role("button", name="Add step").click()
    settled(page)


def test_a_pipeline_is_built_step_by_step_and_kept(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/clean")
    expect(page.get_by_text("No steps yet")).to_be_visible()
    settled(page)
    titles = ["Gaussian blur", "Threshold", "Dilation", "Find characters", "Scale and align", "Reassemble"]
    for number, title in enumerate(titles, 1):
        add(page, title)
        step = page.locator(f".st-key-cleaning_preview_{number}")
        expect(step).to_contain_text(f"After {number}, {title}")
        expect(step.locator("img")).to_have_count(6)
    sources = [
        page.locator(f".st-key-cleaning_preview_{number} img").first.get_attribute("src")
        for number in range(7)
    ]
    assert len(set(sources[:4])) == 4  # blur, threshold and dilation each change the image
    expect(page.get_by_text("Images become 28 x 56 pixels.")).to_be_visible()
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text("choose it on Train")).to_be_visible()
    kept = own_presets(Workspace(server.workspace))["clean-characters"].cleaning
    assert kept == "blur 1 | threshold 0 | dilate 1 | extract 2 12 | align 28 | reassemble"
