"""Surveys in a thread: made once, however many ask; progress, time left, errors."""

from __future__ import annotations

import threading

import pytest

from core.data.dataset import Dataset
from core.errors import DamagedFile
from core.labels.versions import labels_at
from core.quality.duplicates import Duplicates
from core.quality.image_issues import RULES
from core.workspace import Workspace
from dashboard import issues_view
from dashboard.issues_view import Survey, Work
from tests.core.quality.planted import similar


def nothing() -> Survey:
    return Survey(similar(), Duplicates(), [])


def test_two_who_ask_get_one_survey(workspace: Workspace, sample: Dataset) -> None:
    state = labels_at(workspace, sample)
    work = issues_view.survey(workspace, sample, state)
    assert issues_view.survey(workspace, sample, state) is work
    assert work.wait(120)
    assert work.share == 1
    assert [issue.rule for issue in work.result().issues] == list(RULES)
    assert work.result().issue("dark") is not None
    assert work.result().issue("none") is None


def test_progress_and_time_left_while_it_is_made() -> None:
    reached, go_on = threading.Event(), threading.Event()

    def make(note: object) -> Survey:
        note(0.5)  # type: ignore[operator]
        reached.set()
        go_on.wait(30)
        return nothing()

    work = Work(make)  # type: ignore[arg-type]
    assert reached.wait(30)
    assert not work.wait(0)
    assert work.share == 0.5
    assert work.seconds_left is not None
    assert work.seconds_left >= 0
    with pytest.raises(RuntimeError, match="still being made"):
        work.result()
    go_on.set()
    assert work.wait(30)
    assert not work.result().issues


def test_there_is_no_time_left_at_the_beginning() -> None:
    go_on = threading.Event()

    def make(note: object) -> Survey:
        go_on.wait(30)
        return nothing()

    work = Work(make)  # type: ignore[arg-type]
    assert work.seconds_left is None
    go_on.set()
    assert work.wait(30)


def test_an_error_belongs_to_who_asks_and_is_not_kept() -> None:
    def make(note: object) -> Survey:
        raise DamagedFile("x.npy cannot be read.", "Import it again.")

    works = issues_view._Works(2)
    first = works.get("a", lambda: Work(make))  # type: ignore[arg-type]
    assert first.wait(30)
    with pytest.raises(DamagedFile, match=r"x\.npy"):
        first.result()
    second = works.get("a", lambda: Work(lambda note: nothing()))
    assert second is not first
    assert works.get("a", lambda: Work(make)) is second  # type: ignore[arg-type]


def test_only_the_last_few_are_kept() -> None:
    works = issues_view._Works(2)
    first = works.get("a", lambda: Work(lambda note: nothing()))
    works.get("b", lambda: Work(lambda note: nothing()))
    works.get("c", lambda: Work(lambda note: nothing()))
    assert works.get("a", lambda: Work(lambda note: nothing())) is not first
