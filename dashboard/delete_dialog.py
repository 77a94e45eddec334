"""Deleting a data set: what goes, what stays, and its name typed before it does."""

from __future__ import annotations

import streamlit as st

from core.data.catalog import BUILT_IN
from core.data.dataset import Dataset
from core.labels.versions import current_version
from core.runs.datasets import check_deletable, delete_unused
from core.runs.store import list_runs
from dashboard import picker
from dashboard.errors import shown_as_message
from dashboard.wording import counted, plain


@st.dialog("Delete this data set")
def open_delete(dataset: Dataset) -> None:
    """The dialog: what goes and what stays; nothing goes before the name was typed."""
    with shown_as_message():
        workspace = picker.workspace()
        check_deletable(workspace, dataset.name)
        st.markdown(
            f"**{plain(dataset.title)}**: its {counted(len(dataset), 'image')} and labels as given are "
            "deleted from this workspace. That cannot be taken back."
        )
        st.caption(_stays(dataset))
        typed = st.text_input(f"Type {plain(dataset.name)} to confirm", key="delete_typed")
        if st.button(
            "Delete it",
            type="primary",
            icon=":material/delete:",
            disabled=typed.strip() != dataset.name,
            key="delete_dataset_now",
        ):
            delete_unused(workspace, dataset.name)
            picker.forget()
            st.toast(f"{plain(dataset.title)} is deleted.", icon=":material/delete:")
            st.rerun()


def _stays(dataset: Dataset) -> str:
    workspace = picker.workspace()
    runs = len(list_runs(workspace, dataset=dataset.name, kind=None))
    edits = current_version(workspace, dataset.name)
    again = (
        " It comes with Tidyset: choosing it again brings it back as it was given."
        if dataset.name in BUILT_IN
        else ""
    )
    return (
        f"What stays: {counted(runs, 'run')} on it and {counted(edits, 'label edit')}, which count again "
        f"where the same images are imported under this name.{again}"
    )
