"""Fill in: a model answers unknown labels where it is right often enough; and does filling them pay?"""

import streamlit as st

from core.data.dataset import Task
from dashboard import fill_panels, job_monitor, memo, picker, train_panel, unknown_panels
from dashboard.frame import end_page, header

FILL, COMPARE = "Fill in", "Compare ways"
workspace, dataset = picker.workspace(), picker.dataset()
header("Fill in", f"Let a model answer unknown labels of {dataset.title}, where it is right often enough.")
if dataset.task is not Task.MULTI_LABEL:
    fill_panels.one_label(dataset)
    end_page()

mode = st.segmented_control(
    "What",
    [FILL, COMPARE],
    default=FILL,
    required=True,
    key="fill_mode",
    bind="query-params",
    label_visibility="collapsed",
)
if mode == COMPARE:
    train_panel.draw(workspace, dataset, unknown_panels.start_row)
    unknown_panels.results(workspace, dataset)
    end_page()

state = memo.labels(workspace, dataset)
runs = fill_panels.fillings(workspace, dataset)
if fill_panels.unknown(dataset, state):
    train_panel.draw(workspace, dataset, fill_panels.start_row)
job_monitor.follow(runs)
run = fill_panels.pick(runs)
if run is not None:
    fill_panels.result(workspace, dataset, run, state)
