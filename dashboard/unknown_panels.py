"""What to do with unknown labels, on the Fill in page: the ways side by side, started and read."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from core.data.dataset import Dataset
from core.files import Json
from core.labels.versions import current_version
from core.quality import unknown
from core.quality.filling import JOINT, PER_LABEL
from core.runs.estimate import estimate
from core.runs.recipe import Recipe
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard import engine_choice, job_monitor, train_panel
from dashboard.charts import unknown as charts
from dashboard.charts.template import show
from dashboard.errors import shown_as_message
from dashboard.wording import counted, duration, percent, plain, points

TITLES = {
    unknown.LEFT_OUT: "Left out",
    unknown.AS_NO: "As no",
    unknown.MASKED: "Masked",
    PER_LABEL: "Filled per label",
    JOINT: "Filled jointly",
}
ABOUT = (
    "Five ways to deal with unknown labels, trained alike and judged on the same known test labels: leave "
    "their images out, count them as no, mask them in the loss, or fill them in, per label or jointly."
)


def start_row(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    """Which ways, how often, how much is hidden first, and the button."""
    knows_all = not np.isnan(np.asarray(dataset.labels)[dataset.in_split("train")]).any()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ways = st.pills(
            "Ways",
            unknown.WAYS,
            format_func=TITLES.__getitem__,
            default=unknown.WAYS,
            selection_mode="multi",
            key="unknown_ways",
        )
        seeds = int(st.number_input("Repetitions", 1, 20, 3, key="unknown_seeds", width=130))
        hide = st.number_input(
            "Hide first (%)",
            0,
            90,
            40 if knows_all else 0,
            5,
            key=f"unknown_hide_{dataset.name}",
            width=140,
            help="Of the known training labels, to see the ways with more unknown, and how often what is "
            "filled is right. The test labels stay.",
        )
        wanted = st.number_input("Filled right at least (%)", 51, 99, 90, key="unknown_precision", width=190)
        where = engine_choice.draw("unknown")
        pressed = st.button("Compare", type="primary", icon=":material/balance:")
    st.caption(_expected(workspace, dataset, recipe, [*ways], seeds))
    if pressed:
        with shown_as_message():
            make = partial(
                unknown.create_unknown,
                workspace,
                dataset,
                recipe,
                ways=ways,
                seeds=seeds,
                hide=hide / 100,
                precision=wanted / 100,
                label_version=current_version(workspace, dataset.name),
            )
            engine_choice.start(make, where)
            st.session_state.pop("unknown_run", None)
            st.rerun()


def _expected(workspace: Workspace, dataset: Dataset, recipe: Recipe, ways: list[str], seeds: int) -> str:
    """How many trainings, and how long they take as far as that is known."""
    n = unknown.n_trainings(ways, seeds, len(dataset.classes))
    runs, n_train = list_runs(workspace, dataset=dataset.name), len(dataset.in_split("train"))
    one = estimate(recipe, n_train, dataset.images.uniform, runs, fingerprint=dataset.fingerprint)
    takes = f", at most about {duration(one.seconds * n)}" if one else ""
    where = train_panel.on_which_labels(workspace, dataset)
    return f"{where}: {counted(n, 'training')}{takes}. No label is changed by this."


def results(workspace: Workspace, dataset: Dataset) -> None:
    """What runs, and the newest comparison or the one that is chosen."""
    runs = [
        run
        for run in list_runs(workspace, dataset=dataset.name, kind=unknown.KIND)
        if run.fingerprint == dataset.fingerprint
    ]
    job_monitor.follow(runs)
    finished = {run.name: run for run in runs if status(run).state is RunState.FINISHED}
    if not runs:
        st.info(ABOUT, icon=":material/balance:")
    if finished:
        run = finished[str(st.selectbox("Comparison", [*finished], key="unknown_run", width=260))]
        _show(run, unknown.read_unknown(run))


def _show(run: Run, value: Json) -> None:
    st.markdown(_sentence(value))
    for note in value["notes"]:
        st.warning(plain(note), icon=":material/info:")
    with st.container(border=True):
        st.markdown("**Mean ROC AUC against a masked loss**")
        figure = charts.against_masked(value, TITLES)
        show(figure, f"unknown_{run.id}", "Difference of each way, with interval")
    st.dataframe([_row(one) for one in value["ways"]], hide_index=True, key=f"unknown_table_{run.id}")
    st.caption(
        "Intervals: 95 % of the differences when test images and repetitions are drawn again and again, each "
        "image with both ways' answers. Right: of the filled labels that had been hidden."
    )


def _sentence(value: Json) -> str:
    """Whether a way is better or worse than a masked loss, in words."""
    told: dict[str, list[str]] = {"better": [], "worse": []}
    for one in value["ways"]:
        ends = (one["against_masked"] or {}).get("macro_auc", {}).get("ci95")
        if ends is not None and (ends[0] > 0 or ends[1] < 0):
            told["better" if ends[0] > 0 else "worse"].append(TITLES[one["way"]].lower())
    parts = [f"**{' and '.join(names)}** {word}" for word, names in told.items() if names]
    said = (
        f"Than masked, {'; '.join(parts)} beyond chance"
        if parts
        else "No way differs from masked beyond chance"
    )
    return (
        f"{said}: {percent(value['unknown_share'])} of the training labels unknown, judged on "
        f"{value['n_known']:,} known labels of {counted(value['n_test'], 'test image')}, "
        f"{counted(value['seeds'], 'repetition')}."
    )


def _row(one: Json) -> dict[str, object]:
    gap = (one["against_masked"] or {}).get("macro_auc")
    ends = gap["ci95"] if gap else None
    return {
        "Way": TITLES[one["way"]],
        "ROC AUC": percent(one["macro_auc"]),
        "Against masked": points(gap["difference"]) if gap else "",
        "95 %": f"{points(ends[0])} to {points(ends[1])}" if ends else "",
        "Mean F1": percent(one["mean_f1"]),
        "Filled": None if one["n_filled"] is None else round(one["n_filled"]),
        "Right": "" if one["filled_right"] is None else percent(one["filled_right"]),
    }
