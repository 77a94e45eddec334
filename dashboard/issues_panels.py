"""The panels of the Issues page: copies and leaks, odd images, and one kind of them in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from core.data.dataset import SPLITS, Dataset, Task
from core.evaluation.predictions import LABEL_WORDS
from core.labels.versions import LabelState
from core.quality.duplicates import Group, exclusions, to_leave_out
from core.quality.image_issues import ImageIssue
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import gallery, handover, issues_view
from dashboard.errors import shown_as_message
from dashboard.issues_view import RunScore, Survey, Work
from dashboard.open_item import open_item
from dashboard.review import controls
from dashboard.wording import count, counted, duration, percent, plain, points

COPIES = "copies"
ADDRESS = "issue"
"""The kind that is shown in full is part of the address."""
WAIT_SECONDS = 0.4
EVERY_SECONDS = 0.7
TILE, IN_CARD, IN_FULL, GROUPS = 56, 10, 240, 24
BADGES = {"blurry": "{:.2f}", "odd-shape": "{:.1f} ×", "outlier": "{:.1f}", "blank": ""}
SHOWN: dict[str, Callable[[Group], bool]] = {
    "All": lambda group: True,
    "Across splits": lambda group: group.leak,
    "Contradicting": lambda group: group.conflict,
    "Same pixels": lambda group: group.exact,
}
_TAKE_BACK = "issues_take_back"


def finished(work: Work) -> Survey | None:
    """The survey when it is done within a moment; else None, and how far it is is shown until it is done."""
    if work.wait(WAIT_SECONDS):
        return work.result()

    @st.fragment(run_every=EVERY_SECONDS)
    def waiting() -> None:
        with shown_as_message():
            if work.wait(0):
                st.rerun(scope="app")
            left = work.seconds_left
            rest = "" if left is None else f" · about {duration(max(left, 1))} left"
            st.progress(work.share, f"Looking at every image once{rest}")
            st.caption("This goes on when you leave the page, and what is found is kept.")

    waiting()
    return None


def overview(workspace: Workspace, dataset: Dataset, state: LabelState, found: Survey) -> int | None:
    """All kinds at a glance; returns the position of the image that was opened just now, or None."""
    opened = _copies_card(workspace, dataset, state, found)
    listed = [issue for issue in found.issues if len(issue)]
    st.subheader("Odd images", anchor=False)
    for row in range(0, len(listed), 2):
        for column, issue in zip(st.columns(2), listed[row : row + 2], strict=False):
            with column:
                clicked = _issue_card(dataset, state, issue)
                opened = clicked if opened is None else opened
    nothing = [issue.rule.title.lower() for issue in found.issues if not len(issue)]
    if nothing:
        st.caption(f":green[:material/check_circle:] Nothing found that is {', '.join(nothing)}.")
    return opened


def _copies_card(workspace: Workspace, dataset: Dataset, state: LabelState, found: Survey) -> int | None:
    groups = found.copies.groups
    with st.container(border=True, key="copies_card"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Copies and leaks", anchor=False, width="content")
            if groups:
                _show_all(COPIES, len(groups), "group")
        st.markdown(_copies_in_words(found))
        if not groups:
            return None
        _score_of_a_run(workspace, dataset, found)
        return _side_by_side(dataset, state, groups[:8], "copies_card")


def _copies_in_words(found: Survey) -> str:
    copies = found.copies
    if not copies.groups:
        return ":green[:material/check_circle:] No image occurs twice, not even nearly."
    n = sum(len(group) for group in copies.groups)
    same = f"{count(len(copies.exact))} of identical pixels" if copies.exact else "none of identical pixels"
    parts = [f"{count(n)} images form {counted(len(copies.groups), 'group')} of (nearly) the same, {same}."]
    if copies.leaks:
        parts.append(
            f":orange[:material/warning:] **{counted(len(copies.leaks), 'group')} across splits**:"
            " a model is tested on what it has learnt."
        )
    if copies.conflicts:
        parts.append(
            f":orange[:material/warning:] **{counted(len(copies.conflicts), 'group')} with contradicting"
            " labels**: at most one is right."
        )
    return "  \n".join(parts)


def _score_of_a_run(workspace: Workspace, dataset: Dataset, found: Survey) -> None:
    """What the leaks do to the score of a run, where there is one."""
    runs = controls.finished_runs(workspace, dataset) if dataset.task is Task.SINGLE_LABEL else []
    if not runs or not found.copies.leaks:
        return
    run = _pick_run(runs)
    for one in issues_view.leaks_in(workspace, dataset, found, run):
        _score_row(one)


def _pick_run(runs: list[Run]) -> Run:
    names = [run.name for run in runs]
    if len(runs) == 1:
        return runs[0]
    name = st.selectbox("Score of", names, key="issues_run", bind="query-params", width=220)
    return runs[names.index(name)]


def _score_row(one: RunScore) -> None:
    score, note = one.score, f"on the {LABEL_WORDS[one.labels]}"
    if not score.positions:
        st.caption(f"This run saw no copy of a test image ({note}).")
        return
    interval = tuple(percent(bound) for bound in score.without.interval)
    cards = (
        ("Test accuracy", percent(score.all.accuracy, 2), f"{counted(score.all.n, 'image')}, {note}"),
        (
            "Without the leaks",
            percent(score.without.accuracy, 2),
            f"{points(-score.difference, 2)} · 95 %: {interval[0]} to {interval[1]}",
        ),
        (
            "On the leaks alone",
            percent(score.leaked.accuracy, 1),
            f"{counted(score.leaked.n, 'image')} seen before",
        ),
    )
    for column, (name, value, below) in zip(st.columns(3), cards, strict=True):
        column.metric(name, value, below, delta_color="off", delta_arrow="off", border=True, height="stretch")


def _issue_card(dataset: Dataset, state: LabelState, issue: ImageIssue) -> int | None:
    kind = issue.rule.kind
    with st.container(border=True, height="stretch", key=f"card_{kind}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{issue.rule.title}**", width="content")
            _show_all(kind, len(issue), "image")
        st.caption(f"The first: {issue.why(0)}.")
        return _tiles(dataset, state, issue, IN_CARD, f"card_{kind}_tiles", selectable=False).clicked


def _show_all(kind: str, n: int, noun: str) -> None:
    if st.button(
        f"Show {counted(n, noun)}" if n > 1 else "Show it",
        key=f"show_{kind}",
        type="tertiary",
        icon=":material/arrow_forward:",
    ):
        st.query_params[ADDRESS] = kind
        st.rerun()


def _tiles(
    dataset: Dataset, state: LabelState, issue: ImageIssue, most: int, key: str, *, selectable: bool
) -> gallery.GalleryResult:
    badge = BADGES.get(issue.rule.kind, "{:.0f}")
    return gallery.show(
        dataset,
        issue.positions[:most].tolist(),
        captions=[_label(dataset, state, k) for k in issue.positions[:most].tolist()],
        badges=[badge.format(value) for value in issue.values[:most]],
        key=key,
        selectable=selectable,
        tile=84 if selectable else TILE,
        label=f"{issue.rule.title} images",
    )


def _label(dataset: Dataset, state: LabelState, position: int) -> str:
    """The label of an item in words."""
    label = state.labels[position]
    if np.ndim(label) == 0:
        return dataset.classes[int(label)] if label >= 0 else "unlabelled"
    return ", ".join(dataset.classes[k] for k in np.flatnonzero(label == 1)) or "none"


def in_full(
    workspace: Workspace, dataset: Dataset, state: LabelState, found: Survey, kind: str
) -> int | None:
    """One kind with all its images and what can be done about them; returns the one opened just now."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("All issues", icon=":material/arrow_back:", key="all_issues"):
            del st.query_params[ADDRESS]
            st.rerun()
    if kind == COPIES:
        return _all_copies(workspace, dataset, state, found)
    issue = found.issue(kind)
    if issue is None or not len(issue):
        st.success("Nothing is left of this kind.", icon=":material/task_alt:")
        return None
    return _all_of(workspace, dataset, state, issue)


def _all_of(workspace: Workspace, dataset: Dataset, state: LabelState, issue: ImageIssue) -> int | None:
    kind = issue.rule.kind
    st.subheader(f"{issue.rule.title} · {counted(len(issue), 'image')}", anchor=False)
    st.caption(f"The worst first. The first: {issue.why(0)}. Select some, or deal with all.")
    actions = st.container(horizontal=True, vertical_alignment="center")
    done = _tiles(dataset, state, issue, IN_FULL, f"full_{kind}_{state.version}", selectable=True)
    if len(issue) > IN_FULL:
        st.caption(f"The worst {IN_FULL} of {len(issue):,}.")
    chosen = done.selected or issue.positions.tolist()
    row_of = {int(position): row for row, position in enumerate(issue.positions)}
    with actions:
        what = "selected" if done.selected else "all"
        _relabel_button(dataset, chosen, f"Relabel {what} {count(len(chosen))}")
        reasons = {k: f"{issue.rule.title}: {issue.why(row_of[k])}" for k in chosen}
        _leave_out_button(workspace, dataset, reasons, kind, f"Leave out {what} {count(len(chosen))}")
    return done.clicked


def _all_copies(workspace: Workspace, dataset: Dataset, state: LabelState, found: Survey) -> int | None:
    st.subheader("Copies and leaks", anchor=False)
    st.markdown(_copies_in_words(found))
    _score_of_a_run(workspace, dataset, found)
    totals = {name: sum(map(wanted, found.copies.groups)) for name, wanted in SHOWN.items()}
    names = [name for name, n in totals.items() if n or name == "All"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.segmented_control(
            "Groups",
            names,
            format_func=lambda one: f"{one} · {totals[one]:,}",
            default="All",
            required=True,
            key="copies_shown",
        )
    groups = [group for group in found.copies.groups if SHOWN[str(name)](group)]
    if not groups:
        st.success("No image occurs twice any more.", icon=":material/task_alt:")
        return None
    left = to_leave_out(dataset, groups)
    with st.container(horizontal=True, vertical_alignment="center"):
        _relabel_button(
            dataset, [k for group in groups for k in group.positions], "Relabel these, copies together"
        )
        if len(left):
            title = f"Leave out {counted(len(left), 'spare copy', 'spare copies')}"
            _leave_out_button(workspace, dataset, exclusions(dataset, groups, left), COPIES, title)
            st.caption("One of each group stays, and every test image. Contradicting ones are left to you.")
    number = (
        st.pagination(-(-len(groups) // GROUPS), key=f"copies_page_{name}") if len(groups) > GROUPS else 1
    )
    shown = groups[(number - 1) * GROUPS : number * GROUPS]
    return _side_by_side(dataset, state, shown, f"copies_{name}_{number}_{state.version}")


def _side_by_side(dataset: Dataset, state: LabelState, groups: Sequence[Group], key: str) -> int | None:
    """Groups beside each other, each in a frame of its own with its splits and labels."""
    opened = None
    with st.container(horizontal=True, gap="small"):
        for number, group in enumerate(groups):
            shown = group.positions[:8]
            width = 46 + min(4, len(shown)) * 70
            with st.container(border=True, width=width, gap="small"):
                labels = [_label(dataset, state, k) for k in shown]
                splits = [SPLITS[dataset.split[k]] for k in shown]
                alike = len(set(labels)) == 1
                st.markdown(_group_in_words(group, labels[0] if alike else ""))
                done = gallery.show(
                    dataset,
                    shown,
                    captions=splits if alike else labels,
                    badges=None if alike else splits,
                    key=f"{key}_{number}_{group.positions[0]}",
                    tile=64,
                    label=f"Group {number + 1} of copies",
                )
                if len(group) > len(shown):
                    st.caption(f"and {len(group) - len(shown):,} more")
                opened = done.clicked if opened is None else opened
    return opened


def _group_in_words(group: Group, label: str) -> str:
    """What is wrong with a group, and the label that its members share."""
    marks = [(group.conflict, ":red-badge[labels differ]"), (group.leak, ":orange-badge[leak]")]
    badges = [badge for holds, badge in marks if holds]
    badges = badges or [f":gray-badge[{'same' if group.exact else 'near'}]"]
    return " ".join([*badges, plain(label)])


def _relabel_button(dataset: Dataset, positions: Sequence[int], title: str) -> None:
    if dataset.task is Task.SINGLE_LABEL and st.button(
        title, type="primary", icon=":material/fact_check:", key="issues_relabel"
    ):
        ids = tuple(str(dataset.item_ids[k]) for k in positions)
        handover.to_relabel(QueueRequest(kind=SELECTION, item_ids=ids))


def _leave_out_button(
    workspace: Workspace, dataset: Dataset, reasons: dict[int, str], kind: str, title: str
) -> None:
    """Leaves images out of training after a second click; the edits can be taken back."""
    with st.popover(title, icon=":material/block:"):
        n = counted(len(reasons), "image")
        n_test = int((dataset.split[list(reasons)] == SPLITS.index("test")).sum())
        tested = (
            f" {counted(n_test, 'of them is a test image', 'of them are test images')}." if n_test else ""
        )
        st.markdown(
            f"{n} will be left out of training from now on, and of scores on the corrected labels.{tested}"
            " This can be taken back."
        )
        if st.button(f"Leave out {n}", key="issues_leave_out", type="primary"):
            numbers = issues_view.leave_out(workspace, dataset, reasons, controls.name(), kind)
            st.session_state[_TAKE_BACK] = (dataset.cache_key, numbers)
            st.rerun()


def undo_row(workspace: Workspace, dataset: Dataset) -> None:
    """After images were left out: says so, and takes it back."""
    of, numbers = st.session_state.get(_TAKE_BACK, (None, []))
    if of != dataset.cache_key:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="left_out"):
        st.success(f"{counted(len(numbers), 'image')} left out of training.", icon=":material/block:")
        if st.button("Take them back in", icon=":material/undo:", key="issues_undo"):
            issues_view.take_back(workspace, dataset, numbers, controls.name())
            del st.session_state[_TAKE_BACK]
            st.rerun()


def kind_in_address(found: Survey) -> str | None:
    """The kind that is to be shown in full; None for all. A name that means nothing is taken out."""
    kind = st.query_params.get(ADDRESS)
    if kind is None or kind == COPIES or found.issue(kind) is not None:
        return kind
    st.toast(f"There is no kind of issue {plain(kind)}.", icon=":material/info:")
    del st.query_params[ADDRESS]
    return None


def open_clicked(dataset: Dataset, position: int | None) -> None:
    """Open one image's story, where one was clicked."""
    if position is not None:
        open_item(dataset, position)
