"""Opened data sets and predictions, shared by all sessions and requests; knows no Streamlit, for routes."""

from __future__ import annotations

import threading
from pathlib import Path

from core.data import catalog
from core.data.dataset import Dataset, dataset_folder
from core.evaluation.of_run import predictions_of
from core.evaluation.predictions import Predictions
from core.runs.store import Run
from core.workspace import Workspace, check_name
from dashboard.kept import kept

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


@kept
def _open(root: str, name: str, written: int) -> Dataset:
    return catalog.open_dataset(Workspace(Path(root)), name)


def predictions(run: Run) -> Predictions:
    """All of a run's predictions, read once until they are written anew: a run may be resumed.

    Raises NotFound or DamagedFile.
    """
    file = run.predictions_file
    return _predictions(file, file.stat().st_mtime_ns if file.exists() else 0, run)


@kept
def _predictions(file: Path, written: int, _run: Run) -> Predictions:
    return predictions_of(_run)
