"""Train: choose a recipe, start it, watch it, look after the runs; or judge over folds, sweep, search."""

import streamlit as st

from core.runs.store import damaged_runs, recent_runs, status
from dashboard import (
    crossval_panel,
    picker,
    run_monitor,
    runs_compared,
    runs_table,
    search_panel,
    search_results,
    sweep_panel,
    sweep_results,
    train_panel,
)
from dashboard.errors import show_damaged
from dashboard.frame import end_page, header

ONCE, FOLDS, SWEEP, SEARCH = "Train once", "Cross-validate", "Sweep", "Search"
START = {
    ONCE: train_panel.one_run,
    FOLDS: crossval_panel.start_row,
    SWEEP: sweep_panel.start_row,
    SEARCH: search_panel.start_row,
}

workspace, dataset = picker.workspace(), picker.dataset()
header("Train", f"Fit a model to {dataset.title} and watch it learn. Runs go on when this page is closed.")
mode = st.segmented_control(
    "What",
    list(START),
    default=ONCE,
    required=True,
    key="mode",
    bind="query-params",
    label_visibility="collapsed",
)
train_panel.draw(workspace, dataset, START[mode])
if mode == FOLDS:
    crossval_panel.results(workspace, dataset)
    end_page()
if mode == SWEEP:
    sweep_results.draw(workspace, dataset)
    end_page()
if mode == SEARCH:
    search_results.draw(workspace, dataset)
    end_page()

show_damaged([reason for _, reason in damaged_runs(workspace)], "run")
runs = recent_runs(workspace, dataset, n=1_000)
if not runs:
    train_panel.first_run(workspace, dataset)
    end_page()

live = st.container()
st.subheader("Runs", anchor=False)
chosen = runs_table.draw(runs_compared.narrowed(runs))
if len(chosen) == 1:
    runs_table.actions(workspace, chosen[0], status(chosen[0]))
elif chosen:
    runs_compared.several(chosen)
else:
    st.caption("Select runs to lay their curves over each other, or one to evaluate, rename or delete it.")
with live:
    active = [run for run, now in runs if now.state.active]
    run_monitor.draw(chosen or active or [runs[0][0]], key="train_live")
