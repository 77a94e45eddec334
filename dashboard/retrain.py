"""Training again on the corrected labels: one button, live progress, and then the comparison."""

from __future__ import annotations

import re
from typing import NoReturn

import streamlit as st

from core.data.dataset import Dataset
from core.errors import NameTaken
from core.labels.versions import current_version, edits_since, training_changes_since
from core.runs import launch
from core.runs.store import Run, RunState, create_run, find_run, list_runs, status
from core.workspace import Workspace
from dashboard import handover, here, links
from dashboard.errors import shown_as_message
from dashboard.wording import counted, duration, plain

_WATCHED = "retrain_watched"
_LIVE = "retrain_live"


def retrain(workspace: Workspace, dataset: Dataset, base: Run) -> Run:
    """Start the recipe of ``base`` (seed and all) on the newest labels; only the labels differ."""
    version = current_version(workspace, dataset.name)
    stem = re.sub(r"-v\d+$", "", base.name)[:50]
    recipe = base.recipe
    try:
        run = create_run(
            workspace, dataset, recipe, name=f"{stem}-v{version}", label_version=version, parent=base.id
        )
    except NameTaken:
        run = create_run(workspace, dataset, recipe, label_version=version, parent=base.id)
    launch.start(run)
    return run


def panel(workspace: Workspace, dataset: Dataset, base: Run) -> None:
    """How many edits came since the labels of ``base``, the button, and what became of the last press."""
    running = _watched(workspace, dataset)
    if running is None:
        _offer(workspace, dataset, base)
        return
    active = status(running).state.active
    if active:
        here.kept()[_LIVE] = running.id
    elif here.kept().get(_LIVE) == running.id and _is_the_newest(workspace, dataset, running):
        _compare(workspace, running)
    _watch(workspace, dataset, running, active=active)


def _is_the_newest(workspace: Workspace, dataset: Dataset, run: Run) -> bool:
    """Whether it finished, and nobody has edited on since; else the person is not torn from the list."""
    finished = status(run).state is RunState.FINISHED
    return finished and not edits_since(workspace, dataset, run.label_version)


def _compare(workspace: Workspace, run: Run) -> NoReturn:
    """Open the comparison of a repeated run with the one that it repeats."""
    st.session_state.pop(_WATCHED, None)
    handover.to_evaluate(run, compare=find_run(workspace, run.parent or run.id))


def _offer(workspace: Workspace, dataset: Dataset, base: Run) -> None:
    edits = edits_since(workspace, dataset, base.label_version)
    n = training_changes_since(workspace, dataset, base.label_version) if edits else 0
    st.space("stretch")  # to the right where there is room, to a line of its own where not
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        if n:
            st.markdown(f"**{counted(edits, 'edit')}** since {plain(base.name)}", width="content")
        elif edits:
            st.markdown(
                f"{counted(edits, 'edit')} since {plain(base.name)}, none on an image that it learns from",
                width="content",
                help="They confirm labels or are on test images: training again would give the same model. "
                "The corrected test labels count on the Evaluate page.",
            )
        else:
            st.markdown(f"No edits since {plain(base.name)}", width="content")
        if st.button(
            "Retrain on the corrected labels",
            type="primary" if n else "secondary",
            icon=":material/model_training:",
            disabled=not n,
            help=f"Recipe and seed of {base.name}; only the labels differ. The comparison opens at the end.",
            key="retrain",
        ):
            st.session_state[_WATCHED] = retrain(workspace, dataset, base).id
            st.rerun()


def _watched(workspace: Workspace, dataset: Dataset) -> Run | None:
    """The retraining to show: the one started here, or, after a reload, one that still goes on."""
    runs = list_runs(workspace, dataset=dataset.name)
    chosen = st.session_state.get(_WATCHED)
    for run in runs:
        if run.id == chosen:
            return run
    for run in runs[:5]:
        if run.parent is not None and status(run).state.active:
            st.session_state[_WATCHED] = run.id
            return run
    return None


def _watch(workspace: Workspace, dataset: Dataset, run: Run, *, active: bool) -> None:
    @st.fragment(run_every=1.0 if active else None)
    def live() -> None:
        with shown_as_message():
            _progress(workspace, run, was_active=active)

    live()


def _progress(workspace: Workspace, run: Run, *, was_active: bool) -> None:
    now = status(run)
    if now.state.active:
        left = f", {duration(now.seconds_left)} left" if now.seconds_left is not None else ""
        epoch = f", epoch {len(now.epochs)} done" if now.epochs else ""
        st.progress(min(1.0, now.share), f"Training {plain(run.name)} on the corrected labels{epoch}{left}")
        return
    if was_active:
        st.rerun(scope="app")  # panel() opens the comparison, whatever else redraws the page first
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        if now.state is RunState.FINISHED:
            st.markdown(f"{plain(run.name)} is trained on the corrected labels.", width="content")
            if st.button(
                "See the comparison",
                type="primary",
                icon=":material/compare_arrows:",
                key="see_comparison",
            ):
                _compare(workspace, run)
        else:
            st.markdown(f"{plain(run.name)} {_ENDED[now.state]} {plain(now.error)}", width="content")
            if st.button("See its log", icon=":material/description:"):
                st.session_state.pop(_WATCHED, None)
                st.switch_page(links.TRAIN)
        if st.button("Close", type="tertiary", icon=":material/close:"):
            st.session_state.pop(_WATCHED, None)
            st.rerun(scope="app")


_ENDED = {
    RunState.STOPPED: "was stopped; it can go on on the Train page.",
    RunState.FAILED: "failed.",
    RunState.LOST: "ended without a word.",
}
