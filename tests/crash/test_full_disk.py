"""A full disk at each write: it says so and what to do, nothing is harmed, and the rest works."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from core.database.engine import forget_engines
from core.errors import StorageFailed
from core.labels.journal import LabelJournal
from core.runs.events import EventLog
from core.workspace import Workspace
from tests.crash.faults import EXPLAINED, FINE, Action, limited_to, refused_at
from tests.crash.whole import CLOTHES, unpacked
from tests.crash.writes import does_without, prepare, writes


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with everything in it, that nothing was opened in."""
    root = unpacked(tmp_path / "workspace")
    prepare(root)
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(root))
    monkeypatch.delenv("TIDYSET_DATABASE_URL", raising=False)
    return root


def contents(root: Path) -> dict[str, str]:
    """A hash of every file that a person would miss, by path."""
    return {
        str(path.relative_to(root)): hashlib.blake2b(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "cache" not in path.parts and not path.name.startswith(("labels.db-", "lock"))
    }


def struck(root: Path, strike: Callable[[Action], int], but: Collection[str] = ()) -> dict[str, int]:
    """The exit status of each write under a fault, in a fork of its own."""
    actions = {name: write for name, write in writes(root).items() if name not in but}
    forget_engines()  # what a fork inherits of SQLite must not be used there
    return {name: strike(action) for name, action in actions.items()}


IN_SQLITE = {
    *("a label", "the name of a version", "an edit that waits", "a shared list", "images taken"),
    *("images given back", "a list that is closed"),
}
"""Written by its C code, which the audit hook does not see."""


def test_a_full_disk_is_said_at_each_write_and_harms_nothing(root: Path) -> None:
    before = contents(root)
    found = struck(root, lambda action: refused_at(0, action, root), but=IN_SQLITE)
    assert {name: end for name, end in found.items() if end != EXPLAINED} == {}
    actions = writes(root)
    forget_engines()
    assert {name: limited_to(0, actions[name]) for name in IN_SQLITE} == dict.fromkeys(IN_SQLITE, EXPLAINED)
    after = contents(root)
    databases = {"outbox.db", "labels.db"}  # of one nothing was kept, the other was opened
    assert {name for name, hash_ in after.items() if before.get(name) != hash_} <= databases
    assert before.keys() <= after.keys()
    assert LabelJournal(Workspace(root)).version(CLOTHES) == 14


def test_a_disk_that_fills_up_within_a_file_is_said_too(root: Path) -> None:
    found = struck(root, lambda action: limited_to(16, action))
    deletes = {name for name in found if name.endswith(("deleted", "removed"))}
    assert {name: end for name, end in found.items() if end != EXPLAINED and name not in deletes} == {}


def test_what_only_wanted_to_keep_a_result_does_without(root: Path) -> None:
    actions = does_without(root)
    forget_engines()
    for name, action in actions.items():
        assert refused_at(0, action, root) == FINE, name
        # A journal that is not open anywhere cannot be opened on a disk without one free byte.
        assert limited_to(0, action) == (EXPLAINED if name == "labels are read" else FINE), name


def test_an_event_that_was_torn_by_a_full_disk_does_not_swallow_the_next(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    log.append("started")

    def too_long() -> None:
        with pytest.raises(StorageFailed, match=r"events\.jsonl"):
            log.append("note", text="x" * 5_000)

    assert limited_to(1_000, too_long) == FINE
    assert os.stat(log.path).st_size == 1_000  # half a line lies there
    assert [event["type"] for event in log.read()[0]] == ["started"]
    log.append("finished", seconds=1.0)
    assert [event["type"] for event in log.read()[0]] == ["started", "finished"]
