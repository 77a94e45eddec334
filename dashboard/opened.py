"""Opened data sets, shared by all sessions and requests; knows no Streamlit, so that routes may use it."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

from core.data import catalog
from core.data.dataset import Dataset, dataset_folder
from core.workspace import Workspace, check_name

_lock = threading.Lock()


def opened(workspace: Workspace, name: str) -> Dataset:
    """The data set of that name, opened once until its folder is written anew.

    Raises NotFound, DamagedFile or BadInput, as core.data.catalog.open_dataset does.
    """
    check_name(name, "data set")
    if not _written(workspace, name):
        with _lock:  # two first visitors must not both put a built-in set into the workspace
            catalog.open_dataset(workspace, name)
    return _open(str(workspace.root), name, _written(workspace, name))


def _written(workspace: Workspace, name: str) -> int:
    manifest = dataset_folder(workspace, name) / "dataset.json"
    return manifest.stat().st_mtime_ns if manifest.exists() else 0


@functools.lru_cache(maxsize=32)
def _open(root: str, name: str, written: int) -> Dataset:
    return catalog.open_dataset(Workspace(Path(root)), name)
