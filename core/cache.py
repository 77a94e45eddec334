"""The cache of derived arrays: a file named by a hash of what went in; same inputs, no recomputation.

Nothing invalidates by hand: a changed input has another key. An unreadable entry counts as missing. The cache
is bounded by size: past KEPT_BYTES the entries that were used least recently are deleted. A file's time of
change is when it was last used, since its content never changes.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from core.bounded import parse_json, read_bytes
from core.errors import DamagedFile, StorageFailed
from core.files import atomic_writer, digest, read_array, read_arrays
from core.json_text import json_text
from core.workspace import Workspace

Arrays = dict[str, NDArray[Any]]

KEPT_BYTES = int(float(os.environ.get("TIDYSET_CACHE_GB", 50)) * 1e9)
PRUNE_SECONDS = 600.0
"""A process that writes looks at the whole cache no more often than this."""
_UNFINISHED_SECONDS = 86_400.0
_WAIT_SECONDS = 1.0
_looked_at: dict[Path, float] = {}


def cache_path(workspace: Workspace, kind: str, key: Mapping[str, object], suffix: str = ".npz") -> Path:
    """Where the entry of ``key`` is kept, e.g. cache/statistics/3f....npz.

    Args:
        kind: Name of the computation and the version of its format, e.g. ``"statistics-1"``.
        key: All that the result depends on: fingerprints and parameters, never secrets.
    """
    path = workspace.cache / kind / f"{digest(dict(key))}{suffix}"
    with contextlib.suppress(OSError):  # there is none yet, or the disk is read-only
        os.utime(path)
    return path


def kept_array(path: Path, n_rows: int) -> NDArray[Any] | None:
    """A cached array as a read-only memory map; None where it is missing, damaged or of other length."""
    try:
        array = read_array(path)
    except DamagedFile:
        return None
    return array if array.ndim and len(array) == n_rows else None


def kept_or_made(
    path: Path, n_rows: int, make: Callable[[], None], on_wait: Callable[[], None] = lambda: None
) -> NDArray[Any]:
    """A cached array as a read-only memory map, written by ``make`` where ``kept_array`` finds none.

    Workers side by side often need the same one at the same time: one makes it, the others wait.

    Args:
        path: The entry.
        n_rows: How many it must have.
        make: Writes the whole entry; may take minutes.
        on_wait: Called about once a second while another process makes it; what it raises ends the waiting.

    Raises:
        What ``make`` and ``on_wait`` raise.
    """
    kept = kept_array(path, n_rows)
    if kept is None:
        with _by_one(path, on_wait):
            kept = kept_array(path, n_rows)
            if kept is None:
                make()
    return read_array(path) if kept is None else kept


@contextlib.contextmanager
def _by_one(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Nobody else is in the block for ``path``; where the disk takes no locks, nobody waits."""
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file, is_singleton=False)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_WAIT_SECONDS)
        except Timeout:
            on_wait()
        except OSError:
            break
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # who waits for it may meet a third; both then make the same entry
            file.unlink()
        lock.release()


def cached_arrays(
    workspace: Workspace, kind: str, key: Mapping[str, object], compute: Callable[[], Mapping[str, Any]]
) -> Arrays:
    """Read the named arrays of ``key`` from the cache, or compute and keep them.

    A full or read-only disk costs only the caching: the computed arrays are returned all the same.
    """
    path = cache_path(workspace, kind, key)
    with contextlib.suppress(DamagedFile):
        return read_arrays(path)
    arrays = {name: np.asarray(value) for name, value in compute().items()}
    try:
        with atomic_writer(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
    except StorageFailed:
        pass
    prune_now_and_then(workspace)
    return arrays


def cached_json(
    workspace: Workspace, kind: str, key: Mapping[str, object], compute: Callable[[], Any]
) -> Any:
    """Like cached_arrays, for a value that JSON can hold."""
    path = cache_path(workspace, kind, key, ".json")
    try:
        return parse_json(read_bytes(path))
    except (OSError, ValueError):
        pass
    value = compute()
    try:
        with atomic_writer(path) as file:
            file.write(json_text(value).encode())
    except StorageFailed:
        pass
    prune_now_and_then(workspace)
    return value


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """What the cache holds, or what was deleted from it.

    Attributes:
        n_bytes, n_entries: All of it.
        by_kind: (bytes, entries) of each computation, the largest first.
    """

    n_bytes: int
    n_entries: int
    by_kind: dict[str, tuple[int, int]]


def cache_status(workspace: Workspace) -> CacheStatus:
    """What the cache holds now."""
    return _summed([(path, n_bytes) for _, n_bytes, path in _entries(workspace)])


def prune(workspace: Workspace, keep_bytes: int) -> CacheStatus:
    """Delete the least recently used entries until no more than ``keep_bytes`` are left; says what went.

    Who has an entry open keeps it: its place on the disk is given back when it is closed.
    """
    entries = sorted(_entries(workspace))
    too_much = sum(n_bytes for _, n_bytes, _ in entries) - keep_bytes
    gone: list[tuple[Path, int]] = []
    for used, n_bytes, path in entries:
        is_left_over = path.name.startswith(".") and time.time() - used > _UNFINISHED_SECONDS
        if not is_left_over and (too_much <= 0 or path.name.startswith(".")):
            continue
        with contextlib.suppress(OSError):  # another process was faster, or the disk is read-only
            path.unlink()
            gone.append((path, n_bytes))
            too_much -= n_bytes
    return _summed(gone)


def prune_now_and_then(workspace: Workspace) -> None:
    """Keep the cache within KEPT_BYTES, looking at it every PRUNE_SECONDS."""
    now = time.monotonic()
    if now - _looked_at.get(workspace.root, -PRUNE_SECONDS) >= PRUNE_SECONDS:
        _looked_at[workspace.root] = now
        prune(workspace, KEPT_BYTES)


def _entries(workspace: Workspace) -> list[tuple[float, int, Path]]:
    """(when it was last used, bytes, file) of each entry, unfinished ones too."""
    found = []
    for folder, _, names in os.walk(workspace.cache):
        for name in names:
            path = Path(folder) / name
            with contextlib.suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
    return found


def _summed(entries: list[tuple[Path, int]]) -> CacheStatus:
    kinds: dict[str, tuple[int, int]] = {}
    for path, n_bytes in entries:
        total, n = kinds.get(path.parent.name, (0, 0))
        kinds[path.parent.name] = (total + n_bytes, n + 1)
    ordered = dict(sorted(kinds.items(), key=lambda kind: -kind[1][0]))
    return CacheStatus(sum(n_bytes for _, n_bytes in entries), len(entries), ordered)
