"""Labels from a file, a table of corrections or another tool's export: seen first, then taken in."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.data.dataset import Dataset
from core.labels.foreign import Imported, Prepared, prepare, take_in
from core.labels.journal import EditKind, NewEdit
from core.workspace import Workspace
from dashboard import gallery, memo
from dashboard.errors import shown_as_message
from dashboard.open_item import open_item
from dashboard.wording import counted, plain

TYPES = ("csv", "tsv", "parquet", "json", "xml")
MOST_MB, MOST_TILES, MOST_NAMES, MOST_CHARACTERS = 200, 24, 5, 60
_TIMES, _PREPARED = "labels_brought_in", "labels_to_bring_in"


def draw(workspace: Workspace, dataset: Dataset, who: str) -> None:
    """Choose a file, see what it would change, take it in."""
    with st.container(border=True, key="bring_in"):
        st.subheader("Labels from a file", anchor=False)
        st.caption(
            "A table (CSV, TSV, Parquet) with columns item_id and label, Label Studio or COCO JSON, or CVAT "
            "for images 1.1. What it would change is shown first."
        )
        file = st.file_uploader(
            "Labels from a file",
            type=TYPES,
            key=f"bring_in_{st.session_state.get(_TIMES, 0)}",
            max_upload_size=MOST_MB,
            label_visibility="collapsed",
        )
        if file is None:
            return
        with shown_as_message():
            _offer(workspace, dataset, file, who)


def _offer(workspace: Workspace, dataset: Dataset, file: UploadedFile, who: str) -> None:
    prepared = _prepared(dataset, file)
    would = take_in(workspace, dataset, prepared, who=who, dry_run=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        words = f"Make {counted(len(would.new), 'edit')}"
        pressed = st.button(words, type="primary", icon=":material/upload_file:", disabled=not would.new)
        st.caption(_in_words(would), width="content")
    if shown := would.changes[:MOST_TILES]:
        positions = dataset.positions([edit.item_id for edit in shown]).tolist()
        labels = memo.labels(workspace, dataset).labels[positions]
        captions = [_change(dataset, label, edit) for label, edit in zip(labels, shown, strict=True)]
        if len(would.changes) > len(shown):
            st.caption(f"The first {len(shown)} of {len(would.changes):,} changes:")
        seen = gallery.show(
            dataset, positions, captions=captions, key="bring_in_images", label="What changes"
        )
        if seen.clicked is not None:
            open_item(dataset, seen.clicked)
    if pressed:
        done = take_in(workspace, dataset, prepared, who=who)
        st.session_state[_TIMES] = st.session_state.get(_TIMES, 0) + 1  # another uploader, with nothing in it
        st.session_state.pop(_PREPARED, None)
        st.toast(f"{counted(len(done.edits), 'edit')} made; History can take them back.")
        st.rerun()


def _prepared(dataset: Dataset, file: UploadedFile) -> Prepared:
    """The file read and matched; once, however often the page is run."""
    key = (file.file_id, dataset.cache_key)
    kept = st.session_state.get(_PREPARED)
    if kept is None or kept[0] != key:
        kept = st.session_state[_PREPARED] = key, prepare(dataset, file.getvalue(), file.name)
    return kept[1]


def _in_words(would: Imported) -> str:
    parts = [f"{counted(would.n_answers, 'label')} in the file", counted(len(would.changes), "change")]
    if n_confirmed := len(would.new) - len(would.changes):
        parts.append(counted(n_confirmed, "confirmation"))
    if would.n_same:
        parts.append(f"{would.n_same:,} so already")
    if would.conflicts:
        parts.append(f"{len(would.conflicts):,} edited here since the export: left alone")
    if would.unmatched:
        names = ", ".join(plain(name[:MOST_CHARACTERS]) for name in would.unmatched[:MOST_NAMES])
        more = " and others" if len(would.unmatched) > MOST_NAMES else ""
        parts.append(f"{len(would.unmatched):,} of images that are not here: {names}{more}")
    if would.ambiguous:
        names = ", ".join(plain(name[:MOST_CHARACTERS]) for name, _ in would.ambiguous[:MOST_NAMES])
        more = " and others" if len(would.ambiguous) > MOST_NAMES else ""
        parts.append(f"{len(would.ambiguous):,} could be several images (give paths or ids): {names}{more}")
    return " · ".join(parts)


def _change(dataset: Dataset, label: Any, edit: NewEdit) -> str:
    """What an edit does to an image with this label (a row of LabelState.labels), in a few words."""
    if edit.kind is EditKind.EXCLUDE:
        return "left out"
    if edit.class_name is not None:
        return f"{edit.class_name}: {edit.new}"
    return f"{dataset.classes[label] if label >= 0 else 'unlabelled'} → {edit.new}"
