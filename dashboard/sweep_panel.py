"""A sweep on the Train page: which values of which fields, how long all of them take, and the button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.data.dataset import Dataset, Task
from core.errors import BadInput
from core.evaluation.sweep import create_sweep
from core.labels.versions import current_version
from core.runs.estimate import estimate
from core.runs.recipe import Recipe
from core.runs.store import list_runs
from core.tuning.grid import parse_grid
from core.tuning.space import NEVER
from core.workspace import Workspace
from dashboard import engine_choice, train_panel
from dashboard.errors import shown_as_message
from dashboard.wording import counted, duration, plain

SMALL = "Small grid"
SMALL_GRID = ("dropout=0.5|0.7", "batch_size=30|50", "epochs=1|3", "learning_rate=0.001|0.01")
INPUTS, UNKNOWN = "Image, caption, both", "What is unknown"
HOW = "Values of a field, parted by |: `dropout` `0.5|0.7`, `epochs` `1|3`. Every combination is trained."


def start_row(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    """The grid, how long it takes, and the button."""
    grids = grids_for(dataset)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Begin with", [*grids], key=f"sweep_grid_{dataset.name}", width=220)
        where = engine_choice.draw("sweep")
        pressed = st.button("Start sweep", type="primary", icon=":material/grid_on:")
    texts = _grid(chosen, grids[chosen])
    try:
        settings = parse_grid(texts, recipe)
    except BadInput as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.caption(_expected(workspace, dataset, recipe, settings))
    if pressed:
        with shown_as_message():
            version = current_version(workspace, dataset.name)
            engine_choice.start(
                lambda: create_sweep(workspace, dataset, recipe, settings, label_version=version), where
            )
            st.session_state.pop("sweep", None)
            st.rerun()


def grids_for(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The grids to begin with, by title: what the data has comes first."""
    grids: dict[str, tuple[str, ...]] = {}
    if dataset.captions is not None:
        grids[INPUTS] = ("inputs=image|caption|both",)
    grids[SMALL] = SMALL_GRID
    if dataset.task is Task.MULTI_LABEL:
        grids[UNKNOWN] = ("unknown_labels=masked|as-no|left-out",)
    return grids


def _grid(title: str, start: Sequence[str]) -> list[str]:
    """The grid as ``parse_grid`` reads it, from an editable table."""
    edited = st.data_editor(
        [dict(zip(("field", "values"), text.split("=", 1), strict=True)) for text in start],
        num_rows="dynamic",
        hide_index=True,
        key=f"sweep_values_{title}",
        width=520,
        column_config={
            "field": st.column_config.SelectboxColumn(
                "Field", options=[name for name in Recipe.model_fields if name not in NEVER], required=True
            ),
            "values": st.column_config.TextColumn("Values", required=True, help=HOW),
        },
    )
    st.caption(HOW)
    return [f"{row['field']}={row['values']}" for row in edited if row.get("field") and row.get("values")]


def _expected(
    workspace: Workspace, dataset: Dataset, recipe: Recipe, settings: Sequence[dict[str, Any]]
) -> str:
    """How many trainings, and how long all of them take as far as that is known."""
    runs, n_train = list_runs(workspace, dataset=dataset.name), len(dataset.in_split("train"))
    each = [
        estimate(
            recipe.with_changes(setting),
            n_train,
            dataset.images.uniform,
            runs,
            fingerprint=dataset.fingerprint,
        )
        for setting in settings
    ]
    seconds = [one.seconds for one in each if one is not None]
    takes = f", about {duration(sum(seconds))}" if len(seconds) == len(settings) else ""
    return (
        f"{train_panel.on_which_labels(workspace, dataset)}: {counted(len(settings), 'training')}{takes}. "
        "What was trained once is not trained again."
    )
