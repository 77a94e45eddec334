"""The panels on captions that disagree with the labels or the picture: look for them, and go through them."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Dataset
from core.embeddings.clip_models import list_models
from core.labels.versions import current_version
from core.quality import mismatch
from core.quality.mismatch import BY_LABELS, BY_PICTURE, Mismatches
from core.quality.queue import SELECTION, QueueRequest
from core.runs import launch
from core.runs.recipe import Recipe
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard import gallery, handover, job_monitor
from dashboard.wording import counted, plain

AGAINST = {BY_LABELS: "The labels", BY_PICTURE: "The picture (CLIP)"}
SHOWN, REASONS, QUEUED = 40, 12, 500


def draw(workspace: Workspace, dataset: Dataset) -> int | None:
    """All of it; the position of the image that was opened just now, or None."""
    by = _start(workspace, dataset)
    runs = [
        run
        for run in list_runs(workspace, dataset=dataset.name, kind=mismatch.KIND)
        if run.fingerprint == dataset.fingerprint and run.job["by"] == by
    ]
    job_monitor.follow(runs)
    done = next((run for run in runs if status(run).state is RunState.FINISHED), None)
    return _found(dataset, done) if done is not None else None


def _start(workspace: Workspace, dataset: Dataset) -> str:
    with st.container(border=True):
        st.markdown("**Does the caption say what the labels say, and what the picture shows?**")
        st.caption(
            "Against the labels: the words of each caption are judged by a model of all other captions. "
            "Against the picture: how alike CLIP finds both."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            by = str(st.selectbox("Set against", list(AGAINST), format_func=AGAINST.__getitem__, width=220))
            models = list_models(workspace)
            chosen = None
            if by == BY_PICTURE:
                names = [model.key for model in models]
                chosen = models[
                    int(st.selectbox("CLIP model", range(len(names)), format_func=names.__getitem__) or 0)
                ]
            if st.button("Look for mismatches", type="primary", icon=":material/search:"):
                run = mismatch.create_mismatch(
                    workspace,
                    dataset,
                    Recipe(),
                    by=by,
                    model=chosen.to_json() if chosen is not None else None,
                    label_version=current_version(workspace, dataset.name),
                )
                launch.start(run)
                st.rerun()
    return by


def _found(dataset: Dataset, run: Run) -> int | None:
    found = mismatch.load_mismatches(run)
    if not len(found):
        st.success("There is no caption to look at.", icon=":material/check:")
        return None
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("The worst first", anchor=False)
            if st.button("Review in this order", icon=":material/fact_check:", key="review_mismatches"):
                ids = tuple(str(dataset.item_ids[at]) for at in found.positions[:QUEUED])
                handover.to_relabel(QueueRequest(kind=SELECTION, item_ids=ids))
        st.caption(f"Of {counted(len(found), 'image')} with a caption; the badge is {_badge_words(found)}.")
        shown = found.positions[:SHOWN].tolist()
        badges = [_badge(dataset, found, row) for row in range(len(shown))]
        opened = gallery.show(
            dataset, shown, badges=badges, key=f"mismatches_{run.id}", tile=96, label="Mismatches"
        ).clicked
        rows = [
            {"Caption": row["caption"], "Labels": ", ".join(row["labels"]), "Why": plain(row["reason"])}
            for row in mismatch.as_rows(dataset, found, REASONS)
        ]
        st.dataframe(rows, hide_index=True, key="mismatch_table")
    return opened


def _badge(dataset: Dataset, found: Mismatches, row: int) -> str:
    if found.by == BY_PICTURE:
        return f"{100 * found.said[row]:.0f}"
    name: str = dataset.classes[int(found.label[row])]
    return name if found.given[row] == 1 else f"+ {name}"


def _badge_words(found: Mismatches) -> str:
    if found.by == BY_PICTURE:
        return "how alike caption and picture are, in hundredths"
    return "the label in question, with + where it seems to be missing"
