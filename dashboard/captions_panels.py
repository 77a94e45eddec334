"""The panels of the Explore page on captions: how long, which words, which words go with which label."""

from __future__ import annotations

from typing import Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data.captions import CaptionStatistics, caption_statistics
from core.data.dataset import Task
from core.data.labels import Labels
from core.files import digest
from dashboard import gallery
from dashboard.charts import captions as charts
from dashboard.charts.template import show
from dashboard.explore_view import View
from dashboard.kept import kept
from dashboard.wording import counted, percent, plain

FREQUENT, PER_LABEL, MOST_SHOWN = 12, 8, 48
SHARED_SHOWN, IMAGES_EACH = 8, 6
MANY_LABELS, TABLE_HEIGHT = 12, 480


def draw(view: View) -> int | None:
    """All of them; the position of the image that was opened just now, or None. Nothing without captions."""
    captions = view.dataset.captions
    if captions is None:
        return None
    found = _statistics(
        view.dataset.fingerprint, digest(view.positions), [captions[at] for at in view.positions]
    )
    st.subheader("Captions", anchor=False)
    _headline(found)
    with st.container(border=True):
        _association(view, found)
    left, right = st.columns(2)
    with left, st.container(border=True, height="stretch"):
        st.markdown("**How long they are**")
        show(charts.lengths(found.lengths), "caption_lengths", "How many captions have how many words")
    with right, st.container(border=True, height="stretch"):
        st.markdown("**In most captions**")
        n = min(FREQUENT, len(found.vocabulary))
        order = np.argsort(-found.in_captions, kind="stable")[:n]
        words = tuple(found.vocabulary[one] for one in order)
        show(charts.frequent_words(words, found.in_captions[order]), "caption_words", "Frequent words")
    opened = _empty(view, found)
    return _duplicated(view, found) if opened is None else opened


@kept
def _statistics(fingerprint: str, chosen: str, _captions: list[str]) -> CaptionStatistics:
    return caption_statistics(_captions)


@kept
def _associated(
    fingerprint: str, chosen: str, labels: str, _found: CaptionStatistics, _labels: Labels
) -> NDArray[np.float64]:
    return _found.association(_labels)


def _headline(found: CaptionStatistics) -> None:
    n = len(found.lengths)
    n_shared = sum(len(positions) for _, positions in found.duplicated)
    cards = (
        ("Words a caption", f"{found.lengths.mean():.1f}", f"{found.lengths.min()} to {found.lengths.max()}"),
        ("Vocabulary", f"{len(found.vocabulary):,}", f"{found.n_once:,} occur once"),
        ("Without a word", f"{len(found.empty):,}", f"{percent(len(found.empty) / n)} of the images"),
        ("Shared captions", f"{n_shared:,}", counted(len(found.duplicated), "caption")),
    )
    for column, (name, value, note) in zip(st.columns(4), cards, strict=True):
        column.metric(name, value, note, delta_color="off", delta_arrow="off", border=True)


def _association(view: View, found: CaptionStatistics) -> None:
    """A row a label: the words that go with it more than chance would have it."""
    st.markdown("**Words that go with a label**")
    st.caption(
        "The surest first. In brackets: the share of captions with the word, with the label / without."
    )
    labels = view.labels.take(view.positions)
    key = (view.dataset.fingerprint, digest(view.positions), labels.digest())
    scores = _associated(*key, found, labels)
    rows = []
    for k, name in enumerate(view.dataset.classes[: scores.shape[1]]):
        best = np.argsort(-scores[:, k], kind="stable")[:PER_LABEL]
        words = [_word(found, int(word), labels, k) for word in best if scores[word, k] > 2]
        rows.append({"Label": plain(name), "Words": ", ".join(words) or "none stands out"})
    # A table, not a data frame: that would cut off what is wider than its cell.
    height: int | Literal["content"] = TABLE_HEIGHT if len(rows) > MANY_LABELS else "content"
    st.table(rows, border="horizontal", hide_index=True, height=height)


def _word(found: CaptionStatistics, word: int, labels: Labels, k: int) -> str:
    yes, no = found.shares(word, labels, k)
    return f"{plain(found.vocabulary[word])} ({percent(yes, 0)} / {percent(no)})"


def _empty(view: View, found: CaptionStatistics) -> int | None:
    if not len(found.empty):
        return None
    with st.container(border=True):
        st.markdown(f"**{counted(len(found.empty), 'image')} without a caption**")
        shown = view.positions[found.empty[:MOST_SHOWN]].tolist()
        return gallery.show(view.dataset, shown, key="no_caption", tile=56).clicked


def _duplicated(view: View, found: CaptionStatistics) -> int | None:
    """Captions that several images share, and these images under them."""
    if not found.duplicated:
        return None
    with st.container(border=True):
        st.markdown("**Captions that several images share**")
        many = view.dataset.task is Task.MULTI_LABEL
        st.caption(
            "Copies of an image, or captions too general to say what is there."
            + " Look whether their labels agree." * many
        )
        positions: list[int] = []
        headings = {}
        for caption, places in found.duplicated[:SHARED_SHOWN]:
            words = f"{caption[:160]} · {counted(len(places), 'image')}"
            headings[len(positions)] = words
            positions += view.positions[list(places[:IMAGES_EACH])].tolist()
        return gallery.show(
            view.dataset, positions, headings=headings, key="shared_captions", tile=56
        ).clicked
