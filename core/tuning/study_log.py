"""What a search remembers, kept in the database that a team shares instead of in the run's study.log.

It is Optuna's own journal, entry by entry (core.worker.study_storage hands it to Optuna), so every server and
every node that trains a trial sees the same study.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Engine, Index, Integer, String, Table, Text, func, select

from core.bounded import parse_json
from core.database.engine import reading, writing
from core.database.tables import metadata

study_log = Table(
    "study_log",
    metadata,
    Column("study", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # 0, 1, 2, ... within the study
    Column("batch", String, nullable=False),  # entries that were appended together
    Column("entry", Text, nullable=False),  # JSON, with NaN, which PostgreSQL's own JSON refuses
    Index("study_log_by_batch", "batch"),
)


def append_entries(engine: Engine, study: str, batch: str, entries: Sequence[dict[str, Any]]) -> None:
    """Commit entries at the end of a study's log; a batch that is there already is not doubled.

    Raises:
        StorageFailed, Busy: The database cannot be used now; try again with the same ``batch``.
    """
    columns = study_log.c
    with writing(engine, f"study:{study}") as connection:
        if connection.scalar(select(columns.batch).where(columns.batch == batch).limit(1)) is not None:
            return
        last = connection.scalar(select(func.max(columns.number)).where(columns.study == study))
        first = 0 if last is None else last + 1
        rows = [
            {"study": study, "number": number, "batch": batch, "entry": json.dumps(entry)}
            for number, entry in enumerate(entries, first)
        ]
        connection.execute(study_log.insert(), rows)


def read_entries(engine: Engine, study: str, first: int = 0) -> list[dict[str, Any]]:
    """The entries of a study from number ``first`` on, in order. Raises StorageFailed or Busy."""
    columns = study_log.c
    query = select(columns.entry).where(columns.study == study, columns.number >= first)
    with reading(engine) as connection:
        return [parse_json(entry) for entry in connection.scalars(query.order_by(columns.number))]
