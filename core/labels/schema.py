"""The journal's table, and a database opened so that a commit means: it is on the disk.

SQLite is used in WAL mode with synchronous=FULL: readers never wait for a writer, a commit returns after
fsync, and a killed process leaves either the whole transaction or none of it. Writers take the write lock
at BEGIN, so that two of them queue up instead of failing half-way.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    Column,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError

from core.errors import Busy, DamagedFile, StorageFailed, TidysetError
from core.files import storage_failed
from core.workspace import Workspace

FORMAT = 1
BUSY_SECONDS = 10.0

metadata = MetaData()

about = Table("journal", metadata, Column("format", Integer, primary_key=True))

edits = Table(
    "edits",
    metadata,
    Column("dataset", String, primary_key=True),
    # 1, 2, 3, ... within the data set; label version k is the given labels plus edits 1 to k.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("item_id", String, nullable=False),
    # Of the item's pixels and of the whole data set: an edit follows its image through a new import.
    Column("content_hash", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("class_name", String),  # the class that is edited, where an image has several labels
    Column("old", String),  # class names, which outlive a change in the order of the classes
    Column("new", String),
    Column("undoes", Integer),  # the number of the edit that this one takes back
    Column("who", String, nullable=False),
    Column("at", Float, nullable=False),  # Unix time of the commit
    Column("why", String, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("session", String, nullable=False),
    Column("seq", Integer, nullable=False),
    UniqueConstraint("dataset", "session", "seq"),
    Index("edits_by_item", "dataset", "item_id"),
)

# Names for label versions; a name is given once and stays.
named_versions = Table(
    "named_versions",
    metadata,
    Column("dataset", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("who", String, nullable=False),
    Column("why", String, nullable=False),
    Column("at", Float, nullable=False),
)

for verb in ("UPDATE", "DELETE"):
    trigger = DDL(  # type: ignore[no-untyped-call]
        f"CREATE TRIGGER IF NOT EXISTS edits_no_{verb.lower()} BEFORE {verb} ON edits "
        "BEGIN SELECT RAISE(ABORT, 'the journal is append-only: undo appends'); END"
    )
    event.listen(edits, "after_create", trigger.execute_if(dialect="sqlite"))


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL; None for another database."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def database(workspace: Workspace) -> Engine:
    """The workspace's database, made with its table when it is not there yet.

    Raises:
        StorageFailed: It cannot be made.
        DamagedFile: It is no journal, or one of a newer version.
    """
    url = workspace.database_url
    file = sqlite_file(url)
    if file is None:
        return _engine(url, 0)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.touch()
        # The file's identity is part of the key: a connection to a deleted file would lose what it is told.
        return _engine(url, file.stat().st_ino, _is_sealed(file))
    except OSError as error:
        raise storage_failed(file, error) from error


def _is_sealed(file: Path) -> bool:
    """Whether nothing can be written beside the journal, as on a read-only disk, and nothing was left there.

    SQLite wants to put files beside a WAL database even to read it, unless told that it cannot change.
    """
    return not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists()


@functools.lru_cache(maxsize=8)
def _engine(url: str, identity: int, sealed: bool = False) -> Engine:
    file = sqlite_file(url)
    if sealed and file is not None:
        address = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
        engine = create_engine(url, creator=lambda: sqlite3.connect(address, uri=True))
    else:
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS} if file else {})
    if engine.dialect.name == "sqlite" and not sealed:
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
    with explained(url):
        _create(engine, sealed=sealed)
    return engine


def _configure(connection: Any, record: Any) -> None:
    """Durable settings for each SQLite connection; transactions begin where we say."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _create(engine: Engine, *, sealed: bool) -> None:
    """Make the tables that are missing: all of them, or those that an older journal has not got yet."""
    missing = set(metadata.tables) - set(inspect(engine).get_table_names())
    if missing and not sealed:
        with engine.execution_options(writes=True).begin() as connection:
            metadata.create_all(connection)
            if connection.scalar(select(about.c.format)) is None:
                connection.execute(about.insert().values(format=FORMAT))
    with engine.connect() as connection:
        found = connection.scalar(select(about.c.format))
    if found != FORMAT:
        raise DamagedFile(
            f"The label journal has format {found!r}; this version reads {FORMAT}.",
            "Update Tidyset, or choose another workspace.",
        )


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one state of the journal. Raises Busy, DamagedFile or StorageFailed."""
    with explained(engine.url.render_as_string()), engine.connect() as connection:
        yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction: when the block has ended all of it is on the disk, when it raises none of it is."""
    with (
        explained(engine.url.render_as_string()),
        engine.execution_options(writes=True).begin() as connection,
    ):
        yield connection


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(url, error) from error


def _explain(url: str, error: DBAPIError) -> TidysetError:
    name = getattr(error.orig, "sqlite_errorname", "")
    where = sqlite_file(url) or make_url(url).render_as_string(hide_password=True)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Busy(
            f"The label journal {where} is locked by another program.", "It is tried again; or close it."
        )
    if name in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
        return DamagedFile(f"{where} is no label journal ({error.orig}).", "Restore it from a copy.")
    mends = {
        "SQLITE_FULL": "The disk is full: free some space, then it is tried again.",
        "SQLITE_READONLY": "It is read-only: make the workspace writable, then it is tried again.",
        "SQLITE_IOERR": "The disk may be full or gone: free some space, then it is tried again.",
        "SQLITE_CANTOPEN": "Make the workspace's folder readable and writable.",
    }
    mend = next((text for prefix, text in mends.items() if name.startswith(prefix)), "Nothing was saved.")
    return StorageFailed(f"The label journal {where} could not be written or read ({error.orig}).", mend)
