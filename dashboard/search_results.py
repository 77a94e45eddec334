"""A search on the Train page while it goes and after: its trials, what mattered, and keeping the best."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.data.dataset import Dataset
from core.runs import launch
from core.runs.curves import thinned
from core.runs.recipe import Recipe
from core.runs.store import Run, list_runs, status
from core.tuning import going_on, studies
from core.tuning.studies import StudyPlan, TrialRecord, TrialState
from core.workspace import Workspace
from dashboard import job_monitor, keep_recipe
from dashboard.charts import search as charts
from dashboard.errors import show_damaged, shown_as_message
from dashboard.wording import counted, plain

EVERY_SECONDS = 2.0
MOST_CURVES = 24
STATES = {
    TrialState.RUNNING: "training",
    TrialState.FINISHED: "finished",
    TrialState.PRUNED: "broken off",
    TrialState.FAILED: "failed",
}


def draw(workspace: Workspace, dataset: Dataset) -> None:
    """What runs, and the newest search or the one that is chosen."""
    runs = [
        run
        for run in list_runs(workspace, dataset=dataset.name, kind=studies.KIND)
        if run.fingerprint == dataset.fingerprint
    ]
    job_monitor.follow(runs)
    if not runs:
        st.info(
            "A search tries values of the fields above and learns from each trial which to try next. "
            "What matters, and what does not, shows up beside the best recipe.",
            icon=":material/manage_search:",
        )
        return
    by_name = {run.name: run for run in runs}
    run = by_name[str(st.selectbox("Search", [*by_name], key="study", width=260))]
    active = status(run).state.active

    @st.fragment(run_every=EVERY_SECONDS if active else None)
    def live() -> None:
        with shown_as_message():
            _show(workspace, run)

    live()
    if not active:
        _more(run)


def _more(run: Run) -> None:
    """More trials of a search that has ended, from all that it has learned."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n_more = st.number_input("More trials", 1, studies.MOST_TRIALS, 10, key=f"more_{run.id}", width=130)
        pressed = st.button("Go on", icon=":material/resume:", key=f"go_on_{run.id}")
    if pressed:
        with shown_as_message():
            launch.start(going_on.extend(run, len(studies.load_trials(run)) + int(n_more)))
            st.rerun()


def _show(workspace: Workspace, run: Run) -> None:
    trials, plan = studies.load_trials(run), studies.plan_of(run)
    damaged = studies.damaged_trials(run)
    show_damaged(damaged, "trial")
    if not trials:
        st.caption("No trial of this search can be shown." if damaged else "The first trial has not begun.")
        return
    st.markdown(_sentence(trials, plan))
    left, right = st.columns([3, 2])
    with left.container(border=True, height="stretch"):
        charts.history(trials, plan, key=f"history_{run.id}")
    with right.container(border=True, height="stretch"):
        if plan.with_cost:
            charts.cost(trials, plan, key=f"cost_{run.id}")
        else:
            charts.importances(studies.load_importances(run), key=f"importances_{run.id}")
    with st.container(border=True):
        charts.parallel(trials, plan, key=f"parallel_{run.id}")
    _trials(workspace, run, trials, plan)
    with st.expander("Curves of every trial", icon=":material/show_chart:"):
        _curves(run, trials, plan)


def _sentence(trials: Sequence[TrialRecord], plan: StudyPlan) -> str:
    """Where the search stands, in words."""
    counts = [
        f"{sum(one.state is state for one in trials)} {word}"
        for state, word in STATES.items()
        if any(one.state is state for one in trials)
    ]
    best, title = studies.ranked(trials, plan), studies.title_of(plan.objective)
    found = (
        f"Best {title[0].lower()}{title[1:]} on validation images **{best[0].value:.4f}**, "
        f"trial {best[0].number}. "
        if best
        else ""
    )
    return f"{found}{counted(len(trials), 'trial')} of {plan.n_trials}: {', '.join(counts)}."


def _trials(workspace: Workspace, run: Run, trials: Sequence[TrialRecord], plan: StudyPlan) -> None:
    """The table, the best first, and what can be done with one of them."""
    order = studies.ranked(trials, plan)
    rest = [one for one in reversed(trials) if one not in order]
    shown = [*order, *rest]
    picked = st.dataframe(
        [_row(one, plan) for one in shown],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"trials_{run.id}",
        height=min(36 * (len(shown) + 1) + 2, 320),
        column_config={studies.title_of(plan.objective): st.column_config.NumberColumn(format="%.4f")},
    )
    rows = [row for row in picked.selection.rows if row < len(shown)]
    chosen = shown[rows[0]] if rows else order[0] if order else None
    if chosen is not None and chosen.state is not TrialState.FAILED:
        is_best = bool(order) and chosen == order[0]
        recipe = studies.recipe_of(run, chosen)
        keep_recipe.draw(workspace, run, recipe, f"trial {chosen.number}", is_best=is_best)
        st.caption(
            "The best of many is flattered by luck on the validation images: trained, it shows its test "
            "figures."
        )
    elif chosen is not None:
        st.error(plain(chosen.error), icon=":material/error:")


def _row(trial: TrialRecord, plan: StudyPlan) -> dict[str, object]:
    return {
        "Trial": trial.number,
        studies.title_of(plan.objective): None if trial.value is None else round(trial.value, 4),
        **{Recipe.model_fields[name].title or name: value for name, value in trial.params.items()},
        "State": STATES[trial.state] + (", from an earlier training" if trial.cached else ""),
        "Epochs done": trial.n_epochs,
        "Seconds": round(trial.seconds, 1),
    }


def _curves(run: Run, trials: Sequence[TrialRecord], plan: StudyPlan) -> None:
    """Loss and accuracy of each trial in one grid, the best first."""
    shown = [*studies.ranked(trials, plan), *(one for one in trials if one.state is not TrialState.FINISHED)]
    st.caption("Blue, left: loss. Orange, right: accuracy. Dashed: validation images.")
    if len(shown) > MOST_CURVES:
        st.caption(f"The first {MOST_CURVES} of {counted(len(shown), 'trial')}.")
    for start in range(0, len(shown[:MOST_CURVES]), 4):
        for column, trial in zip(st.columns(4), shown[start : start + 4], strict=False):
            epochs = [e for e in studies.trial_events(run, trial.number).read()[0] if e["type"] == "epoch"]
            points = {
                field: thinned(
                    [(e["epoch"] + 1.0, float(e[field])) for e in epochs if e.get(field) is not None]
                )
                for field in charts.CURVES
            }
            with column.container(border=True):
                st.caption(f"Trial {trial.number}")
                charts.curves(points, key=f"curves_{run.id}_{trial.number}")
