"""Strategies of active learning side by side: start a comparison, follow it, and read its curves."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.data.dataset import SPLITS, Dataset, Task, is_labelled
from core.errors import TidysetError
from core.files import Json
from core.quality.active import STRATEGIES
from core.quality.active_compare import KIND, create_comparison, n_trainings
from core.runs.presets import find_recipe
from core.runs.recipe import PRESETS
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard import engine_choice, job_monitor
from dashboard.charts.line_ends import name_lines
from dashboard.charts.template import PALETTE, figure, show
from dashboard.wording import counted, plain

RECIPES = [name for name, recipe in PRESETS.items() if not recipe.has_stages and recipe.semi == "none"]


def compared(workspace: Workspace, dataset: Dataset) -> None:
    """The newest comparison of strategies on the data set, and a form for another one."""
    runs = list_runs(workspace, dataset=dataset.name, kind=KIND)
    st.subheader("Which strategy pays?", anchor=False)
    st.caption(
        "Plays labelling on labels that are known: every strategy begins with the same few and may ask for "
        "as many more, round by round, and what it trains is scored on the test images."
    )
    job_monitor.follow(runs)
    done = [run for run in runs if status(run).state is RunState.FINISHED]
    if done:
        _curves(done[0])
    if dataset.task is not Task.SINGLE_LABEL:
        st.caption("Strategies can be compared where each image has one label.")
        return
    with st.expander("Compare strategies", icon=":material/compare_arrows:", expanded=not runs):
        _form(workspace, dataset)


def _form(workspace: Workspace, dataset: Dataset) -> None:
    labels = dataset.labels
    known = int((is_labelled(labels) & (dataset.split == SPLITS.index("train"))).sum())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        recipe = st.selectbox("Recipe", RECIPES, RECIPES.index("fast"), key="compare_recipe", width=170)
        start = int(st.number_input("Labels to begin with", 10, 10_000, 50, 10, width=150))
        step = int(st.number_input("More each round", 10, 10_000, 50, 10, width=150))
        rounds = int(st.number_input("Rounds", 1, 20, 4, width=130))
        seeds = int(st.number_input("Repetitions", 1, 10, 3, width=130))
    chosen = st.multiselect("Strategies", STRATEGIES, STRATEGIES, key="compare_strategies")
    enough = start + step * rounds <= known
    with st.container(horizontal=True, vertical_alignment="center"):
        where = engine_choice.draw("active")
        pressed = st.button("Compare", icon=":material/play_arrow:", disabled=not (chosen and enough))
        if enough:
            st.caption(f"{counted(n_trainings(len(chosen), rounds, seeds), 'short training')}.")
        else:
            st.caption(f"{start + step * rounds:,} labels would be asked for; {known:,} are known.")
    if pressed:
        try:
            make = partial(
                create_comparison,
                workspace,
                dataset,
                find_recipe(workspace, recipe),
                strategies=chosen,
                start=start,
                step=step,
                rounds=rounds,
                seeds=seeds,
            )
            engine_choice.start(make, where)
        except TidysetError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _curves(run: Run) -> None:
    summary: Json = status(run).summary
    st.markdown(f"Best on average: **{plain(summary['best'])}** ({plain(run.name)}).")
    chart = figure(height=420, xaxis_title="Labels", yaxis_title="Test accuracy")
    colours = dict(zip((one["strategy"] for one in summary["curves"]), PALETTE, strict=False))
    for curve in summary["curves"]:
        above, below = _reach(curve)
        bars = {"array": above, "arrayminus": below, "thickness": 1}
        name = curve["strategy"]
        line = {"color": colours[name]}
        chart.add_scatter(x=summary["n_labels"], y=curve["mean"], name=name, error_y=bars, line=line)
    ends = {one["strategy"]: (summary["n_labels"][-1], one["mean"][-1]) for one in summary["curves"]}
    name_lines(chart, ends, colours)
    show(chart, key="active_curves", alt="Test accuracy of each strategy by number of labels")
    st.caption("Bars: 95 % interval over the repetitions.")


def _reach(curve: Json) -> tuple[list[float], list[float]]:
    """How far the interval of each mean reaches above and below it; no accuracy is below 0 or above 1."""
    pairs = [*zip(curve["interval"], curve["mean"], strict=True)]
    above = [min(end[1], 1.0) - mean if end else 0.0 for end, mean in pairs]
    below = [mean - max(end[0], 0.0) if end else 0.0 for end, mean in pairs]
    return above, below
