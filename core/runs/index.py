"""The run index of a team: what run.json says of every run, in the database that all its servers share.

The folders stay the truth. The index makes names unique where several servers make runs at once, and lists
runs in one query where the workspace lies on a slow network disk. Where the database is away the folders are
read instead, and a run whose folder came or went otherwise is put right when runs are listed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Column, Engine, Index, String, Table, Text, select
from sqlalchemy.dialects.postgresql import insert as insert_postgres
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.engine import Connection

from core.bounded import parse_json
from core.database.engine import connect, reading, writing
from core.database.migrate import prepare
from core.database.tables import metadata
from core.errors import Busy, StorageFailed
from core.files import Json
from core.json_text import json_text
from core.workspace import Workspace

AWAY_SECONDS = 30.0
"""So long a database that did not answer is not asked again."""

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),  # of copied runs two can be the same
    Column("about", Text, nullable=False),  # run.json
    Index("runs_by_name", "name"),
)

_away_until: dict[str, float] = {}


class IndexAway(Exception):
    """The index cannot be used now: the folders tell the same."""


def claim(workspace: Workspace, id_: str, name: str, about: Json) -> bool:
    """Put a new run into the index, unless another has its name. Raises IndexAway."""
    with _opened(workspace) as engine, writing(engine, "runs") as connection:
        if connection.scalar(select(runs.c.id).where(runs.c.name == name).limit(1)) is not None:
            return False
        _put(connection, {id_: about})
        return True


def record(workspace: Workspace, abouts: Mapping[str, Json]) -> None:
    """Put runs, by id, into the index as they are now. Raises IndexAway."""
    with _opened(workspace) as engine, writing(engine, "runs") as connection:
        _put(connection, abouts)


def forget(workspace: Workspace, ids: set[str]) -> None:
    """Take runs out of the index. Raises IndexAway."""
    with _opened(workspace) as engine, writing(engine, "runs") as connection:
        connection.execute(runs.delete().where(runs.c.id.in_(ids)))


def listed(workspace: Workspace) -> dict[str, Json]:
    """What run.json says, by id, of every run in the index. Raises IndexAway."""
    with _opened(workspace) as engine, reading(engine) as connection:
        return {row.id: parse_json(row.about) for row in connection.execute(select(runs.c.id, runs.c.about))}


def _put(connection: Connection, abouts: Mapping[str, Json]) -> None:
    rows = [{"id": id_, "name": str(one["name"]), "about": json_text(one)} for id_, one in abouts.items()]
    if not rows:
        return
    is_postgres = connection.dialect.name == "postgresql"
    query = insert_postgres(runs) if is_postgres else insert_sqlite(runs)
    changed = {"name": query.excluded.name, "about": query.excluded.about}
    connection.execute(query.on_conflict_do_update(index_elements=["id"], set_=changed), rows)


@contextmanager
def _opened(workspace: Workspace) -> Iterator[Engine]:
    url = workspace.database_url
    if time.monotonic() < _away_until.get(url, 0.0):
        raise IndexAway
    try:
        yield prepare(connect(workspace))
    except (StorageFailed, Busy) as error:
        _away_until[url] = time.monotonic() + AWAY_SECONDS
        raise IndexAway from error
