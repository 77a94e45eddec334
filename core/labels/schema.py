"""The one table of the label journal. Rows are only ever added; the database itself refuses anything else."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    JSON,
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

metadata = MetaData()

edits = Table(
    "edits",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("dataset", String(64), nullable=False),
    Column("dataset_fingerprint", String(32), nullable=False),
    Column("item_id", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("old", Text),  # class names, not indices: they still mean something in ten years
    Column("new", Text),
    Column("who", String(100), nullable=False),
    Column("at", Float, nullable=False),  # Unix time, UTC
    Column("why", Text, nullable=False, default=""),
    Column("evidence", JSON, nullable=False, default=dict),
    Column("session", String(64), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("undoes", BigInteger),
    UniqueConstraint("session", "seq"),
    Index("edits_of_an_item", "dataset", "item_id"),
    sqlite_autoincrement=True,
)

for verb in ("UPDATE", "DELETE"):
    event.listen(
        edits,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER edits_refuse_{verb.lower()} BEFORE {verb} ON edits "
            "BEGIN SELECT RAISE(ABORT, 'the label journal is append-only'); END"
        ).execute_if(dialect="sqlite"),
    )
