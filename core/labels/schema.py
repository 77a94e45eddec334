"""The journal's tables, and the workspace's database opened with them in it (core.database)."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Engine,
    Float,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from core.database.engine import connect, reading, writing
from core.database.migrate import prepare
from core.database.tables import metadata
from core.workspace import Workspace

__all__ = ["database", "edits", "named_versions", "reading", "writing"]

journal = Table("journal", metadata, Column("format", Integer, primary_key=True))

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


def database(workspace: Workspace) -> Engine:
    """The workspace's database, with its tables up to date.

    Raises:
        StorageFailed: It cannot be made or reached.
        DamagedFile: It is no journal, or one of a newer version.
    """
    return prepare(connect(workspace))
