"""A database's errors in our words: what happened, and what to do about it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.database.address import place, sqlite_file, without_password
from core.errors import BadInput, Busy, DamagedFile, StorageFailed, TidysetError

_SQLITE_MENDS = {
    "SQLITE_FULL": "The disk is full: free some space, then it is tried again.",
    "SQLITE_READONLY": "It is read-only: make the workspace writable, then it is tried again.",
    "SQLITE_IOERR": "The disk may be full or gone: free some space, then it is tried again.",
    "SQLITE_CANTOPEN": "Make the workspace's folder readable and writable.",
}
# By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), the longest beginning first.
_STATE_MENDS = {
    "25006": "It takes no writes (a standby, or set read-only): name the primary in TIDYSET_DATABASE_URL.",
    "42501": "Its user may not do that: GRANT it the right, or name another user in TIDYSET_DATABASE_URL.",
    "28": "Check user and password in TIDYSET_DATABASE_URL.",
    "3D000": "Make it (createdb), or check the name in TIDYSET_DATABASE_URL.",
    "53100": "The server's disk is full: free some space there, then it is tried again.",
    "08": "It is tried again; or see whether the server runs.",
    "57P": "It is stopping or starting, and is tried again.",
}
# Where a connection is refused the driver has no SQLSTATE, only the server's words.
_WORD_MENDS = {
    "password authentication failed": _STATE_MENDS["28"],
    "no password supplied": _STATE_MENDS["28"],
    "pg_hba.conf": "The server lets nobody in from here: add this machine to its pg_hba.conf.",
    "database": _STATE_MENDS["3D000"],
    "role": _STATE_MENDS["28"],
    "resolve": "Check the host in TIDYSET_DATABASE_URL.",
    "translate host": "Check the host in TIDYSET_DATABASE_URL.",
}
_AWAY = "Start the server, or check host and port in TIDYSET_DATABASE_URL."
_BUSY_STATES = {"55P03", "40001", "40P01", "53300"}


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn the database's errors into ours.

    Raises:
        Busy: Somebody else holds it; the same may succeed in a moment.
        DamagedFile: It is no journal.
        BadInput: A value that the database cannot hold.
        StorageFailed: It is away, full, read-only or lets nobody in. Nothing of the transaction was kept, or
            (where the connection broke while it was committed) all of it.
    """
    try:
        yield
    except DBAPIError as error:
        raise _explain(url, error) from error
    except UnicodeEncodeError as error:  # half a surrogate pair, which JSON can carry
        raise BadInput("A text holds a character that no database can keep.", "Change it.") from error
    except UnicodeDecodeError as error:  # SQLite quotes what it cannot parse, in bytes that are no text
        raise DamagedFile(
            f"{place(url)} is no label journal ({error}).", "Restore it from a copy."
        ) from error
    except PoolTimeout as error:
        raise Busy(f"The database {place(url)} has more to do than it can.", "Try again.") from error
    except SQLAlchemyError as error:
        raise StorageFailed(
            f"The database {place(url)} could not be used ({_first_line(url, error)}).", ""
        ) from error


def _explain(url: str, error: DBAPIError) -> TidysetError:
    return _of_sqlite(url, error) if sqlite_file(url) else _of_postgres(url, error)


def _of_sqlite(url: str, error: DBAPIError) -> TidysetError:
    name = getattr(error.orig, "sqlite_errorname", "")
    where = place(url)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Busy(
            f"The label journal {where} is locked by another program.", "It is tried again; or close it."
        )
    if name in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
        return DamagedFile(f"{where} is no label journal ({error.orig}).", "Restore it from a copy.")
    mend = next(
        (text for prefix, text in _SQLITE_MENDS.items() if name.startswith(prefix)), "Nothing was saved."
    )
    return StorageFailed(f"The label journal {where} could not be written or read ({error.orig}).", mend)


def _of_postgres(url: str, error: DBAPIError) -> TidysetError:
    state = getattr(error.orig, "sqlstate", None) or ""
    where, words = place(url), _first_line(url, error.orig)
    if state in _BUSY_STATES or "too many clients" in words or "connection slots" in words:
        return Busy(f"The database {where} is busy ({words}).", "It is tried again.")
    if state.startswith("22") or isinstance(error, DataError):
        return BadInput(f"The database {where} cannot hold that ({words}).", "Change it.")
    mend = next((text for start, text in _STATE_MENDS.items() if state.startswith(start)), None)
    if mend is None and not state:
        mend = next((text for word, text in _WORD_MENDS.items() if word in words), _AWAY)
    return StorageFailed(f"The database {where} cannot be used ({words}).", mend or "Nothing was saved.")


def _first_line(url: str, error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no reason given"]
    # Of "connection failed: connection to server at ... failed: FATAL:  ..." the end says why.
    return without_password(url, lines[0].rpartition(" failed: ")[2].removeprefix("FATAL:").strip())[:300]
