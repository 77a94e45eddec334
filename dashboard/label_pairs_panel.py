"""Confusion by label and label pair on the Evaluate page, where images have several labels."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Dataset
from core.evaluation.label_pairs import KINDS, Kind, largest_pair, pair_counts, pair_rows
from core.evaluation.multilabel import MultiLabelScores
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run
from dashboard import confusion, gallery, handover, item_dialog
from dashboard.multilabel_view import MultiLabelEvaluation
from dashboard.wording import counted, plain

MAX_IMAGES = 60
SIDE_BY_SIDE = 12
"""With more labels the matrix needs the whole width for its numbers."""

TITLES: dict[Kind, str] = {"said-for": "Said by mistake", "wrong-together": "Wrong together"}
WORDS: dict[Kind, confusion.Words] = {
    "said-for": confusion.Words("there", "said", "labels that are there", "labels that are said by mistake"),
    "wrong-together": confusion.Words("wrong", "and wrong", "labels told wrong", "labels told wrong"),
}
CAPTIONS: dict[Kind, str] = {
    "said-for": "Rows: a label that is there. Columns: a label that is said though it is not there; on the "
    "diagonal the label itself was said.",
    "wrong-together": "Images on which both labels are told wrong; on the diagonal the one label.",
}


def draw(dataset: Dataset, run: Run, found: MultiLabelEvaluation, scores: MultiLabelScores) -> None:
    """The matrix and, beside it, the images of the chosen cell."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Label against label", anchor=False)
            kind = st.segmented_control(
                "Which pairs",
                KINDS,
                format_func=TITLES.__getitem__,
                default=KINDS[0],
                required=True,
                label_visibility="collapsed",
                key="pair_kind",
            )
        counts = pair_counts(scores, kind)
        few = len(counts) <= SIDE_BY_SIDE
        left, right = st.columns([3, 2], gap="medium") if few else (st.container(), st.container())
        with left:
            cell = confusion.show(
                counts,
                found.rows.classes,
                key=f"pairs_{kind}",
                chosen=largest_pair(counts),
                words=WORDS[kind],
            )
            st.caption(f"Choose a cell to see its images. {CAPTIONS[kind]} Known labels only.")
        with right:
            if cell is None:
                st.success("Not one such image.", icon=":material/check_circle:")
            else:
                _images(dataset, run, found, scores, kind, cell)


def _images(
    dataset: Dataset,
    run: Run,
    found: MultiLabelEvaluation,
    scores: MultiLabelScores,
    kind: Kind,
    cell: tuple[int, int],
) -> None:
    rows = pair_rows(scores, kind, *cell)
    names = [plain(found.rows.classes[k]) for k in cell]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{_sentence(kind, names, cell)} · {counted(len(rows), 'image')}, the surest first")
        if st.button(
            "Send to Relabel", icon=":material/fact_check:", key="send_pair", disabled=not len(rows)
        ):
            ids = tuple(str(one) for one in found.rows.item_ids[rows])
            handover.to_relabel(QueueRequest(kind=SELECTION, run=run.id, item_ids=ids))
    shown = rows[:MAX_IMAGES]
    done = gallery.show(
        dataset,
        found.positions[shown].tolist(),
        badges=[f"{100 * found.rows.pred_probs[row, cell[1]]:.0f} %" for row in shown],
        key="pair_images",
        tile=84,
        label="Images of the pair",
    )
    first = f", the first {len(shown)}" if len(rows) > len(shown) else ""
    st.caption(f"The badge is the probability of {names[1]}{first}.")
    if done.clicked is not None:
        item_dialog.show(dataset, done.clicked, run)


def _sentence(kind: Kind, names: list[str], cell: tuple[int, int]) -> str:
    if kind == "wrong-together":
        both = f"**{names[0]}** and **{names[1]}** wrong"
        return f"**{names[0]}** told wrong" if cell[0] == cell[1] else both
    if cell[0] == cell[1]:
        return f"**{names[0]}** there and said"
    return f"**{names[1]}** said where **{names[0]}** is"
