"""What people proposed as new classes, and the button that makes a data set with them."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Dataset
from core.errors import TidysetError
from core.labels.new_classes import proposals, with_new_classes
from core.labels.versions import LabelState
from core.workspace import Workspace
from dashboard import links
from dashboard.errors import show_error
from dashboard.progress import progress
from dashboard.wording import counted, plain


def draw(workspace: Workspace, dataset: Dataset, state: LabelState) -> None:
    """Draw it; nothing where no class is proposed."""
    if not state.proposed:
        return
    found = proposals(dict(state.proposed))
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        names = ", ".join(f"**{plain(name)}** ({n:,})" for name, n in found)
        st.markdown(f"{counted(len(found), 'new class', 'new classes')} proposed: {names}.")
        if st.button("Make a data set with them", icon=":material/library_add:"):
            _make(workspace, dataset)


@st.dialog("A data set with the new classes")
def _make(workspace: Workspace, dataset: Dataset) -> None:
    st.markdown(
        "The classes of a data set never change, so that old runs keep their meaning. The new one has the "
        "same images, the labels as they are now, and the proposed classes. This one stays as it is."
    )
    name = st.text_input("Its name", value=f"{dataset.name}-2", max_chars=64)
    if not st.button("Make it", type="primary"):
        return
    try:
        with progress("Copying images and labels") as on_share:
            made = with_new_classes(workspace, dataset, name, on_share)
    except TidysetError as error:
        show_error(error)
        return
    st.switch_page(links.EXPLORE, query_params={"data": made.name})
