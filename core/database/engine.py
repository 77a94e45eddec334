"""The database opened so that a commit means: it is on the disk.

SQLite is used in WAL mode with synchronous=FULL: readers never wait for a writer, a commit returns after
fsync, and a killed process leaves either the whole transaction or none of it. Writers take the write lock
at BEGIN, so that two of them queue up instead of failing half-way.

PostgreSQL commits with synchronous_commit on. Writers of one data set queue up at an advisory lock that
ends with their transaction; whoever holds it while doing nothing is cut off after a while.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import Connection

from core.database.address import parsed, sqlite_file
from core.database.faults import explained
from core.errors import StorageFailed
from core.files import storage_failed
from core.workspace import Workspace

BUSY_SECONDS = 10.0
AWAY_SECONDS = 5
"""So long a server may take to answer a call before it counts as away."""
IDLE_SECONDS = 60
"""So long a transaction may do nothing: a suspended process must not hold up everybody."""


def connect(workspace: Workspace) -> Engine:
    """An engine for the workspace's database; the same one for the same database.

    Raises:
        StorageFailed: Its address cannot be used, or its file not be made.
    """
    return open_address(workspace.database_url)


def open_address(url: str) -> Engine:
    """An engine for a database; the same one for the same database. Raises as ``connect`` does."""
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


def is_sealed(engine: Engine) -> bool:
    """Whether it can only be read, since nothing can be written beside its file."""
    return bool(engine.get_execution_options().get("sealed", False))


def _is_sealed(file: Path) -> bool:
    """Whether nothing can be written beside the journal, as on a read-only disk, and nothing was left there.

    SQLite wants to put files beside a WAL database even to read it, unless told that it cannot change.
    """
    return not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists()


_OPEN: WeakSet[Engine] = WeakSet()


@functools.lru_cache(maxsize=8)
def _engine(url: str, identity: int, sealed: bool = False) -> Engine:
    engine = _opened(url, sealed)
    _OPEN.add(engine)
    return engine


def _opened(url: str, sealed: bool) -> Engine:
    file = sqlite_file(url)
    if file is None:
        return _postgres(url)
    if sealed:
        address = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
        # As SQLAlchemy itself has it for files: its pool lends a connection to one thread at a time.
        creator = functools.partial(sqlite3.connect, address, uri=True, check_same_thread=False)
        engine = create_engine(url, creator=creator)
        return engine.execution_options(sealed=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def forget_engines() -> None:
    """Close every connection that this process holds; the next use opens anew."""
    for engine in list(_OPEN):
        engine.dispose()
    _engine.cache_clear()


def _postgres(url: str) -> Engine:
    """An engine that notices when a connection was lost, and waits for nothing without an end."""
    options = {
        "connect_timeout": AWAY_SECONDS,
        "keepalives_idle": 30,
        "tcp_user_timeout": 1_000 * int(BUSY_SECONDS),
        "application_name": "tidyset",
    }
    address = parsed(url)
    options = {name: value for name, value in options.items() if name not in address.query}
    try:
        engine = create_engine(
            address, connect_args=options, pool_pre_ping=True, pool_size=10, pool_timeout=BUSY_SECONDS
        )
    except ModuleNotFoundError as error:
        raise StorageFailed(
            "A PostgreSQL database needs psycopg, which is not installed.",
            "Install it: uv sync --extra postgres, or pip install 'tidyset[postgres]'.",
        ) from error
    event.listen(engine, "connect", _configure_postgres)
    return engine


def _configure_sqlite(connection: Any, record: Any) -> None:
    """Durable settings for each SQLite connection; transactions begin where we say."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _configure_postgres(connection: Any, record: Any) -> None:
    """Durable settings for each PostgreSQL connection, whatever the server's own are."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        (commits,) = cursor.execute("SHOW synchronous_commit").fetchone()
        if commits == "off":  # a commit would return up to 0.6 s before it is on the disk
            cursor.execute("SET synchronous_commit = 'on'")
    connection.commit()


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one state of the database. Raises Busy, DamagedFile or StorageFailed."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with explained(address_of(engine)), engine.connect() as connection:
        yield connection


@contextlib.contextmanager
def writing(engine: Engine, lock: str = "") -> Iterator[Connection]:
    """A transaction: when the block has ended all of it is on the disk, when it raises none of it is.

    Args:
        lock: What is written, such as a data set's edits: only one writer of the same is let in at a time,
            and sees all that the others wrote. (SQLite has one writer of anything.)
    """
    with explained(address_of(engine)), engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            wait = text("SELECT pg_advisory_xact_lock(hashtextextended('tidyset:' || :lock, 0))")
            connection.execute(wait, {"lock": lock})
        yield connection


def address_of(engine: Engine) -> str:
    """Its address, with the password: for nobody to see."""
    return engine.url.render_as_string(hide_password=False)
