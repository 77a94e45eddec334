"""Explore: what is in the data, before any model."""

import streamlit as st

from core.data.dataset import Task
from dashboard import captions_panels, explore_panels, labels_panels, memo, picker
from dashboard.explore_view import view_of
from dashboard.frame import end_page, header
from dashboard.open_item import open_item
from dashboard.progress import progress
from dashboard.wording import counted

workspace, dataset = picker.workspace(), picker.dataset()
header(
    "Explore", f"What is in {dataset.title}: balance, brightness, typical and odd images, before any model."
)
chosen = explore_panels.filters(dataset)
state = memo.labels(workspace, dataset)
with progress("Reading the images, only this once") as on_progress:
    view = view_of(workspace, dataset, state, chosen, on_progress)

if not len(view.positions):
    st.info(
        "No image passes these filters. Take one away to see images again.", icon=":material/filter_alt_off:"
    )
    end_page()
st.caption(f"{counted(len(view.positions), 'image')} of {len(dataset):,} · label version {state.version}")

opened = explore_panels.findings(view)
left, right = st.columns(2)
with left:
    explore_panels.balance(view)
with right:
    explore_panels.pixels(view)
if dataset.task is Task.MULTI_LABEL:
    in_labels = labels_panels.draw(view)
    opened = in_labels if opened is None else opened
in_captions = captions_panels.draw(view)
opened = in_captions if opened is None else opened
explore_panels.intensity(view)
explore_panels.sizes(view)
explore_panels.portraits(view)
opened = explore_panels.examples(view) if opened is None else opened

if opened is not None:
    open_item(dataset, opened)
