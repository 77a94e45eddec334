"""The panels of the History page: the journal, edits taken back, versions named and compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from core.data.dataset import Dataset
from core.errors import TidysetError
from core.json_text import json_text
from core.labels.apply import of_filter, revert_edits
from core.labels.compare import compare_versions
from core.labels.journal import Edit, EditFilter, LabelJournal, NamedVersion, live
from core.labels.patch import export_patch, patch_rows
from core.labels.versions import labels_at
from core.quality.queue import SELECTION, QueueRequest
from core.workspace import Workspace
from dashboard import gallery, handover, links
from dashboard.history_filters import KIND_WORDS, Wanted, filters
from dashboard.open_item import open_item
from dashboard.wording import count, counted, plain

NEWEST, MOST_TILES = 1_000, 60
NO_LABEL = "no label"


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
    """The newest edits, filtered; those that are selected, or all that are shown, can be taken back."""
    in_force = {edit.number for edit in live(edits)}
    wanted = filters(edits)
    shown = [edit for edit in reversed(edits) if wanted.lets_through(edit)]
    picked = st.dataframe(
        [_row(edit, edit.number in in_force) for edit in shown[:NEWEST]],
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_COLUMNS,
        key=f"journal_{len(edits)}_{wanted.name}",
        height="content" if len(shown) <= 12 else 460,
    )
    chosen = [shown[row] for row in picked.selection.rows if row < len(shown)]
    with st.container(horizontal=True, vertical_alignment="center", key="journal_actions"):
        if chosen:
            _actions(workspace, dataset, chosen, in_force, who_am_i)
        else:
            more = f", the newest {NEWEST:,} of them listed" if len(shown) > NEWEST else ""
            hint = "" if wanted.is_narrow else " Select some to take them back or to look at their images."
            standing = sum(edit.number in in_force for edit in shown)
            of_them = f", {standing:,} of them in force" if standing < len(shown) else ""
            st.caption(f"{counted(len(shown), 'edit')}{of_them}{more}.{hint}", width="content")
            if wanted.is_narrow:
                _take_all_back(workspace, dataset, wanted, edits, who_am_i)
        _download(workspace, dataset)
    if chosen:
        _pictures(dataset, chosen)


_COLUMNS = {
    "No.": st.column_config.NumberColumn(width=60),
    "When": st.column_config.DatetimeColumn(format="distance", width=110),
    "Who": st.column_config.TextColumn(width=90),
    "In force": st.column_config.CheckboxColumn(
        width=70, help="Not taken back since. Only edits in force make up the labels."
    ),
}


def _row(edit: Edit, is_in_force: bool) -> dict[str, object]:
    change = f"{edit.old or NO_LABEL} → {edit.new or NO_LABEL}" if edit.old != edit.new else edit.new or ""
    return {
        "No.": edit.number,
        "When": datetime.fromtimestamp(edit.at, UTC),
        "Who": edit.who,
        "Image": edit.item_id,
        "What": f"took back no. {edit.undoes}" if edit.undoes else KIND_WORDS[edit.kind],
        "Label": f"{edit.class_name}: {change}" if edit.class_name else change,
        "In force": is_in_force,
        "Why": edit.why,
    }


def _take_all_back(
    workspace: Workspace, dataset: Dataset, wanted: Wanted, edits: Sequence[Edit], who: str
) -> None:
    """Take back all that the filters let through, after a second press."""
    n = len(wanted.targets(edits)[0])
    with st.popover(f"Take back all {n:,}", icon=":material/undo:", disabled=not n):
        st.markdown(
            f"{counted(n, 'edit')} will be taken back. Nothing is lost: that is an edit too, and can itself "
            "be taken back."
        )
        if st.button(f"Take back {counted(n, 'edit')}", type="primary", key="take_all_back"):
            _said(len(revert_edits(workspace, dataset, wanted.targets, who=who).edits))


def _actions(
    workspace: Workspace, dataset: Dataset, chosen: Sequence[Edit], in_force: set[int], who: str
) -> None:
    standing = {edit.number for edit in chosen} & in_force
    words = f"Take back {counted(len(standing), 'edit')}"
    if st.button(words, icon=":material/undo:", disabled=not standing):
        _revert(workspace, dataset, standing, who)
    sessions = {edit.session for edit in chosen}
    if len(sessions) == 1 and st.button(
        "Take back the whole visit",
        icon=":material/history:",
        help="All that was edited in the same visit of this page, or by the same command.",
    ):
        done = revert_edits(workspace, dataset, of_filter(EditFilter(session=sessions.pop())), who=who)
        _said(len(done.edits))
    items = _items(dataset, chosen)
    if items and st.button("Relabel these images", icon=":material/fact_check:"):
        handover.to_relabel(QueueRequest(SELECTION, item_ids=items))


def _pictures(dataset: Dataset, chosen: Sequence[Edit]) -> None:
    items = _items(dataset, chosen)
    if items:
        result = gallery.show(
            dataset,
            dataset.positions(items[:MOST_TILES]).tolist(),
            key="journal_images",
            label="Edited images",
        )
        if result.clicked is not None:
            open_item(dataset, result.clicked)


def _items(dataset: Dataset, chosen: Sequence[Edit]) -> tuple[str, ...]:
    """The images of some edits that are still in the data set."""
    item_ids = list(dict.fromkeys(edit.item_id for edit in chosen))
    there = dataset.find(item_ids) >= 0
    return tuple(item_id for item_id, is_there in zip(item_ids, there, strict=True) if is_there)


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
    text = "".join(json_text(row) + "\\n" for row in patch_rows(patch))
    st.download_button(
        f"Patch of {counted(len(patch.lines), 'change')}",
        text,
        f"{dataset.name}.patch.jsonl",
        "application/jsonl",
        icon=":material/download:",
        help="What the edits in force come to, each label once, to be applied to another copy of these "
        "images: uv run tidyset labels apply.",
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
