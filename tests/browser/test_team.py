"""Two people sign in and label one shared list, each in a browser of their own; a third may only look."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, Page, expect

from core.data.catalog import open_dataset
from core.people import passwords
from core.people.accounts import add_account
from core.people.acting import acting_as
from core.people.roles import Role
from core.team.lists import share
from core.workspace import Workspace
from tests.browser.accessible import axe

if TYPE_CHECKING:
    from tests.browser.conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]  # three browsers at once
DARK = "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor === 'rgb(15, 20, 25)'"
GOOD = "correct horse battery"
LONG = 60_000


@pytest.fixture
def team(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Ada, Bob and the viewer Vic; a list of eight images, three at a time."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    workspace = Workspace(server.workspace)
    dataset = open_dataset(workspace, "fashion-mnist-sample")
    ids = [str(item_id) for item_id in dataset.item_ids[:8]]
    share(workspace, dataset, "first pass", ids, who="Ada", at_once=3)
    add_account(workspace, "Ada", Role.ADMIN, GOOD)
    with acting_as("Ada"):
        add_account(workspace, "Bob", Role.ANNOTATOR, GOOD)
        add_account(workspace, "Vic", Role.VIEWER, GOOD)
    return server


@contextmanager
def someone(browser: Browser, server: Server, name: str, path: str) -> Iterator[Page]:
    """A browser of their own, signed in, on a page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(LONG)
    page.goto(f"{server.url}/{path}")
    page.get_by_label("Name").fill(name)
    if name == "Ada":
        assert axe(page) == []
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(DARK)
        assert axe(page) == []
        page.emulate_media(color_scheme="light")
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        wrong = page.get_by_role("alert").filter(has_text="Name or password is wrong")
        expect(wrong).to_be_visible(timeout=LONG)
    page.get_by_label("Password").fill(GOOD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=LONG)
    yield page
    context.close()


def decided(server: Server) -> list[tuple[str, str]]:
    """(who, item) of every edit."""
    with closing(sqlite3.connect(server.workspace / "labels.db")) as connection:
        return connection.execute("SELECT who, item_id FROM edits ORDER BY number").fetchall()


def label(page: Page, keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def ready(page: Page, place: str) -> None:
    expect(page.locator(".review .place")).to_have_text(place, timeout=LONG)
    expect(page.locator(".review.focused")).to_be_visible(timeout=LONG)


def test_two_people_share_a_list_and_a_viewer_only_looks(browser: Browser, team: Server) -> None:
    path = "relabel?list=first pass"
    with (
        someone(browser, team, "Ada", path) as ada,
        someone(browser, team, "Bob", path) as bob,
        someone(browser, team, "Vic", path) as vic,
    ):
        ready(ada, "1 of 3")
        ready(bob, "1 of 3")
        label(ada, "123")
        ready(ada, "1 of 2")  # the next ones come by themselves
        label(bob, "456")
        label(ada, "12")
        expect(ada.get_by_text("Nothing of this list is left for you")).to_be_visible(timeout=LONG)
        expect(bob.get_by_text("Nothing of this list is left for you")).to_be_visible(timeout=LONG)
        found = decided(team)
        assert len(found) == len({item for _, item in found}) == 8
        assert [sum(who == name for who, _ in found) for name in ("Ada", "Bob")] == [5, 3]

        expect(vic.get_by_text("As viewer you may look, but not change labels")).to_be_visible(timeout=LONG)
        assert vic.locator(".review").count() == 0

        bob.goto(f"{team.url}/team")
        expect(bob.get_by_text("8 of 8 decisions (8 images)")).to_be_visible(timeout=LONG)
        expect(bob.get_by_text("Ada 5 · Bob 3")).to_be_visible(timeout=LONG)
        bob.get_by_role("button", name="Sign out").click()
        expect(bob.get_by_role("heading", name="Sign in")).to_be_visible(timeout=LONG)
        bob.reload()
        expect(bob.get_by_role("heading", name="Sign in")).to_be_visible(timeout=LONG)
        assert bob.request.get(f"{team.url}/tidyset/points/{'0' * 32}.bin").status == 403
