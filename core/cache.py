"""The cache of derived arrays: a file named by a hash of what went in; same inputs, no recomputation.

Nothing invalidates by hand: a changed input has another key. An unreadable entry counts as missing.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import StorageFailed
from core.files import atomic_writer, digest
from core.workspace import Workspace

Arrays = dict[str, NDArray[Any]]


def cache_path(workspace: Workspace, kind: str, key: Mapping[str, object], suffix: str = ".npz") -> Path:
    """Where the entry of ``key`` is kept, e.g. cache/statistics/3f....npz.

    Args:
        kind: Name of the computation and the version of its format, e.g. ``"statistics-1"``.
        key: All that the result depends on: fingerprints and parameters, never secrets.
    """
    return workspace.cache / kind / f"{digest(dict(key))}{suffix}"


def cached_arrays(
    workspace: Workspace, kind: str, key: Mapping[str, object], compute: Callable[[], Mapping[str, Any]]
) -> Arrays:
    """Read the named arrays of ``key`` from the cache, or compute and keep them.

    A full or read-only disk costs only the caching: the computed arrays are returned all the same.
    """
    path = cache_path(workspace, kind, key)
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        pass
    arrays = {name: np.asarray(value) for name, value in compute().items()}
    try:
        with atomic_writer(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
    except StorageFailed:
        pass
    return arrays


def cached_json(
    workspace: Workspace, kind: str, key: Mapping[str, object], compute: Callable[[], Any]
) -> Any:
    """Like cached_arrays, for a value that JSON can hold."""
    path = cache_path(workspace, kind, key, ".json")
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        pass
    value = compute()
    try:
        with atomic_writer(path) as file:
            file.write(json.dumps(value).encode())
    except StorageFailed:
        pass
    return value
