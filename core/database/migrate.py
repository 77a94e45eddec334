"""The database's schema: which one it has, and how an older one becomes the newest (Alembic).

Each step is a file in migrations/versions, for SQLite and PostgreSQL. All steps of an upgrade are one
transaction, which only one process makes; a SQLite file is copied before. A newer schema is left alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import Error as SqliteError
from sqlite3 import connect as sqlite_connect
from typing import TYPE_CHECKING
from weakref import WeakSet

from sqlalchemy import Engine, event, inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateTable

from core.database.address import place, sqlite_file
from core.database.engine import address_of, connect, is_sealed, reading, writing
from core.database.tables import metadata
from core.errors import DamagedFile, StorageFailed
from core.workspace import Workspace

if TYPE_CHECKING:
    from alembic.config import Config

NEWEST = "0004"
"""The schema of this version of Tidyset: the last of migrations/versions."""
VERSION_TABLE = "schema_version"
"""Where the schema's number is kept; Optuna keeps its own in Alembic's usual table."""
FORMAT = 1
"""What journals from before Alembic say about themselves in their table ``journal``."""

_FOLDER = Path(__file__).parent / "migrations"
_READY: WeakSet[Engine] = WeakSet()
_LOCK = threading.Lock()  # Alembic keeps what it works on in a module


def prepare(engine: Engine) -> Engine:
    """Make the tables of an empty database, or bring an older one up to date; returns ``engine``.

    One that can only be read stays as it is: tables that came later are read as empty.

    Raises:
        DamagedFile: It has a newer schema, or is no journal.
        StorageFailed: It, or the copy that is made before, cannot be written. It is then as it was.
    """
    if engine not in _READY:
        with reading(engine) as connection:
            found = schema_of(connection)
        if found != NEWEST and is_sealed(engine):
            event.listen(engine, "begin", _lend_tables)
        elif found != NEWEST:
            upgrade(engine)
        _READY.add(engine)
    return engine


def why_behind(workspace: Workspace) -> str:
    """Why the workspace's database has an older schema than this version's; "" where it has not.

    Raises as ``prepare`` does.
    """
    engine = prepare(connect(workspace))
    if not is_sealed(engine):
        return ""
    with reading(engine) as connection:
        found = schema_of(connection)
    if found == NEWEST:
        return ""
    return (
        f"The workspace is read-only, and its labels.db is older than this version of Tidyset (schema "
        f"{found or 'none'}, not {NEWEST}): what was added since, such as shared lists, is empty here, and "
        "nothing can be saved. Make the folder writable; the file is copied and brought up to date then."
    )


def _lend_tables(connection: Connection) -> None:
    """Empty tables in memory where the file has none of them; no step does more than add tables."""
    connection.exec_driver_sql("PRAGMA temp_store=MEMORY")
    found = inspect(connection)
    there = {*found.get_table_names(), *found.get_temp_table_names()}
    for table in metadata.sorted_tables:
        if table.name not in there:
            made = str(CreateTable(table).compile(dialect=connection.dialect))
            connection.exec_driver_sql(made.replace("CREATE TABLE", "CREATE TEMPORARY TABLE", 1))


def schema_of(connection: Connection) -> str | None:
    """The number of the schema; None where our tables are not. Raises DamagedFile for a newer one."""
    tables = set(inspect(connection).get_table_names())
    where = place(address_of(connection.engine))
    if VERSION_TABLE in tables:
        found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
        if found is not None and found > NEWEST:
            raise DamagedFile(
                f"The database {where} has schema {found}; this version of Tidyset knows up to {NEWEST}.",
                "Update Tidyset, or choose another workspace.",
            )
        return found
    if "journal" not in tables:
        return None
    version = connection.scalar(text("SELECT format FROM journal"))
    if version != FORMAT:
        raise DamagedFile(
            f"The label journal {where} has format {version!r}; this version reads {FORMAT}.",
            "Update Tidyset, or choose another workspace.",
        )
    return "0002" if "named_versions" in tables else "0001"


def upgrade(engine: Engine) -> Path | None:
    """Bring the schema up to date. Raises as ``prepare`` does.

    Returns:
        The copy that was made of a SQLite file before; None where nothing was to be done or lost.
    """
    with _LOCK, writing(engine, "schema") as connection:
        found = schema_of(connection)
        if found == NEWEST:
            return None
        copy = _back_up(engine) if found is not None else None
        _run(connection, found)
    return copy


def _back_up(engine: Engine) -> Path | None:
    """Copy a SQLite file, whole and consistent, beside it."""
    file = sqlite_file(address_of(engine))
    if file is None:
        return None
    copy = file.with_name(f"{file.name}.before-{NEWEST}-{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        with _open(file) as source, _open(copy) as target:
            source.backup(target)
    except SqliteError as error:
        with suppress(OSError):
            copy.unlink()
        raise StorageFailed(
            f"{file} could not be copied before its schema is brought up to date ({error}).",
            "Free some space, then open it again. Nothing was changed.",
        ) from error
    return copy


@contextmanager
def _open(file: Path) -> Iterator[SqliteConnection]:
    with closing(sqlite_connect(file)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        yield connection


def _run(connection: Connection, found: str | None) -> None:
    """Alembic, in the transaction of ``connection``."""
    from alembic import command

    config = alembic_config()
    config.attributes["connection"] = connection
    if found is not None and VERSION_TABLE not in inspect(connection).get_table_names():
        command.stamp(config, found)
    command.upgrade(config, NEWEST)


def alembic_config() -> Config:
    """Alembic's settings; ``attributes["connection"]`` is still to be given."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
