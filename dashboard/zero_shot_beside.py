"""The panels of the Zero-shot page that set CLIP beside a trained run, and those that search images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.data.dataset import Dataset
from core.data.tags import LONGEST, add_tag
from core.embeddings.clip_models import ClipModel
from core.embeddings.prompts import PromptSet
from core.embeddings.resident import resident
from core.embeddings.text_search import given_words, nearest
from core.errors import NotFound
from core.quality.witnesses import Witnesses
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import confusion, gallery, links, zero_shot_view
from dashboard.errors import shown_as_message
from dashboard.open_item import open_item
from dashboard.wording import count, counted, figures_in, percent, plain
from dashboard.zero_shot_panels import MAX_IMAGES, images, names, relabel_button
from dashboard.zero_shot_view import Answers

ANY = "Any label"


def beside(dataset: Dataset, runs: Sequence[Run], now: Answers) -> None:
    """A trained run and CLIP on the same images: who is right, the cube of what is said, the suspects."""
    if not runs:
        nothing_trained()
        return
    names = [run.name for run in runs]
    name = st.selectbox("Trained run", names, key="zs_beside", width=260)
    run = runs[names.index(str(name))]
    comparison, witnesses = zero_shot_view.beside(run, now)
    st.info(figures_in(comparison.verdict), icon=":material/balance:")
    _who_is_right(run, witnesses, comparison.p_value)
    left, right = st.columns(2, gap="medium")
    for column, title, accuracy, found in (
        (left, "CLIP", comparison.accuracy_a, comparison.scores_a),
        (right, run.name, comparison.accuracy_b, comparison.scores_b),
    ):
        with column, st.container(border=True):
            st.subheader(f"{plain(title)} · {percent(accuracy)}", anchor=False)
            confusion.show(found.confusion, comparison.classes, key=f"zs_side_{title == 'CLIP'}")
    _cube(dataset, run, witnesses)
    _suspects(dataset, run, witnesses)


def nothing_trained() -> None:
    """What to do where there is no run to compare with."""
    with st.container(border=True):
        st.markdown("**Nothing is trained on these images yet**, so there is nothing to set beside CLIP.")
        if st.button("Train a model", icon=":material/model_training:", key="zs_train"):
            st.switch_page(links.TRAIN)


def _who_is_right(run: Run, found: Witnesses, p_value: float) -> None:
    counts = found.counts
    p = "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
    cards = (
        ("Both right", counts["both_right"]),
        (f"Only {run.name}", counts["only_model"]),
        ("Only CLIP", counts["only_clip"]),
        ("Both say the same other class", counts["both_against"]),
        ("Both wrong, differently", counts["both_wrong_differently"]),
    )
    for column, (title, value) in zip(st.columns(5), cards, strict=True):
        column.metric(title, count(value), border=True, height="stretch")
    st.caption(
        f"Exact McNemar on the {counts['only_model'] + counts['only_clip']:,} where one is right: p = {p}."
    )


@st.fragment
def _cube(dataset: Dataset, run: Run, found: Witnesses) -> None:
    with shown_as_message(), st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Label, model and CLIP", anchor=False)
            chosen = st.selectbox(
                "Given label",
                [ANY, *found.classes],
                key="zs_cube_label",
                width=180,
                label_visibility="collapsed",
            )
        given = None if chosen == ANY else found.classes.index(str(chosen))
        counts = found.slice(given)
        apart = counts - np.diag(np.diagonal(counts))
        first = (given, given) if given is not None and counts[given, given] else None
        start = np.unravel_index(int(apart.argmax()), counts.shape) if apart.any() else first
        left, right = st.columns([3, 2], gap="medium")
        with left:
            cell = confusion.show(
                counts,
                found.classes,
                key=f"zs_cube_{given}",
                chosen=None if start is None else (int(start[0]), int(start[1])),
            )
            st.caption(f"Rows: {plain(run.name)}. Columns: CLIP. Off the diagonal they disagree.")
        with right:
            if cell is None:
                st.caption("There are none.")
                return
            rows = found.cell(*cell, given)
            _rows(dataset, run, found, rows, key="zs_cube")


def _suspects(dataset: Dataset, run: Run, found: Witnesses) -> None:
    rows = found.suspects
    with st.container(border=True):
        st.subheader("Three witnesses", anchor=False)
        st.caption(
            f"{plain(run.name)} and CLIP agree with each other and not with the label: "
            "look at these first. Sorted by how sure the less sure of the two is."
        )
        if not len(rows):
            st.success("There is none.", icon=":material/check_circle:")
            return
        _rows(dataset, run, found, rows, key="zs_witnesses")


def _rows(dataset: Dataset, run: Run, found: Witnesses, rows: np.ndarray, *, key: str) -> None:
    positions = dataset.positions(found.item_ids[rows]).tolist()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{counted(len(rows), 'image')}**")
        relabel_button(dataset, positions, run, key=f"{key}_send")
    shown = rows[:MAX_IMAGES]
    captions = [
        f"{found.classes[found.given[r]] if found.given[r] >= 0 else '?'} → {found.classes[found.clip[r]]}"
        for r in shown
    ]
    done = gallery.show(dataset, positions[:MAX_IMAGES], captions=captions, key=f"{key}_images", tile=84)
    if len(rows) > len(shown):
        st.caption(f"The first {len(shown)} of {len(rows):,}.")
    if done.clicked is not None:
        open_item(dataset, done.clicked)


def best_of_each(dataset: Dataset, prompts: PromptSet, now: Answers, n: int = 8) -> None:
    """For every class the images that fit its prompts best, in one view."""
    with st.container(border=True):
        st.subheader("Best images of every class", anchor=False)
        shown = names(prompts)
        rows = [now.best(k, n) for k in range(len(dataset.classes))]
        every = np.concatenate(rows)
        done = gallery.show(
            dataset,
            now.positions[every].tolist(),
            badges=[f"{now.similarity[row, k]:.2f}" for k, some in enumerate(rows) for row in some],
            key="zs_best",
            tile=76,
            headings={k * len(rows[0]): f"{shown[k]} · “{prompts.texts(k)[0]}”" for k in range(len(rows))},
        )
        if done.clicked is not None:
            open_item(dataset, done.clicked)


def proposals(dataset: Dataset, run: Run | None, now: Answers) -> None:
    """What CLIP proposes for images without a label: suggestions in the queue, never labels by themselves."""
    rows = zero_shot_view.unlabelled(now)
    if not len(rows) or run is None:
        return
    with st.container(border=True):
        st.subheader("Proposals for unlabelled images", anchor=False)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{counted(len(rows), 'image')}** without a label; CLIP's guess waits in the queue."
            )
            relabel_button(dataset, now.positions[rows].tolist(), run, key="zs_propose")
        images(dataset, now, rows, int(now.predicted[rows[0]]), key="zs_proposals")


@st.fragment
def search(workspace: Workspace, dataset: Dataset, model: ClipModel) -> None:
    """Type a sentence, or name an image, and see the best images with their scores."""
    with shown_as_message(), st.container(border=True):
        st.subheader("Search", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            text = st.text_input(
                "Look for", key="zs_query", placeholder="a red bus", bind="query-params", width=360
            )
            like = st.text_input(
                "or like the image with the id",
                key="zs_like",
                width=220,
                help="An image's id stands in its dialog: click one.",
            )
            top = int(st.number_input("How many", 1, 200, 24, key="zs_top", width=110))
        positions, features = zero_shot_view.all_kept(workspace, dataset, model)
        if not len(positions):
            st.caption("No image can be searched yet.")
            return
        if not text.strip() and not like.strip():
            st.caption(f"{counted(len(positions), 'image')} can be searched.")
            return
        leave_out: int | str = ""
        if like.strip():
            leave_out = int(dataset.positions([like.strip()])[0])
            found_at = np.flatnonzero(positions == leave_out)
            if not len(found_at):
                raise NotFound(f"{like.strip()!r} is not encoded yet.", "Search by another image.")
            vector = features[found_at[0]]
        else:
            vector = resident(workspace, model).texts((text.strip(),))[0]
        hits = nearest(positions, features, vector, top, leave_out)
        done = gallery.show(
            dataset,
            hits.positions.tolist(),
            captions=[", ".join(given_words(dataset, int(p))) or "unlabelled" for p in hits.positions],
            badges=[f"{score:.3f}" for score in hits.scores],
            key="zs_hits",
            tile=104,
            label="Images found",
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"The best {len(hits.positions)} of {counted(hits.n_searched, 'image')}, with cosines."
            )
            relabel_button(dataset, hits.positions.tolist(), None, key="zs_hits_send")
            _keep_as_tag(workspace, dataset, text.strip() or f"like {like.strip()}", hits.positions)
        if done.clicked is not None:
            open_item(dataset, done.clicked)


def _keep_as_tag(workspace: Workspace, dataset: Dataset, query: str, positions: np.ndarray) -> None:
    """The button that keeps what was found as a tag with the query's name."""
    if st.button("Keep as a tag", icon=":material/sell:", key="zs_tag", help="Named after the query."):
        n = add_tag(workspace, dataset, query[:LONGEST], zero_shot_view.item_ids(dataset, positions.tolist()))
        st.toast(f"{counted(n, 'image')} tagged {plain(query[:LONGEST])}.")
