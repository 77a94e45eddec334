"""Everything in one database copied into another, SQLite or PostgreSQL: all of it, or nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, MetaData, Table, func, inspect, select, text
from sqlalchemy.engine import Connection

from core.database.address import place
from core.database.engine import address_of, writing
from core.database.migrate import VERSION_TABLE, prepare
from core.errors import BadInput, StorageFailed

BATCH = 5_000
_OWN = {VERSION_TABLE, "journal"}  # what a database says about itself


def move(source: Engine, target: Engine) -> dict[str, int]:
    """Copy all rows of ``source`` into ``target``, which is made or must be empty; ``source`` stays as it is.

    Nobody can write to either meanwhile. What was copied is read back and held against what was read before
    it is committed. If ``target`` has just the same rows already, nothing is done.

    Returns:
        By table, how many rows are in both.

    Raises:
        BadInput: Both are the same database, or ``target`` has other rows.
        StorageFailed, Busy, DamagedFile: One of the two cannot be used; ``target`` is as it was.
    """
    here, there = place(address_of(source)), place(address_of(target))
    if address_of(source) == address_of(target):
        raise BadInput(f"{here} cannot be moved into itself.", "Name another database.")
    prepare(source)
    prepare(target)
    with writing(source, "move") as old, writing(target, "move") as new:
        tables = _tables(old, new)
        _lock(old, tables)
        _lock(new, tables)
        wanted = {table.name: _digest(old, table) for table, _ in tables}
        if not any(_count(new, table) for _, table in tables):
            for ours, theirs in tables:
                for batch in _batches(old, ours):
                    new.execute(theirs.insert(), batch)
        elif {table.name: _digest(new, table) for _, table in tables} != wanted:
            raise BadInput(f"{there} has other contents already.", "Name an empty database.")
        found = {table.name: _digest(new, table) for _, table in tables}
        if found != wanted:
            raise StorageFailed(f"{there} did not keep what was copied into it.", "Nothing was copied.")
        return {table.name: _count(old, table) for table, _ in tables}


def row_counts(connection: Connection) -> dict[str, int]:
    """By table of ours, how many rows it has."""
    return {table.name: _count(connection, table) for table, _ in _tables(connection, connection)}


def _tables(old: Connection, new: Connection) -> list[tuple[Table, Table]]:
    """The tables that both have, as each has them."""
    names = set(inspect(old).get_table_names()) & set(inspect(new).get_table_names()) - _OWN
    ours, theirs = MetaData(), MetaData()
    ours.reflect(old, only=sorted(names))
    theirs.reflect(new, only=sorted(names))
    return [(table, theirs.tables[table.name]) for table in ours.sorted_tables if table.name in names]


def _lock(connection: Connection, tables: list[tuple[Table, Table]]) -> None:
    """Keep other writers out, as SQLite does by itself."""
    if connection.dialect.name == "postgresql" and tables:
        names = ", ".join(table.name for table, _ in tables)
        connection.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _batches(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=BATCH)
    for rows in connection.execute(query).partitions():
        yield [dict(row._mapping) for row in rows]


def _digest(connection: Connection, table: Table) -> tuple[int, int]:
    """How many rows, and a hash of all of them that does not depend on their order."""
    n, total = 0, 0
    for batch in _batches(connection, table):
        for row in batch:
            canonical = json.dumps(row, sort_keys=True, ensure_ascii=True, default=str)
            total += int.from_bytes(hashlib.blake2b(canonical.encode(), digest_size=16).digest())
        n += len(batch)
    return n, total % 2**128
