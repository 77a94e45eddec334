"""core behind Streamlit's caches, keyed on names and fingerprints, never on the arrays themselves."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import streamlit as st

from core.data.dataset import Dataset, dataset_folder
from core.data.findings import Duplicates, find_duplicates
from core.labels.versions import LabelState, current_version, labels_at
from core.runs.store import Run, RunStatus, list_runs, status
from core.workspace import Workspace
from dashboard.kept import kept
from dashboard.opened import opened
from dashboard.wording import duration

_REDRAWN_SECONDS = 0.1


def open_dataset(workspace: Workspace, name: str) -> Dataset:
    """The opened data set; one object for all sessions until its folder is written anew."""
    if (dataset_folder(workspace, name) / "dataset.json").exists():
        return opened(workspace, name)
    with st.spinner("Opening the data set …"):
        return opened(workspace, name)


def labels(workspace: Workspace, dataset: Dataset) -> LabelState:
    """The newest labels; shared by all sessions until the next edit."""
    version = current_version(workspace, dataset.name)
    return _labels(str(workspace.root), dataset.fingerprint, version, workspace, dataset)


@kept
def _labels(
    root: str, fingerprint: str, version: int, _workspace: Workspace, _dataset: Dataset
) -> LabelState:
    return labels_at(_workspace, _dataset, version)


def duplicates(workspace: Workspace, dataset: Dataset) -> Duplicates:
    """Exact duplicates in the whole set, under the newest labels."""
    state = labels(workspace, dataset)
    return _duplicates(str(workspace.root), dataset.fingerprint, state.version, dataset, state)


@kept
def _duplicates(
    root: str, fingerprint: str, version: int, _dataset: Dataset, _state: LabelState
) -> Duplicates:
    return find_duplicates(_dataset, np.arange(len(_dataset)), _state.current)


def recent_runs(workspace: Workspace, dataset: Dataset, n: int = 20) -> list[tuple[Run, RunStatus]]:
    """The newest training runs on the data set as it is now, each with its status; not cached."""
    runs = [
        run for run in list_runs(workspace, dataset=dataset.name) if run.fingerprint == dataset.fingerprint
    ]
    return [(run, status(run)) for run in runs[:n]]


@contextlib.contextmanager
def progress(text: str) -> Iterator[Callable[[float], None]]:
    """A callable that draws a progress bar, with the time left, once it is called with a share (0 to 1); gone
    when the block ends, by an error too. It may be called as often as is convenient.
    """
    place, began, drawn = st.empty(), time.monotonic(), -math.inf

    def draw(share: float) -> None:
        nonlocal drawn
        now = time.monotonic()
        if now - drawn >= _REDRAWN_SECONDS:
            drawn = now
            place.progress(min(share, 1.0), f"{text}{time_left(share, now - began)}")

    try:
        yield draw
    finally:
        place.empty()


def time_left(share: float, took: float) -> str:
    """As in "Reading, 40 s left", of work of which ``share`` (0 to 1) took ``took`` seconds."""
    return f", {duration(took * (1 / share - 1))} left" if took > 1 and 0 < share < 1 else ""
