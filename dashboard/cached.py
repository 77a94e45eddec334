"""core behind Streamlit's caches, keyed on names and fingerprints, never on the arrays themselves."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Dataset, dataset_folder
from core.workspace import Workspace
from dashboard.opened import opened


def open_dataset(workspace: Workspace, name: str) -> Dataset:
    """The opened data set; one object for all sessions until its folder is written anew."""
    if (dataset_folder(workspace, name) / "dataset.json").exists():
        return opened(workspace, name)
    with st.spinner("Opening the data set …"):
        return opened(workspace, name)
