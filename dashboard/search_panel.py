"""Searching a recipe's fields on the Train page: what may change, how often to try, and the button."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Dataset
from core.labels.versions import current_version
from core.runs.estimate import estimate
from core.runs.recipe import Recipe
from core.runs.store import list_runs
from core.tuning import DEFAULT_SPACE, studies
from core.tuning.space import NEVER, parse_space
from core.tuning.studies import StudyPlan
from core.workspace import Workspace
from dashboard import engine_choice, train_panel
from dashboard.errors import shown_as_message
from dashboard.wording import duration

HOW = (
    "A field of the recipe and what it may be: `learning_rate` `1e-4..1e-1:log`, `epochs` `3..15`, "
    "`model` `plain-cnn|small-resnet`."
)


def start_row(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    """What may change, how many trials, and the button."""
    texts = _space()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n_trials = st.number_input("Trials", 1, studies.MOST_TRIALS, 20, key="n_trials", width=130)
        objective = st.selectbox(
            "Best by",
            studies.objectives(dataset.task),
            format_func=studies.title_of,
            key="objective",
            width=150,
            help="Measured on the validation images. Test images are not touched.",
        )
        where = engine_choice.draw("search")
        cost = st.toggle(
            "Time counts too", key="with_cost", help="Seconds of training as a second objective."
        )
        prune = st.toggle(
            "Break off poor trials",
            True,
            key="prune",
            disabled=cost,
            help="Ends a trial that is worse than half of the others after as many epochs.",
        )
        pressed = st.button("Start search", type="primary", icon=":material/manage_search:")
    st.caption(_expected(workspace, dataset, recipe, int(n_trials)))
    if pressed:
        with shown_as_message():
            plan = StudyPlan(parse_space(texts, recipe), int(n_trials), objective, cost, prune)
            version = current_version(workspace, dataset.name)
            engine_choice.start(
                lambda: studies.create_study(workspace, dataset, recipe, plan, label_version=version), where
            )
            st.session_state.pop("study", None)
            st.rerun()


def _space() -> list[str]:
    """The search space as ``parse_space`` reads it, from an editable table."""
    rows = [dict(zip(("field", "values"), text.split("=", 1), strict=True)) for text in DEFAULT_SPACE]
    edited = st.data_editor(
        rows,
        num_rows="dynamic",
        hide_index=True,
        key="space",
        width=520,
        column_config={
            "field": st.column_config.SelectboxColumn(
                "Field",
                options=[name for name in Recipe.model_fields if name not in NEVER],
                required=True,
            ),
            "values": st.column_config.TextColumn("Values", required=True, help=HOW),
        },
    )
    st.caption(HOW)
    return [f"{row['field']}={row['values']}" for row in edited if row.get("field") and row.get("values")]


def _expected(workspace: Workspace, dataset: Dataset, recipe: Recipe, n_trials: int) -> str:
    """How long the whole will take, as far as that is known."""
    runs = list_runs(workspace, dataset=dataset.name)
    n_train = len(dataset.in_split("train"))
    one = estimate(recipe, n_train, dataset.images.uniform, runs, fingerprint=dataset.fingerprint)
    takes = f" About {duration(one.seconds * n_trials)} if trials are like this recipe." if one else ""
    return f"{train_panel.on_which_labels(workspace, dataset)}.{takes}"
