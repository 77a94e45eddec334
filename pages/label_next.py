"""Label next: of the images without a label, those that are worth one most."""

import streamlit as st

from dashboard import active_compare_panel, active_panels, links, picker
from dashboard.frame import header

workspace, dataset = picker.workspace(), picker.dataset()
header("Label next", f"Of the images of {dataset.title} without a label, those that are worth one most.")
runs = active_panels.finished_runs(workspace, dataset)
if not active_panels.n_unlabelled(workspace, dataset):
    active_panels.all_labelled(dataset, active_panels.n_unknown(workspace, dataset))
elif not runs:
    st.info("No model has been trained on these images yet; its guesses say which labels would help.")
    st.page_link(links.TRAIN, label="Train one", icon=":material/model_training:")
else:
    active_panels.ask(workspace, dataset, runs)
active_compare_panel.compared(workspace, dataset)
