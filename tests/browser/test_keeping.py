"""What becomes of corrections, in a real browser: looked at again blind, settled, proven and taken back."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from core.data.catalog import open_dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.proofs import KIND, read_proof
from core.runs import launch
from core.runs.recipe import make_recipe
from core.runs.store import create_run, list_runs
from core.worker import work
from core.workspace import Workspace
from dashboard.wording import figures_in
from tests.browser.conftest import settled

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = pytest.mark.browser
expect.set_options(timeout=40_000)
TINY = {"width": 4, "epochs": 1, "batch_size": 256, "learning_rate": 0.01, "threads": 1}


def journal(server: Server) -> list[tuple[str, str, str | None]]:
    """(item, kind, new) of every edit, oldest first."""
    database = sqlite3.connect(f"file:{server.workspace / 'labels.db'}?mode=ro", uri=True)
    try:
        return database.execute("SELECT item_id, kind, new FROM edits ORDER BY number").fetchall()
    finally:
        database.close()


def test_a_second_blind_look_becomes_a_conflict_that_one_key_settles(page: Page, server: Server) -> None:
    workspace = Workspace(server.workspace)
    sample = open_dataset(workspace, "fashion-mnist-sample")
    ids = [str(one) for one in sample.item_ids[:4]]
    decided = [NewEdit(one, EditKind.LABEL, "Bag", who="ann") for one in ids]
    LabelJournal(workspace).append(sample, decided)

    page.goto(f"{server.url}/agreement")
    page.get_by_role("button", name="Labelling as").click()
    page.get_by_label("Your name, for the history of the labels").fill("bob")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Labelling as bob")).to_be_visible()
    settled(page)
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    page.get_by_role("button", name="Look at 4 images again").click()
    expect(page.locator(".review.focused")).to_be_visible()
    expect(page.locator(".review")).not_to_contain_text("Given")
    for key in ("9", "9", "9", "1"):
        page.keyboard.press(key)
    expect(page.get_by_text("All of them are looked at.")).to_be_visible()
    looks = journal(server)[4:]
    assert sorted(item for item, *_ in looks) == sorted(ids)
    assert [(kind, new) for _, kind, new in looks] == [("look", "Bag")] * 3 + [("look", "T-shirt/top")]
    assert labels_at(workspace, sample).edited.sum() == 4, "a look changes no label"

    page.get_by_role("button", name="See the figures").click()
    expect(page.get_by_text("1 open, 0 settled")).to_be_visible()
    expect(page.get_by_text("the same answer on 75")).to_be_visible()
    page.get_by_role("button", name="T-shirt/top").click()
    expect(page.get_by_text("Every conflict is settled.")).to_be_visible()
    assert journal(server)[-1] == (looks[3][0], "settle", "T-shirt/top")


def test_edits_are_proven_and_then_taken_back_as_one_visit(page: Page, server: Server) -> None:
    workspace = Workspace(server.workspace)
    sample = open_dataset(workspace, "fashion-mnist-sample")
    base = create_run(workspace, sample, make_recipe(TINY), name="tiny")
    assert work(base.folder) == 0
    edits = [
        NewEdit(
            str(sample.item_ids[p]),
            EditKind.LABEL,
            sample.classes[(int(sample.labels[p]) + 1) % 10],
            who="ann",
            session="visit-1",
            seq=seq,
        )
        for seq, p in enumerate(sample.in_split("train")[:30], start=1)
    ]
    LabelJournal(workspace).append(sample, edits)

    page.goto(f"{server.url}/prove")
    expect(page.get_by_text("30 training images changed since tiny.")).to_be_visible()
    seeds = page.get_by_role("spinbutton", name="Seeds")
    seeds.fill("2")
    seeds.press("Enter")
    expect(page.get_by_text(re.compile("7 trainings"))).to_be_visible()
    page.get_by_role("button", name="Prove it").click()
    expect(page.get_by_role("heading", name="Change of accuracy")).to_be_visible(timeout=180_000)
    (proof,) = list_runs(workspace, kind=KIND)
    launch.wait(proof, timeout=60)
    verdict = figures_in(read_proof(proof)["verdict"]).replace("\\", "")
    expect(page.get_by_text(verdict).first).to_be_visible()

    page.get_by_role("link", name="History").click()
    page.get_by_role("combobox", name="Visit").click()
    page.get_by_role("option", name=re.compile("30 edits")).click()
    page.get_by_role("button", name="Take back all 30").click()
    page.get_by_role("button", name="Take back 30 edits").click()
    expect(page.get_by_role("button", name="Take back all 0")).to_be_visible()
    assert not labels_at(workspace, sample).edited.any()
    assert len(journal(server)) == 60, "nothing is overwritten"
