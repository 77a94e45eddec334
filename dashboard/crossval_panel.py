"""Cross-validation on the Train page: start it, follow it, and read how sure its figures are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.data.dataset import Dataset
from core.errors import TidysetError
from core.evaluation import crossval
from core.labels.versions import current_version
from core.runs.estimate import estimate
from core.runs.recipe import Recipe
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard import engine_choice, job_monitor, train_panel
from dashboard.charts import crossval as charts
from dashboard.wording import duration, percent, plain

MOST_FOLDS = 20
TITLES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "balanced_accuracy": "Balanced accuracy",
    "macro_auc": "ROC AUC",
    "mean_average_precision": "Average precision",
}


def start_row(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    """How many folds, how long it takes, and the button."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n_folds = int(st.number_input("Folds", 2, MOST_FOLDS, crossval.N_FOLDS, key="n_folds", width=130))
        where = engine_choice.draw("folds")
        pressed = st.button("Cross-validate", type="primary", icon=":material/view_week:")
        with st.container(gap=None):
            st.caption(train_panel.on_which_labels(workspace, dataset) + ", the test images left out")
            st.caption(_expected(workspace, dataset, recipe, n_folds))
    if pressed:
        try:
            version = current_version(workspace, dataset.name)
            engine_choice.start(
                lambda: crossval.create_crossval(
                    workspace, dataset, recipe, label_version=version, n_folds=n_folds
                ),
                where,
            )
        except TidysetError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.session_state.pop("crossval", None)
            st.rerun()


def _expected(workspace: Workspace, dataset: Dataset, recipe: Recipe, n_folds: int) -> str:
    """How many trainings, and how long they will take as far as that is known."""
    n_train = round(len(dataset.in_split("train")) * (1 - 1 / n_folds))
    runs = list_runs(workspace, dataset=dataset.name)
    one = estimate(recipe, n_train, dataset.images.uniform, runs, fingerprint=dataset.fingerprint)
    return f"{n_folds} trainings" + (f", about {duration(one.seconds * n_folds)}" if one else "")


def results(workspace: Workspace, dataset: Dataset) -> None:
    """What runs, and the newest result or the one that is chosen."""
    runs = [
        run
        for run in list_runs(workspace, dataset=dataset.name, kind=crossval.KIND)
        if run.fingerprint == dataset.fingerprint
    ]
    job_monitor.follow(runs)
    finished = {run.name: run for run in runs if status(run).state is RunState.FINISHED}
    if not finished:
        if not runs:
            st.info(
                "One training tells how good a model is on one split of the data. Folds tell how much of "
                "that is luck: each is judged by a model that was trained without it.",
                icon=":material/view_week:",
            )
        return
    name = st.selectbox("Cross-validation", [*finished], key="crossval", width=260)
    _show(finished[str(name)])


def _show(run: Run) -> None:
    value = crossval.read_crossval(run)
    st.markdown(_sentence(value))
    titles = {name: title for name, title in TITLES.items() if name in value}
    for column, (figure, title) in zip(st.columns(len(titles)), titles.items(), strict=True):
        one = value[figure]
        low, high = one["ci95"]
        column.metric(
            title,
            f"{percent(one['mean'])} ± {100 * one['sd']:.1f}",
            f"95 %: {percent(low)} to {percent(high)}",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
    for text in value["notes"]:
        st.warning(plain(text), icon=":material/info:")
    charts.draw(value, key=f"crossval_{run.id}")
    with st.expander("Each fold", icon=":material/table_rows:"):
        rows = [_row(number, fold) for number, fold in enumerate(value["folds"], start=1)]
        st.dataframe(rows, hide_index=True)
        st.caption(
            "± is the standard deviation over the folds. The interval is wider than that alone would give, "
            "since folds share training images (Nadeau and Bengio 2003). A search for label errors with the "
            "same recipe and as many folds uses these trainings."
        )


def _sentence(value: Mapping[str, Any]) -> str:
    """The result in words."""
    main = crossval.headline(value)
    name = "ROC AUC" if main == "macro_auc" else "accuracy"
    of_folds = [fold[main] for fold in value["folds"] if fold[main] is not None]
    return (
        f"Trained {value['n_folds']} times, each time judged on images left out: "
        f"**{percent(value[main]['mean'])}** {name} on average; from {percent(min(of_folds))} to "
        f"{percent(max(of_folds))} by fold."
    )


def _row(number: int, fold: Mapping[str, Any]) -> dict[str, Any]:
    loss = {"Loss": f"{fold['loss']:.3f}"} if "loss" in fold else {}
    figures = {title: fold[name] for name, title in TITLES.items() if name in fold}
    return {
        "Fold": number,
        "Images": fold["n"],
        **{title: "" if one is None else percent(one) for title, one in figures.items()},
        **loss,
    }
