"""Which workspace and data set the session looks at; every page asks here."""

from __future__ import annotations

import streamlit as st

from core import workspace as workspaces
from core.data import catalog
from core.data.dataset import Dataset
from core.workspace import Workspace
from dashboard import cached

_KEY = "data"


def workspace() -> Workspace:
    """The workspace of this server."""
    return workspaces.current()


def draw() -> None:
    """The picker in the sidebar; the choice is part of the address, so that a link opens it again."""
    names = [entry.name for entry in catalog.list_datasets(workspace()) if entry.state != "absent"]
    if _KEY in st.session_state and st.session_state[_KEY] not in names:
        del st.session_state[_KEY]
    st.sidebar.selectbox("Data set", names, key=_KEY, bind="query-params")


def dataset() -> Dataset:
    """The data set that the sidebar names, opened. Raises TidysetError when it cannot be."""
    return cached.open_dataset(workspace(), st.session_state[_KEY])
