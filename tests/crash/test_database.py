"""Killed (SIGKILL) before any statement to the database: each transaction is there whole, or not at all.

On SQLite and, where there is one, PostgreSQL: labelling, bringing an old schema up to date, moving into
another database, and sending what waits. Every other statement; with ``TIDYSET_CRASH=full`` each.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, event

from core.data.dataset import Dataset
from core.database import migrate
from core.database.engine import connect, forget_engines, open_address, reading, writing
from core.database.move import move, row_counts
from core.labels import outbox
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs import index  # noqa: F401  (declares its table)
from core.tuning import study_log  # noqa: F401  (declares its table)
from core.workspace import Workspace
from tests.crash.faults import FINE, Action, forked

STEP = 1 if os.environ.get("TIDYSET_CRASH") == "full" else 2
OLD = Path(__file__).resolve().parents[1] / "core" / "database" / "old" / "schema-0001.sql"
KILLED = -signal.SIGKILL


def killed_at_statement(number: int, action: Action) -> int:
    """Run it in a fork that is killed just before its statement or commit ``number``. Its exit status."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen > number:
            os.kill(os.getpid(), signal.SIGKILL)

    def prepare() -> None:
        event.listen(Engine, "before_cursor_execute", count)
        event.listen(Engine, "commit", count)

    forget_engines()  # no connection of this process may be used by another
    return forked(action, prepare)


def at_each_statement(action: Action, is_done: Callable[[], bool]) -> None:
    """Kill it at one statement after the other, until it comes to its end or ``is_done``, asked each time."""
    number, status = 0, KILLED
    while status == KILLED and not is_done():
        status = killed_at_statement(number, action)
        number += STEP
    assert status in (KILLED, FINE)
    assert number > 3, "it sends hardly any statement"


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "postgresql":
        monkeypatch.setenv("TIDYSET_DATABASE_URL", request.getfixturevalue("postgres"))
    return str(request.param)


def edits(dataset: Dataset, session: str, n: int = 3) -> list[NewEdit]:
    return [
        NewEdit(str(dataset.item_ids[seq]), EditKind.EXCLUDE, session=session, seq=seq)
        for seq in range(1, n + 1)
    ]


def sessions(workspace: Workspace, dataset: Dataset) -> list[str]:
    found = [edit.session for edit in LabelJournal(workspace).edits(dataset.name)]
    assert LabelJournal(workspace).version(dataset.name) == len(found)
    return found


def test_edits_sent_together_are_all_there_or_none(
    backend: str, workspace: Workspace, sample: Dataset
) -> None:
    LabelJournal(workspace).append(sample, edits(sample, "before"))
    at_each_statement(
        lambda: LabelJournal(workspace).append(sample, edits(sample, "killed")),
        lambda: _all(sessions(workspace, sample)),
    )
    LabelJournal(workspace).append(sample, edits(sample, "killed"))  # sent again, as a browser does
    assert sessions(workspace, sample) == ["before"] * 3 + ["killed"] * 3


def _all(found: list[str]) -> bool:
    """Whether all are there; else none is."""
    assert found[:3] == ["before"] * 3
    assert found[3:] in ([], ["killed"] * 3)
    return len(found) == 6


def _old(workspace: Workspace, backend: str) -> None:
    """A database of the first schema, with edits in it."""
    if backend == "sqlite":
        workspace.root.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(workspace.root / "labels.db")) as connection:
            connection.executescript(OLD.read_text())
        return
    with writing(connect(workspace)) as connection:
        config = migrate.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")


def test_an_upgrade_of_the_schema_is_made_whole_or_not_at_all(backend: str, workspace: Workspace) -> None:
    _old(workspace, backend)

    def is_newest() -> bool:
        with reading(connect(workspace)) as connection:
            found = migrate.schema_of(connection)
        assert found in ("0001", migrate.NEWEST)
        return found == migrate.NEWEST

    at_each_statement(lambda: migrate.prepare(connect(workspace)), is_newest)
    migrate.prepare(connect(workspace))
    with reading(connect(workspace)) as connection:
        assert migrate.schema_of(connection) == migrate.NEWEST
    if backend == "sqlite":
        assert len(LabelJournal(workspace).edits("fashion-mnist-sample")) == 3


def test_a_database_that_is_moved_arrives_whole_or_not_at_all(
    backend: str, workspace: Workspace, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"sqlite:///{tmp_path / 'here.db'}"
    there = f"sqlite:///{tmp_path / 'to.db'}"
    if backend == "postgresql":
        there = os.environ["TIDYSET_DATABASE_URL"]
    monkeypatch.setenv("TIDYSET_DATABASE_URL", here)
    LabelJournal(workspace).append(sample, edits(sample, "moved", n=20))

    def moved() -> None:
        move(migrate.prepare(open_address(here)), migrate.prepare(open_address(there)))

    def is_there() -> bool:
        with reading(migrate.prepare(open_address(there))) as connection:
            n = row_counts(connection).get("edits", 0)
        assert n in (0, 20)
        return n == 20

    at_each_statement(moved, is_there)
    assert is_there()


def test_what_waits_is_sent_once_however_often_sending_is_killed(
    backend: str, workspace: Workspace, sample: Dataset
) -> None:
    LabelJournal(workspace).append(sample, edits(sample, "before"))
    outbox.keep(workspace, sample, edits(sample, "killed"))

    def is_sent() -> bool:
        there = _all(sessions(workspace, sample))
        return there and not outbox.n_waiting(workspace)

    at_each_statement(lambda: outbox.deliver(workspace), is_sent)
    outbox.deliver(workspace)
    assert outbox.n_waiting(workspace) == 0
    assert sessions(workspace, sample) == ["before"] * 3 + ["killed"] * 3
