"""Keeping a recipe that a search or a sweep found: as a preset, or trained for its test figures."""

from __future__ import annotations

import streamlit as st

from core.labels.versions import current_version
from core.runs.presets import save_preset
from core.runs.recipe import Recipe
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import picker, train_panel
from dashboard.errors import shown_as_message


def draw(workspace: Workspace, run: Run, recipe: Recipe, what: str, *, is_best: bool) -> None:
    """A name with a button that keeps ``recipe`` as a preset, and one that trains it.

    Args:
        run: The search or sweep that found it.
        what: What to call it, such as "trial 3".
    """
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"keep_{run.id}"):
        name = st.text_input(
            f"Keep as a preset: {what}", placeholder="name", key=f"preset_{run.id}", width=240
        )
        kept = st.button("Keep as preset", icon=":material/bookmark_add:", disabled=not name.strip())
        trained = st.button(f"Train {'the best' if is_best else 'it'}", icon=":material/play_arrow:")
    with shown_as_message():
        if kept:
            save_preset(workspace, name.strip(), recipe)
            st.toast(f"Preset {name.strip()} is kept.", icon=":material/bookmark_added:")
            st.rerun()  # the list of presets above shows it
        if trained:
            version = current_version(workspace, run.dataset)
            dataset = picker.open_dataset(workspace, run.dataset)
            train_panel.begin(workspace, dataset, recipe, None, version)
            st.toast("Training has begun: see Train once.", icon=":material/play_arrow:")
