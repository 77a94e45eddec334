"""A sweep on the Train page: the best setting, how sure it is that others are worse, the time of each."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Dataset
from core.evaluation import sweep
from core.files import Json
from core.runs.recipe import Recipe
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard import job_monitor, keep_recipe
from dashboard.charts import sweep as charts
from dashboard.charts.template import show
from dashboard.wording import counted, duration, percent, plain, points


def draw(workspace: Workspace, dataset: Dataset) -> None:
    """What runs, and the newest sweep or the one that is chosen."""
    runs = [
        run
        for run in list_runs(workspace, dataset=dataset.name, kind=sweep.KIND)
        if run.fingerprint == dataset.fingerprint
    ]
    job_monitor.follow(runs)
    finished = {run.name: run for run in runs if status(run).state is RunState.FINISHED}
    if not runs:
        st.info(
            "A sweep trains every combination of a few values, tells the time of each, and sets each against "
            "the best on the same test images: so also what the image, the caption and both bring.",
            icon=":material/grid_on:",
        )
    if not finished:
        return
    run = finished[str(st.selectbox("Sweep", [*finished], key="sweep", width=260))]
    _show(workspace, run, sweep.read_sweep(run))


def _show(workspace: Workspace, run: Run, value: Json) -> None:
    rows, best = value["rows"], value["best"]
    figure = sweep.headline_of(rows)
    st.markdown(_sentence(value, figure))
    left, right = st.columns(2)
    with left.container(border=True, height="stretch"):
        st.markdown("**Against the best**, on the same test images")
        if value["n_test"]:
            show(
                charts.against_best(value, figure),
                f"gaps_{run.id}",
                "Difference of each setting, with interval",
            )
        else:
            st.caption(
                "This data set has no test images. The validation images have chosen the best, so a "
                "difference there would flatter it."
            )
    with right.container(border=True, height="stretch"):
        st.markdown("**What the time buys**, on validation images")
        show(
            charts.by_time(value, figure),
            f"times_{run.id}",
            "Figure of each setting by its seconds of training",
        )
    order = sweep.ranked(value)
    picked = st.dataframe(
        [_row(rows[number], figure, is_best=number == best) for number in order],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"settings_{run.id}",
        height=min(36 * (len(rows) + 1) + 2, 420),
    )
    chosen = next((order[row] for row in picked.selection.rows if row < len(order)), best)
    recipe = run.recipe.with_changes(rows[chosen]["setting"])
    keep_recipe.draw(workspace, run, recipe, charts.words(rows[chosen]["setting"]), is_best=chosen == best)
    st.caption(
        "The best is chosen on validation images. Intervals: 95 % of the differences when the test images "
        "are drawn again and again, each with both settings' answers; they say nothing of other seeds."
    )


def _sentence(value: Json, figure: str) -> str:
    """Which setting is best, and what of that is sure."""
    rows, best = value["rows"], value["rows"][value["best"]]
    title = sweep.FIGURES.get(figure, figure)
    shown = best["test"].get(figure)
    on = "test" if shown is not None else "validation"
    shown = best["valid"].get(figure) if shown is None else shown
    total = sum(row["seconds"] for row in rows)
    said = (
        f"Best: **{plain(charts.words(best['setting']))}**, {title} "
        f"{'–' if shown is None else percent(shown)} on {on} images after {duration(best['seconds'])}. "
    )
    worse = sum(row["against_best"] is not None and row["against_best"]["ci95"][1] < 0 for row in rows)
    if value["n_test"]:
        said += f"Of the other {len(rows) - 1}, {worse} are worse beyond chance. "
    return f"{said}{counted(len(rows), 'training')} of {duration(total)} in all."


def _row(row: Json, figure: str, *, is_best: bool) -> dict[str, object]:
    gap, test = row["against_best"], row["test"].get(figure)
    valid = row["valid"].get(figure)
    return {
        **{Recipe.model_fields[name].title or name: value for name, value in row["setting"].items()},
        "Time": duration(row["seconds"]),
        "Epochs done": row["epochs"],
        "Validation": None if valid is None else percent(valid),
        "Test": None if test is None else percent(test),
        "Against the best": "the best" if is_best else points(gap["difference"]) if gap else "",
        "95 %": f"{points(gap['ci95'][0])} to {points(gap['ci95'][1])}" if gap else "",
    }
