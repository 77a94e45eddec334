"""Evaluate in a real browser: the matrix by mouse and keyboard, the dialog, Relabel, the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.evaluation.label_pairs import pair_counts
from core.evaluation.multilabel import multilabel_scores
from core.evaluation.predictions import load_predictions
from core.files import read_json
from core.labels.versions import labels_at
from core.runs.store import Run
from core.workspace import Workspace
from tests.answered_runs import answered_run
from tests.finished_runs import finished_run
from tests.tagged import tagged

pytestmark = pytest.mark.browser
expect.set_options(timeout=40_000)


@pytest.fixture
def runs(server: Any) -> tuple[Run, Run]:
    workspace = Workspace(server.workspace)
    dataset = open_dataset(workspace, "fashion-mnist-sample")
    return finished_run(workspace, dataset, "r1"), finished_run(workspace, dataset, "r2", seed=1, epochs=1)


@pytest.fixture
def evaluate(server: Any, page: Page, runs: tuple[Run, Run]) -> Page:
    page.goto(f"{server.url}/evaluate?run={runs[0].id}&images=Test")
    page.get_by_role("grid", name="Confusion matrix").wait_for()
    return page


def test_the_matrix_by_mouse_and_keyboard_and_on_to_relabel(evaluate: Page, runs: tuple[Run, Run]) -> None:
    expected = read_json(runs[0].metrics_file)["test"]["confusion"]
    cells = evaluate.get_by_role("grid", name="Confusion matrix").locator("button")
    texts = cells.all_text_contents()
    assert [int(text or 0) for text in texts] == [count for row in expected for count in row]
    few = next(index for index, text in enumerate(texts) if text in set("123456789"))
    evaluate.get_by_role("radio", name="Row %").click()
    expect(cells.nth(few)).to_have_text(f"{texts[few]}.0")

    cell = evaluate.get_by_role("button", name="Pullover taken for Coat")
    cell.click()
    expect(cell).to_have_attribute("aria-pressed", "true")
    tiles = evaluate.get_by_role("group", name="Images of the cell").locator(".item")
    expect(tiles).to_have_count(expected[2][4])
    evaluate.keyboard.press("ArrowLeft")
    evaluate.keyboard.press("ArrowLeft")
    evaluate.keyboard.press("Enter")
    own = evaluate.get_by_role("button", name="Pullover recognised")
    expect(own).to_have_attribute("aria-pressed", "true")
    expect(evaluate.get_by_text("the least sure first")).to_be_visible()

    cell.click()
    expect(tiles).to_have_count(expected[2][4])
    evaluate.get_by_role("button", name="Send to Relabel").click()
    evaluate.wait_for_url("**/relabel?**")
    assert "queue_label=Pullover&queue_guess=Coat" in evaluate.url


def test_an_image_tells_its_story_and_leads_to_its_neighbours(evaluate: Page, server: Any) -> None:
    evaluate.get_by_role("group", name="Images of the cell").locator(".item").first.click()
    dialog = evaluate.get_by_role("dialog")
    expect(dialog.get_by_text("r1 says")).to_be_visible()
    before = dialog.get_by_text("Id test-").inner_text()
    dialog.get_by_role("group", name="Nearest training images").locator(".item").nth(2).click()
    expect(dialog.get_by_text("Id train-")).to_be_visible()
    dialog.get_by_role("button", name="Back").click()
    expect(dialog.get_by_text(before)).to_be_visible()
    image = dialog.locator("[data-testid=stImage] img, [data-testid=stImageContainer] img").first
    plain = image.get_attribute("src")
    dialog.get_by_role("radio").first.click()
    expect(image).not_to_have_attribute("src", plain or "", timeout=120_000)

    # While the explanation is drawn, the page may show the button of the run before and of this one.
    mark = dialog.get_by_role("button", name="Mark as bad")
    expect(mark).to_have_count(1, timeout=60_000)
    mark.click()
    expect(dialog.get_by_role("button", name="Take back in")).to_be_visible()
    workspace = Workspace(server.workspace)
    assert labels_at(workspace, open_dataset(workspace, "fashion-mnist-sample")).excluded.sum() == 1


def test_two_runs_are_compared_and_the_address_opens_it_again(evaluate: Page, runs: tuple[Run, Run]) -> None:
    evaluate.get_by_role("combobox", name="Compare with").click()
    evaluate.get_by_role("option", name="r2").click()
    expect(evaluate.get_by_text("Exact McNemar p", exact=True)).to_be_visible()
    assert f"compare={runs[1].id}" in evaluate.url
    evaluate.reload()
    expect(evaluate.get_by_text("Exact McNemar p", exact=True)).to_be_visible()
    expect(evaluate.get_by_text("on the same 1,000 images").first).to_be_visible()
    evaluate.get_by_role("radio", name="Only r2 right").click()
    evaluate.get_by_role("group", name="Images that one run got right").locator(".item").first.click()
    expect(evaluate.get_by_role("dialog").get_by_text("r2 says")).to_be_visible()


def test_labels_that_are_mixed_up_are_found_pair_by_pair(page: Page, server: Any) -> None:
    workspace = Workspace(server.workspace)
    sample = open_dataset(workspace, "fashion-mnist-sample")
    clothes = tagged(workspace, sample, 300, split=(np.arange(300) % 3).astype(np.int8))
    run = answered_run(workspace, clothes, "several", noise=2.0)
    rows = load_predictions(run.predictions_file).only("test")
    scores = multilabel_scores(rows.labels, rows.pred_probs)
    page.goto(f"{server.url}/evaluate?data={clothes.name}&run={run.id}&images=Test")
    grid = page.get_by_role("grid", name="Confusion matrix")
    grid.wait_for()
    expect(grid.locator("button")).to_have_count(9)
    page.get_by_role("radio", name="Wrong together").click()
    counts = pair_counts(scores, "wrong-together")
    assert counts[1, 2] != pair_counts(scores, "said-for")[1, 2], "the wait would not tell the matrices apart"
    expect(grid.locator("button").nth(5)).to_have_text(str(counts[1, 2]))
    grid.locator("button").nth(5).click()
    expect(page.get_by_text("sleeves and whole body wrong")).to_be_visible()
    tiles = page.get_by_role("group", name="Images of the pair").locator(".item")
    expect(tiles).to_have_count(int(counts[1, 2]))
    tiles.first.click()
    expect(page.get_by_role("dialog").get_by_text("How likely several holds each label")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Send to Relabel").first.click()
    page.wait_for_url("**/relabel?**")
    expect(page.locator(".review .place")).to_have_text(f"1 of {counts[1, 2]}")
