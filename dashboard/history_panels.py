"""The panels of the History page: the journal, edits taken back, versions named and compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from core.data.dataset import Dataset
from core.errors import TidysetError
from core.labels.apply import of_filter, revert_edits
from core.labels.compare import compare_versions
from core.labels.journal import Edit, EditFilter, EditKind, LabelJournal, NamedVersion, live
from core.labels.patch import export_patch, patch_rows
from core.labels.versions import labels_at
from core.quality.queue import SELECTION, QueueRequest
from core.workspace import Workspace
from dashboard import gallery, handover, links
from dashboard.open_item import open_item
from dashboard.wording import count, counted, plain

NEWEST, MOST_TILES = 1_000, 60
ANYBODY, ANYTHING, NO_LABEL = "Anybody", "Anything", "no label"
KIND_WORDS = {
    EditKind.LABEL: "relabelled",
    EditKind.CONFIRM: "confirmed",
    EditKind.EXCLUDE: "left out",
    EditKind.INCLUDE: "taken in again",
    EditKind.LOOK: "looked at blindly",
    EditKind.SETTLE: "settled",
    EditKind.UNDO: "taken back",
}


def nothing_yet() -> None:
    """What to do where nothing was edited."""
    with st.container(border=True, key="no_edits"):
        st.markdown("**No label was edited yet.** Every edit will be listed here, and can be taken back.")
        if st.button("Look at labels", type="primary", icon=":material/fact_check:"):
            st.switch_page(links.RELABEL)


def edits_of(workspace: Workspace, dataset: Dataset) -> list[Edit]:
    """All edits of the data set, oldest first."""
    return LabelJournal(workspace).edits(dataset.name)


def journal(workspace: Workspace, dataset: Dataset, edits: Sequence[Edit], who_am_i: str) -> None:
    """The newest edits, filtered; those that are selected can be taken back, or seen."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        who = st.selectbox("Who", [ANYBODY, *sorted({edit.who for edit in edits})], width=180)
        kinds = [kind for kind in KIND_WORDS if any(edit.kind is kind for edit in edits)]
        what = st.selectbox("What", [ANYTHING, *(KIND_WORDS[kind] for kind in kinds)], width=180)
        _download(workspace, dataset)
    in_force = {edit.number for edit in live(edits)}
    shown = [
        edit
        for edit in reversed(edits)
        if who in (ANYBODY, edit.who) and what in (ANYTHING, KIND_WORDS[edit.kind])
    ][:NEWEST]
    picked = st.dataframe(
        [_row(edit, edit.number in in_force) for edit in shown],
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={"When": st.column_config.DatetimeColumn(format="distance")},
        key=f"journal_{len(edits)}",
        height=min(36 * (len(shown) + 1) + 2, 460),
    )
    chosen = [shown[row] for row in picked.selection.rows if row < len(shown)]
    if not chosen:
        st.caption(
            f"{counted(len(shown), 'edit')} shown. Select some to take them back or to look at their images."
        )
        return
    _actions(workspace, dataset, chosen, in_force, who_am_i)


def _row(edit: Edit, is_in_force: bool) -> dict[str, object]:
    change = f"{edit.old or NO_LABEL} → {edit.new or NO_LABEL}" if edit.old != edit.new else edit.new or ""
    return {
        "No.": edit.number,
        "When": datetime.fromtimestamp(edit.at, UTC),
        "Who": edit.who,
        "Image": edit.item_id,
        "What": KIND_WORDS[edit.kind],
        "Label": f"{edit.class_name}: {change}" if edit.class_name else change,
        "In force": is_in_force,
        "Why": edit.why,
    }


def _actions(
    workspace: Workspace, dataset: Dataset, chosen: Sequence[Edit], in_force: set[int], who: str
) -> None:
    there = set(dataset.item_ids.tolist())
    items = tuple(dict.fromkeys(edit.item_id for edit in chosen if edit.item_id in there))
    with st.container(horizontal=True, vertical_alignment="center", key="journal_actions"):
        standing = {edit.number for edit in chosen} & in_force
        if st.button(
            f"Take back {counted(len(standing), 'edit')}", icon=":material/undo:", disabled=not standing
        ):
            _revert(workspace, dataset, standing, who)
        sessions = {edit.session for edit in chosen}
        if len(sessions) == 1 and st.button(
            "Take back the whole session",
            icon=":material/history:",
            help="All that the same visit or command edited.",
        ):
            done = revert_edits(workspace, dataset, of_filter(EditFilter(session=sessions.pop())), who=who)
            _said(len(done.edits))
        if items and st.button("Relabel these images", icon=":material/fact_check:"):
            handover.to_relabel(QueueRequest(SELECTION, item_ids=items))
    if items:
        result = gallery.show(
            dataset,
            dataset.positions(items[:MOST_TILES]).tolist(),
            key="journal_images",
            label="Edited images",
        )
        if result.clicked is not None:
            open_item(dataset, result.clicked)


def _revert(workspace: Workspace, dataset: Dataset, numbers: set[int], who: str) -> None:
    done = revert_edits(
        workspace, dataset, lambda edits: ([one for one in live(edits) if one.number in numbers], []), who=who
    )
    _said(len(done.edits))


def _said(n: int) -> None:
    st.toast(f"{counted(n, 'edit')} taken back; that can be taken back too.")
    st.rerun()


def _download(workspace: Workspace, dataset: Dataset) -> None:
    patch = export_patch(workspace, dataset)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\\n" for row in patch_rows(patch))
    st.download_button(
        f"Patch of {counted(len(patch.lines), 'edit')}",
        text,
        f"{dataset.name}.patch.jsonl",
        "application/jsonl",
        icon=":material/download:",
        help="What is in force, to be applied to another copy of these images: tidyset labels apply.",
    )


def versions(workspace: Workspace, dataset: Dataset, newest: int, who: str) -> None:
    """Name the newest version, and hold two versions against each other."""
    named = LabelJournal(workspace).named_versions(dataset.name)
    with st.container(border=True, key="versions"):
        st.subheader("Versions", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name for the labels as they are now", key="version_name", width=260)
            if st.button("Name it", icon=":material/bookmark_add:", disabled=not name.strip()):
                try:
                    LabelJournal(workspace).name_version(dataset.name, name.strip(), newest, who)
                except TidysetError as error:
                    st.error(plain(str(error)), icon=":material/error:")
                else:
                    st.rerun()
        _compared(workspace, dataset, named, newest)


def _compared(workspace: Workspace, dataset: Dataset, named: Sequence[NamedVersion], newest: int) -> None:
    words = {0: "As given", newest: f"Newest ({newest})"}
    words |= {one.version: f"{one.name} ({one.version})" for one in named}
    choices = sorted(words)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        before = st.selectbox(
            "From", choices, 0, format_func=words.__getitem__, key="version_from", width=220
        )
        after = st.selectbox(
            "To", choices, len(choices) - 1, format_func=words.__getitem__, key="version_to", width=220
        )
    found = compare_versions(
        dataset, labels_at(workspace, dataset, before), labels_at(workspace, dataset, after)
    )
    left_out = counted(len(found.left_out), "image")
    st.markdown(
        f"**{counted(len(found.changed), 'label')} changed**, {left_out} left out, "
        f"{count(len(found.taken_in))} taken in again, {count(len(found.confirmed))} confirmed."
    )
    if found.pairs:
        st.dataframe(
            [
                {"Class": name or "", "From": old or NO_LABEL, "To": new or NO_LABEL, "Images": n}
                for (name, old, new), n in found.pairs[:50]
            ],
            hide_index=True,
            key="version_pairs",
            column_order=["From", "To", "Images"] if found.pairs[0][0][0] is None else None,
        )
