"""Who is here: a row a person, written at most every few seconds, and read when somebody asks."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as insert_postgres
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from core.database.engine import connect, reading, writing
from core.database.migrate import prepare
from core.errors import Busy, StorageFailed
from core.team.schema import presence
from core.workspace import Workspace

EVERY_SECONDS = 20.0
"""Somebody who goes on with the same is noted no more often."""
HERE_SECONDS = 120.0
"""Whoever did something so recently is here."""

_noted: dict[tuple[str, str], tuple[float, str, str]] = {}


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody, what they did last (a page, or a shared list), in which data set, and when (Unix time)."""

    person: str
    dataset: str
    doing: str
    at: float


def note(workspace: Workspace, person: str, dataset_name: str, doing: str = "") -> None:
    """Note that ``person`` is here. Nobody is held up for it: where the database is away nothing is noted.

    Args:
        doing: What they do; "" for the same as before.
    """
    key = (str(workspace.root), person)
    at, known_dataset, known_doing = _noted.get(key, (0.0, "", ""))
    doing = doing or known_doing or "Labels"
    same = (known_dataset, known_doing) == (dataset_name, doing)
    if same and time.monotonic() - at < EVERY_SECONDS:
        return
    _noted[key] = (time.monotonic(), dataset_name, doing)
    row = {"person": person, "dataset": dataset_name, "doing": doing, "at": time.time()}
    try:
        with writing(prepare(connect(workspace)), "presence") as connection:
            is_postgres = connection.dialect.name == "postgresql"
            query = insert_postgres(presence) if is_postgres else insert_sqlite(presence)
            connection.execute(query.on_conflict_do_update(index_elements=["person"], set_=row), row)
    except (StorageFailed, Busy):
        return


def who_is_here(workspace: Workspace) -> list[Present]:
    """Everybody who did something in the last two minutes, the latest first."""
    columns = [presence.c[name] for name in Present.__dataclass_fields__]
    now = time.time()
    query = select(*columns).where(presence.c.at.between(now - HERE_SECONDS, now + HERE_SECONDS))
    with reading(prepare(connect(workspace))) as connection:
        return [Present(**row._mapping) for row in connection.execute(query.order_by(presence.c.at.desc()))]
