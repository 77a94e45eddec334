"""Zero-shot in a real browser: an edited prompt changes the matrix, and a disagreement goes to Relabel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.embeddings.clip_models import find_model
from core.embeddings.prompts import default_prompts
from core.embeddings.zero_shot import ZeroShotRequest, create_zero_shot
from core.worker import work
from core.workspace import Workspace
from tests.finished_runs import finished_run
from tests.tiny_clip import write_tiny_clip

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)


def test_an_edited_prompt_changes_the_matrix_and_a_disagreement_goes_to_relabel(
    page: Page, server: Server, tmp_path: Path
) -> None:
    workspace = Workspace(server.workspace)
    sample = open_dataset(workspace, "fashion-mnist-sample")
    checkpoint, config = write_tiny_clip(tmp_path / "clip")
    model = find_model(workspace, "tiny", checkpoint=checkpoint, config=config)
    run = create_zero_shot(workspace, sample, ZeroShotRequest(model, default_prompts(sample)))
    assert work(run.folder) == 0
    finished_run(workspace, sample, "base")

    page.goto(f"{server.url}/zero_shot?model=tiny")
    grid = page.get_by_role("grid", name="Confusion matrix")
    grid.wait_for()
    before = grid.locator("button").all_text_contents()
    field = page.get_by_label("Trouser", exact=True)
    field.fill("something that nobody wears, on a long beach at night")
    field.press("Enter")
    expect(page.get_by_role("button", name="Keep these prompts")).to_be_visible()
    page.wait_for_function(
        """before => [...document.querySelectorAll('[role=grid] button')].map(cell => cell.textContent)
                  .join() !== before""",
        arg=",".join(before),
    )
    expect(page.get_by_text(re.compile(r"[+−]\d+\.\d pt")).first).to_be_visible()

    page.get_by_role("radio", name="Test").click()
    page.get_by_role("radio", name="Beside a trained run").click()
    expect(page.get_by_text(re.compile("Exact McNemar on the"))).to_be_visible()
    page.get_by_role("button", name="Send to Relabel").first.click()
    page.wait_for_url("**/relabel?**")
    expect(page.locator(".review.focused")).to_be_visible()
