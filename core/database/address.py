"""Which database is meant, and how to name it without its password."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from core.errors import StorageFailed

EXAMPLE = "postgresql+psycopg://USER:PASSWORD@HOST:5432/DATABASE"
_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}


def parsed(url: str) -> URL:
    """The address as SQLAlchemy knows it; ``postgresql://`` means psycopg.

    Raises:
        StorageFailed: It is no address of a SQLite or PostgreSQL database. The message does not repeat it,
            since it may hold a password.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise _unusable("is no address of a database") from None
    if found.drivername in _POSTGRES:
        found = found.set(drivername="postgresql+psycopg")
    elif found.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise _unusable(f"names a database of kind {found.drivername!r}, which is not supported")
    if "@" in (found.host or ""):
        raise _unusable("has an '@' too many; in a password write it as %40")
    if found.drivername.startswith("sqlite") and not found.database:
        raise _unusable("names no file")
    return found


def _unusable(what: str) -> StorageFailed:
    return StorageFailed(
        f"The database's address (TIDYSET_DATABASE_URL) {what}.", f"Write it as {EXAMPLE}, or leave it away."
    )


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite address; None for another database. Raises StorageFailed."""
    found = parsed(url)
    return Path(found.database) if found.drivername.startswith("sqlite") and found.database else None


def place(url: str) -> str:
    """The database for people: a file, or host, port and name. Never user, password or options."""
    file = sqlite_file(url)
    if file is not None:
        return str(file)
    found = parsed(url)
    host = found.host or "the local socket"
    return f"{host}:{found.port or 5432}/{found.database or found.username or ''}"


def without_password(url: str, text: str) -> str:
    """``text`` with the address's password, should it be there, blotted out."""
    found = parsed(url)
    secrets = {found.password, *(v for k, v in found.query.items() if "password" in k)}
    for secret in secrets:
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "***")
    return text
