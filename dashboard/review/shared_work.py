"""Working on a list that a team shares: everybody gets images of their own, some at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.data.dataset import Dataset, Task
from core.errors import TidysetError
from core.labels.versions import LabelState, has_journal
from core.people.roles import Right
from core.quality.queue import ISSUES, SELECTION, QueueRequest, build_queue
from core.runs.store import Run, find_run
from core.workspace import Workspace
from dashboard import review, sign_in
from dashboard.memo import predictions as predictions_of
from dashboard.review import controls
from dashboard.wording import count, counted, plain

if TYPE_CHECKING:
    from core.team.lists import SharedList

LIST = "list"
"""Key of the choice, and its name in the address."""
OWN = "Your own list"
_SHEAF = "shared_sheaf"


def chosen(workspace: Workspace, dataset: Dataset) -> SharedList | None:
    """Draw the choice between one's own list and those that are shared, once there are some."""
    if not has_journal(workspace):
        return None
    from core.team.lists import lists_of

    lists = {one.name: one for one in lists_of(workspace, dataset.name)}
    if not lists:
        return None
    name = st.segmented_control(
        "Work on", [OWN, *lists], key=LIST, bind="query-params", default=OWN, format_func=plain
    )
    return lists.get(name or OWN)


def draw(workspace: Workspace, dataset: Dataset, shared: SharedList, state: LabelState) -> None:
    """What is kept for whoever uses the page; the next images as soon as these are done."""
    from core.team import presence

    who = controls.name()
    presence.note(workspace, who, dataset.name, shared.name)
    _facts(workspace, shared, who)
    shown = _sheaf(workspace, dataset, shared, state, who)
    if shown is None:
        st.success(
            "Nothing of this list is left for you: all of it is done, or others have it just now.",
            icon=":material/task_alt:",
        )
        return
    offset = review.show(workspace, dataset, shown, who=who, key="review")
    if offset is not None:
        st.rerun()


def _facts(workspace: Workspace, shared: SharedList, who: str) -> None:
    from core.team.lists import progress

    now = progress(workspace, shared)
    mine = next((one for one in now.shares if one.person == who), None)
    overlap = f" · every image by {shared.overlap} people" if shared.overlap > 1 else ""
    st.caption(
        f"{count(now.n_done)} of {counted(now.n_places, 'decision')} made by "
        f"{counted(len(now.shares), 'person', 'people')}, "
        f"{count(mine.n_done if mine else 0)} by you{overlap}. You get {shared.at_once} at a time, "
        "and nobody else gets them meanwhile."
    )


def _sheaf(
    workspace: Workspace, dataset: Dataset, shared: SharedList, state: LabelState, who: str
) -> review.Sheaf | None:
    """The images that are kept for ``who``: the same until all are done; None when there are no more."""
    from core.team.lists import kept_for, take

    known = st.session_state.get(_SHEAF)
    if known is not None and known[0] == (shared.id, who):
        kept = set(kept_for(workspace, shared, who))
        if any(item[1] in kept for item in known[1].items):
            return known[1]  # type: ignore[no-any-return]
    taken = take(workspace, dataset, shared, who)
    if not taken:
        return None
    built = _built(workspace, dataset, shared, state, taken)
    st.session_state[_SHEAF] = ((shared.id, who), built)
    return built


def _built(
    workspace: Workspace, dataset: Dataset, shared: SharedList, state: LabelState, taken: list[str]
) -> review.Sheaf:
    given = shared.about.get("given")
    asked = dataset.classes.index(given) if given in dataset.classes else None
    run = _judge(workspace, shared.about.get("run"))
    predictions = None
    if run is not None and run.predictions_file.exists():
        predictions = predictions_of(run)
    request = QueueRequest(kind=SELECTION, run=run.id if run else None, given=asked, item_ids=tuple(taken))
    queue = build_queue(dataset, request, state, predictions)
    number = st.session_state.get("shared_built", 0) + 1
    st.session_state["shared_built"] = number
    built = review.sheaf(f"{shared.id}-{number}", dataset, request, queue, state)
    return replace(built, start=0)  # what others decided on is to be seen by this person as well


def _judge(workspace: Workspace, run_id: Any) -> Run | None:
    try:
        return find_run(workspace, run_id) if run_id else None
    except TidysetError:  # deleted since: the images can be labelled without its guesses
        return None


def offer(
    workspace: Workspace, dataset: Dataset, asked: QueueRequest, run: Run | None, shown: review.Sheaf
) -> None:
    """The way to share the list that is shown, for who may."""
    if not sign_in.me().may(Right.SHARE) or not len(shown.queue):
        return
    with st.popover("Share this list with the team", icon=":material/groups:", type="tertiary"):
        st.caption(
            f"{counted(len(shown.queue), 'image')}, dealt out a few at a time. No two people get the same "
            "one, unless several are to see each."
        )
        name = st.text_input("Name", key="share_name", max_chars=60, placeholder="First pass")
        overlap = st.number_input("People for each image", 1, 20, 1, key="share_overlap")
        at_once = st.number_input("Images at a time", 1, 500, 25, key="share_at_once")
        if st.button("Share", type="primary", key="share", disabled=not name.strip()):
            from core.team.lists import share

            several = dataset.task is Task.MULTI_LABEL and asked.given is not None
            about = {
                "run": run.id if run is not None and asked.kind != ISSUES else None,
                "given": dataset.classes[asked.given] if several and asked.given is not None else None,
            }
            ids = dataset.item_ids[shown.queue.positions].tolist()
            share(
                workspace,
                dataset,
                name,
                ids,
                who=controls.name(),
                overlap=int(overlap),
                at_once=int(at_once),
                about=about,
            )
            st.rerun()
