"""Fetching a file over HTTP: with progress, a checksum, and going on where an earlier try broke off."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import Offline
from core.files import delete_file, make_folder, storage_failed, storing

_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to fetch, and how to know that it is the right one."""

    name: str
    n_bytes: int
    md5: str


def fetch(url: str, path: Path, remote: Remote, on_bytes: Callable[[int], None]) -> None:
    """Fetch ``url`` to ``path``; what is there of an earlier try (``path``.part) is kept and completed.

    Args:
        on_bytes: Called with the number of bytes that are there.

    Raises:
        Offline: The source cannot be reached, breaks off (what came is kept), or sends another file.
        StorageFailed: The disk is full or read-only.
    """
    if path.exists() and _md5(path) == remote.md5:
        on_bytes(remote.n_bytes)
        return
    part = path.with_name(f"{path.name}.part")
    make_folder(part.parent)
    have = part.stat().st_size if part.exists() else 0
    if have > remote.n_bytes:
        delete_file(part)
        have = 0
    if have < remote.n_bytes:
        _complete(url, part, have, on_bytes)
    if part.stat().st_size < remote.n_bytes:
        raise Offline(
            f"{url} broke off after {part.stat().st_size:,} of {remote.n_bytes:,} bytes.", "Try again."
        )
    if _md5(part) != remote.md5:
        delete_file(part)
        raise Offline(f"{url} sent another file than expected (its checksum differs).", "Try again.")
    with storing(path):
        os.replace(part, path)


def _complete(url: str, part: Path, have: int, on_bytes: Callable[[int], None]) -> None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            try:
                with part.open("ab" if resumed else "wb") as file:
                    while block := answer.read(_BLOCK):
                        file.write(block)
                        on_bytes(file.tell())
            except http.client.IncompleteRead as error:
                raise Offline(f"{url} broke off.", "Try again.") from error
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            delete_file(part)
        raise Offline(f"{url} answered {error.code} {error.reason}.", "Try again later.") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise Offline(f"{url} cannot be reached ({error}).", "Check the network and try again.") from error
    except OSError as error:
        raise storage_failed(part, error) from error


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
