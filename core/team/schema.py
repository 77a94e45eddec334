"""The tables of a team's work. ``core.labels.schema`` declares the journal's."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table

from core.database.tables import metadata

shared_lists = Table(
    "shared_lists",
    metadata,
    Column("id", String, primary_key=True),
    Column("dataset", String, nullable=False),
    Column("fingerprint", String, nullable=False),  # of the data set when it was shared
    Column("name", String, nullable=False),
    Column("about", JSON, nullable=False),  # whose guesses are shown, which class is asked about
    Column("overlap", Integer, nullable=False),
    Column("at_once", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("who", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("closed", Float),  # Unix time; until then nobody is given images of it any more
    Index("shared_lists_by_dataset", "dataset"),
)

# Every image of a list has as many places as people are to look at it; a place belongs to one person.
assignments = Table(
    "assignments",
    metadata,
    Column("list", String, primary_key=True),
    Column("rank", Integer, primary_key=True, autoincrement=False),  # 0, 1, ...: the order of the list
    Column("slot", Integer, primary_key=True, autoincrement=False),  # 0 to overlap - 1
    Column("item_id", String, nullable=False),
    Column("person", String),  # who has it, or did it
    Column("until", Float),  # so long it is kept for them, Unix time
    Column("done", Float),  # Unix time of their decision
    Index("assignments_open", "list", "done", "rank"),
    Index("assignments_by_person", "list", "person"),
    Index("assignments_by_item", "item_id"),
)

presence = Table(
    "presence",
    metadata,
    Column("person", String, primary_key=True),
    Column("dataset", String, nullable=False),
    Column("doing", String, nullable=False),  # the page, or the shared list
    Column("at", Float, nullable=False),
)
