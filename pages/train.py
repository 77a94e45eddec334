"""Train: choose a recipe, start it, watch it, and look after the runs."""

import streamlit as st

from core.runs.store import status
from dashboard import cached, picker, run_monitor, runs_table, train_panel
from dashboard.frame import header

workspace, dataset = picker.workspace(), picker.dataset()
header("Train", f"Fit a model to {dataset.title} and watch it learn. Runs go on when this page is closed.")
train_panel.draw(workspace, dataset)

runs = cached.recent_runs(workspace, dataset, n=1_000)
if not runs:
    train_panel.first_run(workspace, dataset)
    st.stop()

live = st.container()
st.subheader("Runs", anchor=False)
chosen = runs_table.draw(runs)
if len(chosen) == 1:
    runs_table.actions(workspace, chosen[0], status(chosen[0]))
elif not chosen:
    st.caption("Select runs to lay their curves over each other, or one to evaluate, rename or delete it.")
with live:
    active = [run for run, now in runs if now.state.active]
    run_monitor.draw(chosen or active or [runs[0][0]], key="train_live")
