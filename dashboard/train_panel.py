"""Starting a run: preset, form, name, estimate, button."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from core.data.dataset import Dataset, is_labelled
from core.data.splits import NO_TRAINING
from core.engines import EnginePlan
from core.engines.one_run import check_one_run
from core.errors import TidysetError
from core.labels.versions import current_version, edits_since
from core.runs import launch
from core.runs.estimate import TRIAL, estimate
from core.runs.presets import damaged_presets, own_presets
from core.runs.recipe import PRESETS, Recipe
from core.runs.store import Run, create_run, list_runs, status
from core.workspace import Workspace
from dashboard import engine_choice, recipe_form
from dashboard.errors import show_damaged, shown_as_message
from dashboard.wording import counted, duration, plain

ABOUT = {
    "baseline": "What most people write: a plain CNN, Adam, small rotations and flips. 15 epochs.",
    "fast": "The same CNN on a one-cycle schedule: nearly as accurate after 4 epochs.",
    "transfer": "A network that knows photographs, frozen, with a small head: for few images. Needs its "
    "published weights, fetched once, or a weights file.",
    "caption": "Reads the captions alone: words, pairs of words, and nothing of the image. Needs captions.",
    "hybrid": "A CNN on the image, an LSTM over the caption, a Transformer over both. Needs captions.",
    "hybrid-pretrained": "A frozen network that knows photographs, and the words of the caption, with a gate "
    "between both. Needs captions and published weights, or a weights file.",
    "best": "A small residual net, shifts, erasing, averaged weights: slow but most accurate. 30 epochs.",
}

_TRIAL, _NAME, _STARTED = "train_trial", "run_name", "run_started"


StartRow = Callable[[Workspace, Dataset, Recipe], None]


def draw(workspace: Workspace, dataset: Dataset, start_row: StartRow) -> None:
    """The panel: a recipe is chosen, and ``start_row`` says what can be done with it.

    Starting something reruns the page, which then follows it.
    """
    with st.container(border=True, key="new_run"):
        presets = {
            name: recipe
            for name, recipe in {**PRESETS, **own_presets(workspace)}.items()
            if recipe.inputs == "image" or dataset.captions is not None
        }
        if st.session_state.get("preset") not in presets:
            st.session_state.pop("preset", None)  # chosen for another data set
        preset = st.pills("Preset", list(presets), default="fast", required=True, key="preset")
        st.caption(ABOUT.get(preset) or "A preset of this workspace.")
        show_damaged(damaged_presets(workspace), "preset")
        try:
            with st.expander("Recipe", icon=":material/tune:"):
                recipe = recipe_form.draw(presets[preset], f"recipe_{preset}", dataset.task)
        except TidysetError as error:
            st.error(str(error), icon=":material/error:")
            return
        start_row(workspace, dataset, recipe)


def one_run(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    """What is needed to train once: a name, and how long it will take."""
    version, can_train = current_version(workspace, dataset.name), "train" in dataset.splits
    if st.session_state.pop(_STARTED, False):
        st.session_state[_NAME] = ""  # the name is taken now; it can only be emptied before it is drawn
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", placeholder="made up when empty", width=280, key=_NAME)
        where = engine_choice.draw(
            "train", "Workers, each on its share of every batch, or on a member of an ensemble,"
        )
        start = st.button(
            "Start training",
            type="primary",
            icon=":material/play_arrow:",
            key="start_training",
            disabled=not can_train,
        )
        with st.container(gap=None):
            st.caption(on_which_labels(workspace, dataset))
            if can_train:
                _expected(workspace, dataset, recipe, version)
    if not can_train:
        st.warning(" ".join(NO_TRAINING), icon=":material/warning:")
    if start:
        try:
            check_one_run(recipe, where)
            begin(workspace, dataset, recipe, name.strip() or None, version, where)
        except TidysetError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.session_state[_STARTED] = True
            st.rerun()


def on_which_labels(workspace: Workspace, dataset: Dataset) -> str:
    """What is trained on, in words."""
    n_edits = edits_since(workspace, dataset, 0)
    return f"On corrected labels ({counted(n_edits, 'edit')})" if n_edits else "On labels as given"


def begin(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Recipe,
    name: str | None,
    version: int,
    where: EnginePlan | None = None,
) -> None:
    """Start a run on the labels of ``version``. Raises TidysetError."""
    engine_choice.start(
        lambda: create_run(workspace, dataset, recipe, name=name, label_version=version),
        where or EnginePlan(),
    )


def _expected(workspace: Workspace, dataset: Dataset, recipe: Recipe, version: int) -> None:
    """How long it will take, as far as that is known, or a button that finds out."""
    train = dataset.in_split("train")
    n_train = int(is_labelled(np.asarray(dataset.labels)[train]).sum())
    runs = [run for run in list_runs(workspace, kind=None) if run.kind in ("train", TRIAL)]
    found = estimate(recipe, n_train, dataset.images.uniform, runs, fingerprint=dataset.fingerprint)
    if found is not None:
        judged = (
            f"judged by {counted(found.n_runs, 'earlier run')}" if found.n_runs else "after a short trial"
        )
        st.caption(f"Takes about {duration(found.seconds)}, {judged}")
        return
    trial = next((run for run in runs if run.id == st.session_state.get(_TRIAL)), None)
    if trial is not None and status(trial).state.active:
        _wait(trial)
    elif trial is not None and (error := status(trial).error):
        st.caption(f"How long it takes is not known: {plain(error)}")
    elif st.button(
        "How long will it take?",
        icon=":material/timer:",
        type="tertiary",
        help="Trains for three seconds to see how fast this machine is with this model; keeps nothing.",
    ):
        made = create_run(workspace, dataset, recipe, kind=TRIAL, label_version=version)
        launch.start(made)
        st.session_state[_TRIAL] = made.id
        st.rerun()


@st.fragment(run_every=1.0)
def _wait(trial: Run) -> None:
    with shown_as_message():
        if not status(trial).state.active:
            st.rerun(scope="app")
        st.caption(":material/timer: Trying it for a few seconds …")


def first_run(workspace: Workspace, dataset: Dataset) -> None:
    """What to do when nothing was trained yet."""
    with st.container(border=True, key="no_runs"):
        st.markdown("**Nothing was trained on this data set yet.** A first run shows which classes are hard.")
        if st.button("Train with the fast preset", icon=":material/bolt:"):
            version = current_version(workspace, dataset.name)
            begin(workspace, dataset, PRESETS["fast"], None, version)
            st.rerun()
