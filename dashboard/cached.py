"""core behind Streamlit's caches, keyed on names and fingerprints, never on the arrays themselves."""

from __future__ import annotations

import streamlit as st

from core.data import catalog
from core.data.dataset import Dataset, dataset_folder
from core.workspace import Workspace


def open_dataset(workspace: Workspace, name: str) -> Dataset:
    """The opened data set; one object for all sessions until its folder is written anew."""
    manifest = dataset_folder(workspace, name) / "dataset.json"
    written = manifest.stat().st_mtime_ns if manifest.exists() else 0
    return _open_dataset(str(workspace.root), name, written)


@st.cache_resource(show_spinner="Opening the data set …", max_entries=32)
def _open_dataset(root: str, name: str, written: int) -> Dataset:
    from pathlib import Path

    return catalog.open_dataset(Workspace(Path(root)), name)
