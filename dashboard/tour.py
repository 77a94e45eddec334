"""The guided tour: a strip above the page that says what to do next and rings the button that does it.

Where it stands is kept in ``tour.json`` of the workspace, so that it can be left and resumed; which step is
next comes from ``dashboard.tour_steps``. While something may happen without a press of Streamlit's (a run
ends, a label is corrected by key) the strip looks again by itself.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import streamlit as st

from core.data.dataset import Dataset
from core.data.fashion_mnist import SAMPLE
from core.errors import DamagedFile, StorageFailed
from core.files import read_json, write_json
from core.labels.versions import training_changes_since
from core.runs.store import recent_runs
from core.workspace import Workspace
from dashboard import links, picker, step_links
from dashboard.errors import shown_as_message
from dashboard.next_step import Step, next_step
from dashboard.tour_steps import STAGES, Stage, pointer, stage_of, visited

ON, LEFT, ENDED = "on", "left", "ended"
EVERY_SECONDS = 2.0
_ASKED = "tour_asked"
_BY_ITSELF = frozenset({Stage.TRAIN, Stage.FIX, Stage.RETRAIN})
"""Stages that end without a press of a Streamlit button."""


@dataclass(frozen=True, slots=True)
class Tour:
    """Where the tour stands.

    Attributes:
        state: "on", "left" (it can be resumed), "ended"; "" where it was never begun or refused.
        seen: Stages whose page was looked at.
    """

    state: str = ""
    seen: frozenset[str] = frozenset()


def load(workspace: Workspace) -> Tour:
    """The tour of this workspace; one whose file is missing or damaged was never begun."""
    try:
        kept = read_json(_path(workspace))
        return Tour(str(kept["state"]), frozenset(str(one) for one in kept["seen"]))
    except (DamagedFile, KeyError, TypeError):
        return Tour()


def save(workspace: Workspace, tour: Tour) -> None:
    """Keep where the tour stands. Raises StorageFailed."""
    write_json(_path(workspace), {"state": tour.state, "seen": sorted(tour.seen)})


def _path(workspace: Workspace) -> Path:
    return workspace.root / "tour.json"


def offer(workspace: Workspace, dataset: Dataset, *, is_new: bool) -> None:
    """On Home of a workspace in which nothing has happened yet: begin, or not now."""
    if not is_new or dataset.name != SAMPLE or load(workspace).state:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour_offer"):
        with st.container(gap=None):
            st.markdown("**New here?**")
            st.markdown("Go once round the loop on this sample: look, train, find, fix, retrain, prove.")
        turn = partial(st.button, on_click=_turn)
        turn("Take the tour", icon=":material/explore:", help="About five minutes", args=(workspace, ON))
        later = "The tour stays at hand in the head of this page"
        turn("Not now", type="tertiary", help=later, args=(workspace, LEFT))


def resume_button(workspace: Workspace) -> None:
    """In Home's head: the tour again, from where it was left, or from the start when it had ended."""
    state = load(workspace).state
    words = "Resume the tour" if state == LEFT else "Take the tour again"
    if state in (LEFT, ENDED):
        st.button(
            "Tour",
            icon=":material/explore:",
            type="tertiary",
            help=words,
            on_click=_turn,
            args=(workspace, ON),
        )


def _turn(workspace: Workspace, state: str) -> None:
    """Begin, leave or end the tour; one that had ended begins with nothing seen."""
    with shown_as_message():
        before = load(workspace)
        save(workspace, Tour(state, frozenset() if before.state == ENDED else before.seen))
        if state == ON:
            picker.choose(SAMPLE)


def draw(page: str) -> None:
    """The strip on ``page`` (its address), where the tour is on.

    Only its words look again by themselves. Its buttons are the page's, not the fragment's: a press on one
    need not wait until a page at work is done, and does what the button said even if a step has ended since.
    """
    workspace = picker.workspace()
    if load(workspace).state != ON:
        return
    if (asked := st.session_state.pop(_ASKED, None)) is not None:
        _go(*asked)
    now = _noted(workspace, page, compares="compare" in st.query_params)
    stage, step, n_corrected = now
    todo = pointer(stage, step, n_corrected, page)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour"):
        _words(workspace, page, now)
        if page != todo.page or stage is Stage.PROVE:
            words = "Read the verdict" if stage is Stage.PROVE else f"Go to {todo.title}"
            st.button(
                words, icon=":material/arrow_forward:", key="tour_go", on_click=_ask, args=(stage, step)
            )
        st.button(
            "End the tour" if stage is Stage.DONE else "Leave the tour",
            type="tertiary",
            help="It can be taken up again from Home",
            key="tour_leave",
            on_click=_turn,
            args=(workspace, ENDED if stage is Stage.DONE else LEFT),
        )
    if todo.key:
        st.html(_ring(todo.key))


_Now = tuple[Stage, Step, int]
"""The stage, the next best step behind it, and how many labels were corrected for it."""


def _now(workspace: Workspace) -> _Now:
    dataset = picker.open_dataset(workspace, SAMPLE)
    step = next_step(recent_runs(workspace, dataset), partial(training_changes_since, workspace, dataset))
    n = 0
    if step.target == "retrain" and step.run is not None:
        n = training_changes_since(workspace, dataset, step.run.label_version)
    return stage_of(step, load(workspace).seen, n), step, n


def _noted(workspace: Workspace, page: str, *, compares: bool) -> _Now:
    """Where the tour is, after noting that the page that was asked for is open. A full disk stops no page."""
    now = _now(workspace)
    if not visited(now[0], page, compares=compares):
        return now
    with contextlib.suppress(StorageFailed):
        save(workspace, Tour(ON, load(workspace).seen | {now[0]}))
    return _now(workspace)


def _words(workspace: Workspace, page: str, drawn: _Now) -> None:
    """What to do, said anew while something may happen by itself; a new stage redraws the page."""
    known = [drawn]  # within the run that draws the page, nothing may end that run: a press is in it

    @st.fragment(run_every=EVERY_SECONDS if drawn[0] in _BY_ITSELF else None)
    def words() -> None:
        with shown_as_message():
            stage, step, n_corrected = known.pop() if known else _now(workspace)
            todo = pointer(stage, step, n_corrected, page)
            if (stage, todo.key) != (drawn[0], pointer(*drawn, page).key):
                st.rerun(scope="app")  # the page has something new too, and another rhythm is right
            with st.container(gap=None):
                st.caption(_steps(stage))
                st.markdown(todo.text)

    words()


def _steps(now: Stage) -> str:
    """All steps in a row: done ones ticked, the present one in bold."""
    at = STAGES.index(now) if now in STAGES else len(STAGES)
    marks = [
        f":material/check: {stage}" if i < at else f"**{stage}**" if i == at else str(stage)
        for i, stage in enumerate(STAGES)
    ]
    return "Tour  ·  " + "  →  ".join(marks)


def _ask(stage: Stage, step: Step) -> None:
    """Note a press, before the script runs: whatever ends that run early, the next one goes there."""
    st.session_state[_ASKED] = (stage, step)


def _go(stage: Stage, step: Step) -> NoReturn:
    """To the page of ``stage``, with the run or the list that it is about."""
    from dashboard import handover

    picker.choose(SAMPLE)
    if stage is Stage.FIND and step.run is not None:
        handover.to_evaluate(step.run)
    elif stage in (Stage.FIX, Stage.PROVE) and step.target in ("mistakes", "verdict"):
        step_links.follow(step)
    pages = {Stage.LOOK: links.EXPLORE, Stage.TRAIN: links.TRAIN, Stage.DONE: links.PROVE}
    st.switch_page(pages.get(stage, links.RELABEL))


def _ring(key: str) -> str:
    """A ring round the button with this key, wherever on the page it is."""
    return (
        f"<style>.st-key-{key} button {{outline: 3px solid #ffa90e; outline-offset: 3px;"
        " border-radius: 0.5rem;}</style>"
    )
