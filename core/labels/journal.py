"""The label journal: who changed which label when and why, kept for good.

Edits are only ever appended. Undoing appends an edit that undoes another; redoing undoes the undoing. The
number of an edit is its label version: version k of a data set is its given labels with its edits up to
number k (core.labels.versions). What ``append`` returns is on the disk, not on its way there.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, create_engine, event, func, insert, inspect, select, tuple_
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from core.data.dataset import UNLABELLED, Dataset, Task
from core.errors import BadInput, DamagedFile, NotFound, StorageFailed
from core.files import storage_failed
from core.labels.schema import edits, metadata
from core.workspace import Workspace

LABEL, CONFIRM, EXCLUDE, INCLUDE, UNDO = "label", "confirm", "exclude", "include", "undo"
KINDS = (LABEL, CONFIRM, EXCLUDE, INCLUDE, UNDO)
BUSY_SECONDS = 5.0
_CHUNK = 400
"""Values in one IN (...): SQLite allows 999 parameters in old builds."""


@dataclass(frozen=True, slots=True)
class NewEdit:
    """An edit to append.

    Attributes:
        kind: "label" gives the item the class ``new``; "confirm" keeps its label; "exclude" leaves a bad
            image out of training, "include" takes it back; "undo" takes back another edit.
        new: Class name, for "label".
        evidence: What was shown: run, guess, confidence, queue.
        session, seq: Name the edit, so that one sent twice is kept once.
        undoes: For "undo": number of the edit to undo.
        undoes_seq: For "undo", instead: the edit's ``seq`` in the same session.
    """

    item_id: str
    kind: str
    session: str
    seq: int
    new: str | None = None
    who: str = "annotator"
    why: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    undoes: int | None = None
    undoes_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """An edit in the journal; ``id`` is its number and label version, ``at`` is Unix time."""

    id: int
    dataset: str
    dataset_fingerprint: str
    item_id: str
    kind: str
    old: str | None
    new: str | None
    who: str
    at: float
    why: str
    evidence: dict[str, Any]
    session: str
    seq: int
    undoes: int | None


@dataclass(frozen=True, slots=True)
class Saved:
    """The acknowledgement of an edit: it is in the journal under the number ``id``."""

    session: str
    seq: int
    id: int


def problem_with(dataset: Dataset, edit: NewEdit) -> str:
    """What forbids appending ``edit`` whatever the journal holds, as a sentence; "" when nothing does."""
    if edit.kind not in KINDS:
        return f"There is no kind of edit {edit.kind!r}; choose one of {', '.join(KINDS)}."
    if not 0 < len(edit.session) <= 64 or not 0 <= edit.seq < 2**53:
        return "An edit needs a session of 1 to 64 characters and a sequence number."
    if edit.kind == LABEL and edit.new not in dataset.classes:
        return f"{dataset.name} has no class {edit.new!r}; choose one of {', '.join(dataset.classes)}."
    if edit.kind == UNDO and edit.undoes is None and edit.undoes_seq is None:
        return "An undoing needs the number of the edit that it undoes."
    try:
        position = int(dataset.positions([edit.item_id])[0])
    except NotFound as error:
        return error.problem
    if edit.kind in (LABEL, CONFIRM) and dataset.task is not Task.SINGLE_LABEL:
        return "Labels of a multi-label data set cannot be edited yet."
    if edit.kind == CONFIRM and edit.new is None and dataset.labels[position] == UNLABELLED:
        return f"{edit.item_id} has no given label to confirm; give it one."
    return ""


class LabelJournal:
    """The journal of a workspace. Cheap to make; connections are shared within the process."""

    def __init__(self, workspace: Workspace) -> None:
        self._url = workspace.database_url

    @property
    def path(self) -> Path:
        """The file, for SQLite; else the address without its password, for messages."""
        return Path(make_url(self._url).database or self._url)

    @property
    def exists(self) -> bool:
        """Whether anything may be in it; False only for an SQLite file that is not there."""
        return make_url(self._url).get_backend_name() != "sqlite" or self.path.exists()

    def append(self, dataset: Dataset, new: Sequence[NewEdit]) -> list[Saved]:
        """Append edits in one transaction; returns after the commit, one acknowledgement an edit.

        An edit whose (session, seq) is in the journal already is acknowledged again, not doubled.

        Raises:
            BadInput: An edit cannot be applied, or its (session, seq) names another one; none is kept.
            NotFound: There is nothing to undo under that number.
            StorageFailed: Nothing was kept: the disk is full or read-only, or another process holds on.
            DamagedFile: The file is no journal.
        """
        for edit in new:
            if problem := problem_with(dataset, edit):
                raise BadInput(problem)
        if not new:
            return []
        with self._begin(write=True) as connection:
            kept = _kept(connection, new)
            added = [edit for edit in _without_repeats(new) if (edit.session, edit.seq) not in kept]
            state = _Items(dataset, _rows_of_items(connection, dataset, {edit.item_id for edit in added}))
            rows = []
            last = connection.execute(select(func.max(edits.c.id))).scalar() or 0
            for number, edit in enumerate(added, start=last + 1):
                row = self._row(dataset, edit, state, connection)
                # A number for looking it up within the batch; the database gives the real one.
                state.add({**row, "id": number})
                rows.append(row)
            if rows:
                connection.execute(insert(edits), rows)
            kept = _kept(connection, new) if rows else kept
        return [Saved(edit.session, edit.seq, kept[edit.session, edit.seq].id) for edit in new]

    def _row(self, dataset: Dataset, edit: NewEdit, state: _Items, connection: Connection) -> dict[str, Any]:
        undoes = None
        if edit.kind == UNDO:
            undoes = state.number_to_undo(edit)
        old = state.label(edit.item_id)
        new: str | None = None
        if edit.kind == LABEL:
            new = edit.new
        elif edit.kind == CONFIRM:
            new = old
        return {
            "dataset": dataset.name,
            "dataset_fingerprint": dataset.fingerprint,
            "item_id": edit.item_id,
            "kind": edit.kind,
            "old": old,
            "new": new,
            "who": (edit.who.strip() or "annotator")[:100],
            "at": time.time(),
            "why": edit.why[:2_000],
            "evidence": edit.evidence,
            "session": edit.session,
            "seq": edit.seq,
            "undoes": undoes,
        }

    def history(
        self, dataset: Dataset | str | None = None, *, item_id: str | None = None, limit: int | None = None
    ) -> list[Edit]:
        """Edits, newest first; of one data set (one name, whatever its content), of one item."""
        query = select(edits).order_by(edits.c.id.desc())
        if isinstance(dataset, Dataset):
            query = _of(query, dataset)
        elif dataset is not None:
            query = query.where(edits.c.dataset == dataset)
        if item_id is not None:
            query = query.where(edits.c.item_id == item_id)
        if not self.exists:
            return []
        with self._begin() as connection:
            return [Edit(**row) for row in connection.execute(query.limit(limit)).mappings()]

    def rows(self, dataset: Dataset, start: int = 0) -> list[tuple[Any, ...]]:
        """(id, item_id, kind, new, undoes, session, seq) of the data set's edits from number ``start`` on."""
        query = select(
            edits.c.id,
            edits.c.item_id,
            edits.c.kind,
            edits.c.new,
            edits.c.undoes,
            edits.c.session,
            edits.c.seq,
        )
        query = _of(query, dataset).where(edits.c.id >= start).order_by(edits.c.id)
        if not self.exists:
            return []
        with self._begin() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def version(self, dataset: Dataset | str | None) -> int:
        """The newest label version of a data set (None: of all): its last edit's number; 0 without any."""
        query = select(func.max(edits.c.id))
        if isinstance(dataset, Dataset):
            query = _of(query, dataset)
        elif dataset is not None:
            query = query.where(edits.c.dataset == dataset)
        if not self.exists:
            return 0
        with self._begin() as connection:
            return connection.execute(query).scalar() or 0

    def count_since(self, dataset: Dataset, version: int) -> int:
        """How many edits a data set has had since a label version."""
        query = _of(select(func.count()).select_from(edits), dataset).where(edits.c.id > version)
        if not self.exists:
            return 0
        with self._begin() as connection:
            return connection.execute(query).scalar() or 0

    def last_to_undo(self, dataset: Dataset) -> Edit:
        """The newest edit that is in force, an undoing not counted. Raises NotFound."""
        undone: set[int] = set()
        for edit in self.history(dataset):
            if edit.id in undone:
                continue
            if edit.kind != UNDO:
                return edit
            undone.add(edit.undoes or 0)
        raise NotFound(f"{dataset.name} has no edit to undo.", "`tidyset labels history` lists them.")

    @contextmanager
    def _begin(self, *, write: bool = False) -> Iterator[Connection]:
        try:
            engine = _engine(self._url)
            options = {"tidyset_write": write}
            with engine.connect().execution_options(**options) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise _explained(self.path, error) from error
        except OSError as error:
            raise storage_failed(self.path, error) from error


def _of(query: Select[Any], dataset: Dataset) -> Select[Any]:
    return query.where(edits.c.dataset == dataset.name, edits.c.dataset_fingerprint == dataset.fingerprint)


class _Items:
    """The edits of the items that a batch touches, to know what each is called just before an edit."""

    def __init__(self, dataset: Dataset, rows: Iterable[dict[str, Any]]) -> None:
        self._dataset = dataset
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        self._rows.setdefault(row["item_id"], []).append(row)

    def label(self, item_id: str) -> str | None:
        """The class that the item has now; None when it has none."""
        rows = self._rows.get(item_id, [])
        undone: set[int] = set()
        for row in reversed(rows):
            if row["id"] in undone:
                continue
            if row["kind"] == UNDO:
                undone.add(row["undoes"])
            elif row["kind"] in (LABEL, CONFIRM):
                return str(row["new"])
        if self._dataset.task is not Task.SINGLE_LABEL:
            return None
        given = int(self._dataset.labels[self._dataset.positions([item_id])[0]])
        return None if given == UNLABELLED else self._dataset.classes[given]

    def number_to_undo(self, edit: NewEdit) -> int:
        """The number of the edit that ``edit`` undoes. Raises NotFound or BadInput."""
        rows = self._rows.get(edit.item_id, [])
        found = next(
            (
                row
                for row in rows
                if (edit.undoes is not None and row["id"] == edit.undoes)
                or (edit.undoes is None and (row["session"], row["seq"]) == (edit.session, edit.undoes_seq))
            ),
            None,
        )
        if found is None:
            asked = edit.undoes if edit.undoes is not None else f"{edit.undoes_seq} of this session"
            raise NotFound(f"{edit.item_id} has no edit {asked} to undo.", "Look at its history.")
        return int(found["id"])


def _without_repeats(new: Sequence[NewEdit]) -> list[NewEdit]:
    return list({(edit.session, edit.seq): edit for edit in reversed(new)}.values())[::-1]


def _kept(connection: Connection, new: Sequence[NewEdit]) -> dict[tuple[str, int], Any]:
    """The rows that are there under the edits' names. Raises BadInput when one is another edit."""
    wanted = {(edit.session, edit.seq): edit for edit in new}
    names = list(wanted)
    found = {}
    for start in range(0, len(names), _CHUNK):
        query = select(edits.c.id, edits.c.session, edits.c.seq, edits.c.item_id, edits.c.kind).where(
            tuple_(edits.c.session, edits.c.seq).in_(names[start : start + _CHUNK])
        )
        for row in connection.execute(query):
            edit = wanted[row.session, row.seq]
            if (row.item_id, row.kind) != (edit.item_id, edit.kind):
                raise BadInput(
                    f"Edit {row.seq} of session {row.session} is another one: {row.kind} of {row.item_id}.",
                    "Reload the page.",
                )
            found[row.session, row.seq] = row
    return found


def _rows_of_items(
    connection: Connection, dataset: Dataset, item_ids: Iterable[str]
) -> Iterator[dict[str, Any]]:
    ids = list(item_ids)
    for start in range(0, len(ids), _CHUNK):
        query = _of(select(edits), dataset).where(edits.c.item_id.in_(ids[start : start + _CHUNK]))
        for row in connection.execute(query.order_by(edits.c.id)).mappings():
            yield dict(row)


def _engine(url: str) -> Engine:
    """The process's connections to a journal, which is made when it is not there.

    Connections belong to the file, not to its name: into a file that was deleted or replaced under a
    running server, edits would be written without a word, and lost.
    """
    parsed = make_url(url)
    name = parsed.database or ""
    if parsed.get_backend_name() != "sqlite" or not name or name.startswith("file:"):
        return _connected(url, (0, 0))
    path = Path(name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _connected.__wrapped__(url, (0, 0)).dispose()
    found = path.stat()
    return _connected(url, (found.st_dev, found.st_ino))


@lru_cache(maxsize=16)
def _connected(url: str, _file: tuple[int, int]) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    with engine.connect() as connection, connection.begin():
        there = inspect(connection).has_table(edits.name)
    if not there:
        with engine.connect().execution_options(tidyset_write=True) as connection, connection.begin():
            metadata.create_all(connection)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """WAL lets readers go on beside a writer; FULL means that a commit is on the disk before it returns."""
    connection.isolation_level = None  # transactions are begun by _begin_sqlite
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Once in the life of a journal; SQLite does not wait by itself when two processes do it at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its turn at once, so that what it reads stays true until it commits."""
    write = connection.get_execution_options().get("tidyset_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _explained(path: Path, error: SQLAlchemyError) -> StorageFailed | DamagedFile:
    reason = str(getattr(error, "orig", None) or error)
    if isinstance(error, DatabaseError) and ("not a database" in reason or "malformed" in reason):
        return DamagedFile(f"{path} is no label journal ({reason}).", "Restore it from a copy.")
    mends = {
        "full": "The disk is full: free some space and try again.",
        "readonly": "It is read-only: set TIDYSET_WORKSPACE to a folder that can be written.",
        "locked": "Another process holds it: try again in a moment.",
        "I/O": "The disk is full or failing: free some space and try again.",
    }
    mend = next(
        (text for word, text in mends.items() if word in reason), "What was saved before is untouched."
    )
    return StorageFailed(f"{path} could not be written ({reason}).", mend)
