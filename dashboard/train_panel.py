"""Starting a run: preset, form, name, estimate, button."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Dataset
from core.errors import TidysetError
from core.labels.versions import current_version, edits_since
from core.runs import launch
from core.runs.estimate import estimate
from core.runs.recipe import PRESETS, Recipe
from core.runs.store import create_run, list_runs
from core.workspace import Workspace
from dashboard import recipe_form
from dashboard.wording import counted, duration, plain

ABOUT = {
    "baseline": "What most people write: a plain CNN, Adam, small rotations and flips. 15 epochs.",
    "fast": "The same CNN with a one-cycle schedule: good labels to compare with in a few epochs.",
    "best": "A small residual network, shifts, erasing, averaged weights: slow, and the most accurate.",
}


def draw(workspace: Workspace, dataset: Dataset) -> None:
    """The panel. Starting a run reruns the page, which then follows it."""
    with st.container(border=True, key="new_run"):
        preset = st.segmented_control("Preset", list(PRESETS), default="fast", required=True, key="preset")
        st.caption(ABOUT[preset])
        try:
            with st.expander("Recipe", icon=":material/tune:"):
                recipe = recipe_form.draw(PRESETS[preset], f"recipe_{preset}")
        except TidysetError as error:
            st.error(str(error), icon=":material/error:")
            return
        _start_row(workspace, dataset, recipe)


def _start_row(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    version = current_version(workspace, dataset.name)
    n_edits = edits_since(workspace, dataset, 0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", placeholder="made up when empty", width=220, key="run_name")
        start = st.button("Start training", type="primary", icon=":material/play_arrow:")
        labels = f"corrected labels ({counted(n_edits, 'edit')})" if n_edits else "labels as given"
        st.caption(f"{_expected(workspace, dataset, recipe)} · {labels}")
    if start:
        try:
            begin(workspace, dataset, recipe, name.strip() or None, version)
        except TidysetError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def begin(workspace: Workspace, dataset: Dataset, recipe: Recipe, name: str | None, version: int) -> None:
    """Start a run on the labels of ``version``. Raises TidysetError."""
    launch.start(create_run(workspace, dataset, recipe, name=name, label_version=version))


def _expected(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> str:
    n_train = len(dataset.in_split("train"))
    found = estimate(recipe, n_train, dataset.images.uniform, list_runs(workspace))
    if found is None:
        return "duration not known yet: no run of this model so far"
    return f"about {duration(found.seconds)}, judged by {counted(found.n_runs, 'earlier run')}"


def first_run(workspace: Workspace, dataset: Dataset) -> None:
    """What to do when nothing was trained yet."""
    with st.container(border=True, key="no_runs"):
        st.markdown("**Nothing was trained on this data set yet.** A first run shows which classes are hard.")
        if st.button("Train with the fast preset", icon=":material/bolt:"):
            version = current_version(workspace, dataset.name)
            begin(workspace, dataset, PRESETS["fast"], None, version)
            st.rerun()
