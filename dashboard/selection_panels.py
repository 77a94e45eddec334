"""What is selected on a map: how many of which class, the images, their confusions, and what can be done."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data import tags
from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import confusion, embeddings_actions, embeddings_state, gallery, handover, issues_view
from dashboard.embeddings_view import View
from dashboard.errors import shown_as_message
from dashboard.review import controls
from dashboard.wording import count, counted, percent, plain

PAGE = 120
BARS = 6
Positions = NDArray[np.int64]
_DONE = "embeddings_done"


def summary(
    workspace: Workspace, dataset: Dataset, view: View, judge: Run | None, selected: Positions
) -> None:
    """How many are selected, of which classes, and the actions."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Selection", anchor=False, width="content")
        if st.button("Clear", icon=":material/close:", type="tertiary", key="clear_selection"):
            embeddings_state.clear(dataset)
            st.rerun()
    st.caption(_what_is_chosen(dataset))
    st.metric("Images", count(len(selected)), label_visibility="collapsed")
    if not len(selected):
        st.caption("No image is in there. Draw another outline, or clear the selection.")
        return
    _bars(view, selected)
    actions(workspace, dataset, judge, selected)


def _what_is_chosen(dataset: Dataset) -> str:
    cell, searched = embeddings_state.cell_in_address(dataset), embeddings_state.found(dataset)
    parts = []
    if cell is not None:
        given, predicted = (plain(dataset.classes[k]) for k in cell)
        parts.append(
            f"**{given}** recognised" if given == predicted else f"**{given}** taken for **{predicted}**"
        )
    if searched is not None:
        parts.append(plain(searched.title))
    return ", ".join(parts) or "Drawn on the map"


def _bars(view: View, selected: Positions) -> None:
    labels = view.labels[view.rows_of(selected)]
    counts = np.bincount(labels[labels >= 0], minlength=len(view.names))
    order = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
    for k in order[:BARS]:
        share = counts[k] / len(selected)
        st.progress(float(share), f"{plain(view.names[k])} · {counts[k]:,}")
    if len(order) > BARS:
        st.caption(f"and {counted(len(order) - BARS, 'other class', 'other classes')}")
    if (labels == UNLABELLED).any():
        st.caption(f"{counted(int((labels == UNLABELLED).sum()), 'image')} unlabelled")


def actions(workspace: Workspace, dataset: Dataset, judge: Run | None, selected: Positions) -> None:
    """Review, relabel, tag, leave out."""
    if dataset.task is Task.SINGLE_LABEL:
        if st.button(
            "Review these", type="primary", icon=":material/fact_check:", width="stretch", key="review"
        ):
            ids = tuple(str(dataset.item_ids[k]) for k in selected)
            handover.to_relabel(QueueRequest(SELECTION, run=judge.id if judge else None, item_ids=ids))
        _relabel(workspace, dataset, judge, selected)
    _tag(workspace, dataset, selected)
    _leave_out(workspace, dataset, selected)


def _relabel(workspace: Workspace, dataset: Dataset, judge: Run | None, selected: Positions) -> None:
    n = counted(len(selected), "image")
    with st.popover("Relabel as …", icon=":material/label:", width="stretch"):
        label = str(st.selectbox("Label", dataset.classes, key="relabel_as"))
        why = st.text_input(
            "Why", key="relabel_why", max_chars=200, placeholder="For the history of the labels"
        )
        st.caption(f"{n}{_tests(dataset, selected)} This is one step in the history and can be undone.")
        if st.button(f"Relabel {n} as {plain(label)}", type="primary", key="relabel_all"):
            numbers = embeddings_actions.relabel(
                workspace, dataset, selected, label, who=controls.name(), why=why, run=judge
            )
            _done(dataset, numbers, f"{counted(len(numbers), 'image')} relabelled as {label}.")


def _tests(dataset: Dataset, selected: Positions) -> str:
    n = int((np.asarray(dataset.split)[selected] == SPLITS.index("test")).sum())
    if not n:
        return "."
    return f", {count(n)} of them for testing: corrections of those count after a blind second look."


def _tag(workspace: Workspace, dataset: Dataset, selected: Positions) -> None:
    n = counted(len(selected), "image")
    with st.popover("Tag", icon=":material/sell:", width="stretch"), shown_as_message():
        known = tags.tags_of(workspace, dataset)
        name = st.selectbox(
            "Tag",
            [*known],
            index=None,
            key="tag_name",
            accept_new_options=True,
            placeholder="Choose a tag, or type a new one",
        )
        st.caption("Tags change no label. Colour the map by them to find the images again.")
        if st.button(f"Tag {n}", type="primary", key="tag_all", disabled=not name):
            ids = [str(dataset.item_ids[k]) for k in selected]
            added = tags.add_tag(workspace, dataset, str(name), ids)
            _done(dataset, [], f"{counted(added, 'image')} tagged {name}.")
        if name in known and st.button("Remove this tag from all images", type="tertiary", key="untag"):
            tags.remove_tag(workspace, dataset, name)
            _done(dataset, [], f"Tag {name} removed.")


def _leave_out(workspace: Workspace, dataset: Dataset, selected: Positions) -> None:
    n = counted(len(selected), "image")
    with st.popover("Leave out", icon=":material/block:", width="stretch"):
        st.markdown(f"{n} will be left out of training and of scores from now on. This can be taken back.")
        if st.button(f"Leave out {n}", type="primary", key="leave_out_all"):
            reasons = dict.fromkeys(selected.tolist(), "selected on the map")
            numbers = issues_view.leave_out(workspace, dataset, reasons, controls.name(), "map")
            _done(dataset, numbers, f"{n} left out of training.")


def _done(dataset: Dataset, numbers: list[int], text: str) -> None:
    st.session_state[_DONE] = (dataset.cache_key, numbers, text)
    st.rerun()


def undo_row(workspace: Workspace, dataset: Dataset) -> None:
    """After a bulk edit: says what was done, and takes it back."""
    place = st.empty()  # always there: what stands below keeps its place in the page, and so the map its zoom
    of, numbers, text = st.session_state.get(_DONE, (None, [], ""))
    if of != dataset.cache_key:
        return
    with place.container(horizontal=True, vertical_alignment="center", key="bulk_done"):
        st.success(plain(text), icon=":material/check_circle:")
        if numbers and st.button("Undo", icon=":material/undo:", key="bulk_undo"):
            issues_view.take_back(workspace, dataset, numbers, controls.name())
            del st.session_state[_DONE]
            st.rerun()


def images(dataset: Dataset, view: View, selected: Positions) -> int | None:
    """The selected images; the position that was opened just now, or None."""
    st.subheader(f"Images · {count(len(selected))}", anchor=False)
    n_pages = -(-len(selected) // PAGE)
    page = st.pagination(n_pages, key=f"selected_page_{n_pages}") if n_pages > 1 else 1
    shown = selected[(page - 1) * PAGE : page * PAGE]
    rows = view.rows_of(shown)
    shown = view.map.positions[rows]
    captions = [_words(view, row) for row in rows.tolist()]
    badges = [percent(float(value), 0) if value == value else "" for value in view.confidence[rows]]
    with st.container(height=430, border=False):
        done = gallery.show(
            dataset,
            shown.tolist(),
            captions=captions,
            badges=badges if view.has_guess else None,
            key="selected_images",
            tile=76,
            label="Selected images",
        )
    return done.clicked


def _words(view: View, row: int) -> str:
    label, guess = int(view.labels[row]), int(view.guess[row])
    given = view.names[label] if label >= 0 else "unlabelled"
    return given if guess in (UNLABELLED, label) else f"{given} → {view.names[guess]}"


def matrix(dataset: Dataset, view: View, judge: Run, outlined: Positions | None) -> None:
    """The confusions among the outlined points, or all; a chosen cell lights its points on the map."""
    rows = np.arange(len(view.map)) if outlined is None else view.rows_of(outlined)
    where = "the selection" if outlined is not None else "the whole map"
    st.subheader("Confusions", anchor=False)
    st.caption(
        f"Label against the guess of {plain(judge.name)}, in {where}. Choose a cell to see it on the map."
    )
    confusion.show(
        view.confusion(rows),
        view.names,
        key=embeddings_state.matrix_key(),
        chosen=embeddings_state.cell_in_address(dataset),
    )
