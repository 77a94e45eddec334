"""The journal's tables, and the workspace's database opened with them in it (core.database)."""

from __future__ import annotations

from weakref import WeakSet

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    inspect,
    select,
)

from core.database.engine import connect, is_sealed, reading, writing
from core.errors import DamagedFile
from core.workspace import Workspace

__all__ = ["database", "edits", "named_versions", "reading", "writing"]

FORMAT = 1

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
    # A browser counts to 2**53; SQLite's INTEGER holds that, PostgreSQL's does not.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
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

_REFUSAL = "the journal is append-only: undo appends"

for verb in ("UPDATE", "DELETE"):
    trigger = DDL(  # type: ignore[no-untyped-call]
        f"CREATE TRIGGER IF NOT EXISTS edits_no_{verb.lower()} BEFORE {verb} ON edits "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    )
    event.listen(edits, "after_create", trigger.execute_if(dialect="sqlite"))

for statement in (
    "CREATE OR REPLACE FUNCTION tidyset_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$BEGIN RAISE EXCEPTION '{_REFUSAL}'; END$$",
    "CREATE TRIGGER edits_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON edits "
    "FOR EACH STATEMENT EXECUTE FUNCTION tidyset_append_only()",
):
    guard = DDL(statement)  # type: ignore[no-untyped-call]
    event.listen(edits, "after_create", guard.execute_if(dialect="postgresql"))


def database(workspace: Workspace) -> Engine:
    """The workspace's database, made with its tables when they are not there yet.

    Raises:
        StorageFailed: It cannot be made or reached.
        DamagedFile: It is no journal, or one of a newer version.
    """
    engine = connect(workspace)
    if engine not in _READY:
        _create(engine)
        _READY.add(engine)
    return engine


_READY: WeakSet[Engine] = WeakSet()
"""Engines whose tables this process has seen."""


def _create(engine: Engine) -> None:
    """Make the tables that are missing: all of them, or those that an older journal has not got yet."""
    with reading(engine) as connection:
        missing = set(metadata.tables) - set(inspect(connection).get_table_names())
    if missing and not is_sealed(engine):
        with writing(engine, "schema") as connection:
            metadata.create_all(connection)
            if connection.scalar(select(about.c.format)) is None:
                connection.execute(about.insert().values(format=FORMAT))
    with reading(engine) as connection:
        found = connection.scalar(select(about.c.format))
    if found != FORMAT:
        raise DamagedFile(
            f"The label journal has format {found!r}; this version reads {FORMAT}.",
            "Update Tidyset, or choose another workspace.",
        )
