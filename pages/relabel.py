"""Relabel: look at what is likely wrong, one key each, and train again on the corrected labels."""

import streamlit as st

from core.people.roles import Right
from core.quality.queue import FILLED, NEED_A_RUN
from dashboard import links, memo, new_classes_panel, picker, retrain, review, sign_in, waiting
from dashboard.frame import end_page, header
from dashboard.review import controls, shared_work

workspace, dataset = picker.workspace(), picker.dataset()
header(
    "Relabel",
    f"Correct the labels of {dataset.title}, one key each. Every edit can be undone.",
    action=controls.annotator,
)

if not sign_in.only_for(Right.LABEL):
    end_page()
waiting.tell_if_behind(workspace)
state = memo.labels(workspace, dataset)
shared = shared_work.chosen(workspace, dataset)
if shared is not None:
    shared_work.draw(workspace, dataset, shared, state)
    end_page()
runs = controls.finished_runs(workspace, dataset)
if not runs:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown("A model finds the labels that look wrong. Without one, all images are shown in order.")
        if st.button("Train a model", type="primary", icon=":material/model_training:"):
            st.switch_page(links.TRAIN)

new_classes_panel.draw(workspace, dataset, state)
asked, run = controls.request(workspace, dataset, runs, state)
with st.container(horizontal=True, vertical_alignment="center"):
    skip = st.toggle("Hide reviewed", key="queue_open", bind="query-params")
    together = controls.together(workspace, dataset)
    asked = controls.by_people(workspace, dataset, asked)
    if st.button(
        "Refresh", type="tertiary", icon=":material/refresh:", help="Build the list from the newest labels."
    ):
        controls.start_over()
    if run is not None and run.kind == "train":  # what CLIP said from words alone has nothing to train
        retrain.panel(workspace, dataset, run)
    place_to_share = st.container(width="content")
shown = controls.sheaf(workspace, dataset, asked, run, state, skip=skip, together=together)
with place_to_share:
    shared_work.offer(workspace, dataset, asked, run, shown)

if not len(shown.queue):
    what = (
        "The model agrees with every label here."
        if asked.kind in NEED_A_RUN
        else "No image passes these filters."
    )
    st.info(f"{what} Choose another list above, or take a filter away.", icon=":material/task_alt:")
    end_page()
judge = run.name if run is not None and asked.kind == FILLED else ""
offset = review.show(workspace, dataset, shown, who=controls.name(), key="review", judge=judge)
if offset is not None:
    controls.turn(dataset, state, offset)
    st.rerun()
