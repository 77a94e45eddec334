"""One image's full story: what it is, what was said of it, what a model makes of it and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from core.data.dataset import SPLITS, Dataset
from core.evaluation.nearest import nearest_training_items
from core.evaluation.overlay import enlarged
from core.evaluation.predictions import Predictions
from core.labels.versions import LabelState
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run
from dashboard import evidence, gallery, handover, memo, picker
from dashboard.charts import evaluate as charts
from dashboard.charts.template import show as show_chart
from dashboard.errors import shown_as_message
from dashboard.wording import ago, percent, plain

SIDE = 336
_TRAIL = "item_dialog_trail"
_SPLIT_WORDS = {"train": "training", "val": "validation", "test": "test"}


def show(dataset: Dataset, position: int, run: Run | None) -> None:
    """Open the dialog on one item; call it at most once in a run of the script.

    Args:
        dataset: The data set.
        position: The item's position in it.
        run: The run whose opinion is shown, or None.
    """
    st.session_state[_TRAIL] = [position]
    st.dialog("Image", width="large", icon=":material/image:")(_body)(dataset, run)


def _body(dataset: Dataset, run: Run | None) -> None:
    """Draws the item at the end of the trail; a neighbour that is opened joins the trail."""
    with shown_as_message():
        trail: list[int] = st.session_state[_TRAIL]
        position = trail[-1]
        state = memo.labels(picker.workspace(), dataset)
        predictions = memo.predictions(run) if run else None
        row = _row(predictions, str(dataset.item_ids[position]))
        with st.container():  # there in any case, so that what follows keeps its place
            if len(trail) > 1 and st.button("Back", icon=":material/arrow_back:", key="item_back"):
                trail.pop()
                st.rerun(scope="fragment")
        left, right = st.columns([2, 3], gap="medium")
        with left:
            place, evidence_for = _image(dataset, position, run, predictions, row)
            below_image = st.container()
            _actions(dataset, position, run, state)
        with right:
            _facts(dataset, position, state, predictions, row)
            _history(dataset, position, state)
            if run is not None:
                _opinion(run, state, position, predictions, row)
        has_features = run is not None and run.features_file.exists()  # CLIP's answers have none of their own
        if run is not None and predictions is not None and row is not None and has_features:
            _neighbours(dataset, run, predictions, row, state)
        if run is not None and evidence_for is not None:  # last: all else stays alive while it is computed
            with below_image:
                evidence.draw(place, dataset, position, run, evidence_for, SIDE)


def _row(predictions: Predictions | None, item_id: str) -> int | None:
    """The item's row in the run's predictions, or None."""
    if predictions is None:
        return None
    found = np.flatnonzero(predictions.item_ids == item_id)
    return int(found[0]) if len(found) else None


def _image(
    dataset: Dataset, position: int, run: Run | None, predictions: Predictions | None, row: int | None
) -> tuple[DeltaGenerator, tuple[int, str] | None]:
    """The image, large; the place it stands in, and the class whose evidence is asked for, and how."""
    place = st.empty()
    _draw(place, enlarged(dataset.images.read(position), SIDE), f"Image {dataset.item_ids[position]}")
    if run is None or predictions is None or row is None or not run.model_file.exists():
        return place, None
    return place, evidence.pick(run, predictions, row, position)


def _draw(place: DeltaGenerator, pixels: NDArray[np.uint8], alt: str) -> None:
    place.image(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, width="stretch", alt=alt)


def _actions(dataset: Dataset, position: int, run: Run | None, state: LabelState) -> None:
    """What can be done about the item."""
    item_id = str(dataset.item_ids[position])
    with st.container(horizontal=True):
        if st.button("Relabel this", icon=":material/edit:", key="item_relabel"):
            request = QueueRequest(kind=SELECTION, run=run.id if run else None, item_ids=(item_id,))
            handover.to_relabel(request)
        excluded = bool(state.excluded[position])
        words = ("Take back in", ":material/undo:") if excluded else ("Mark as bad", ":material/block:")
        help_ = "A bad image is left out of training and scores from now on; it can be taken back in."
        if st.button(words[0], icon=words[1], key="item_exclude", help=help_):
            _rule(dataset, item_id, run, exclude=not excluded)
            st.rerun(scope="fragment")


def _rule(dataset: Dataset, item_id: str, run: Run | None, *, exclude: bool) -> None:
    """Leave the item out of training from now on, or take it back in: one edit in the journal."""
    from core.labels.journal import EditKind, LabelJournal, NewEdit

    kind = EditKind.EXCLUDE if exclude else EditKind.INCLUDE
    seen = {"run": run.id} if run is not None else {}  # whose opinion stood beside the image
    edit = NewEdit(item_id, kind, why="image dialog", evidence=seen)
    LabelJournal(picker.workspace()).append(dataset, [edit])


def _facts(
    dataset: Dataset, position: int, state: LabelState, predictions: Predictions | None, row: int | None
) -> None:
    """Id, split and labels."""
    given, now = label_words(dataset, dataset.labels[position]), label_words(dataset, state.labels[position])
    height, width = dataset.images.sizes[position]
    part = SPLITS[dataset.split[position]]
    role = str(predictions.split[row]) if predictions is not None and row is not None else part
    split = _SPLIT_WORDS[part] + ("" if role == part else f", held back for {_SPLIT_WORDS[role]} in this run")
    lines = [
        f"**{plain(now)}**" + ("" if now == given else f" · given as {plain(given)}"),
        f":gray[Id] {plain(str(dataset.item_ids[position]))} · :gray[split] {split} · {width} × {height}",
    ]
    marks = [
        (state.confirmed, ":green-badge[:material/check: confirmed]"),
        (state.edited, ":orange-badge[:material/edit: corrected]"),
        (state.excluded, ":red-badge[:material/block: bad image]"),
    ]
    badges = " ".join(badge for mask, badge in marks if mask[position])
    st.markdown("  \n".join([*lines, *([badges] if badges else [])]))
    if dataset.captions is not None and dataset.captions[position]:
        st.caption(plain(dataset.captions[position]))


def label_words(dataset: Dataset, label: Any) -> str:
    """A label in words: the class name, or for multi-label the names of the classes that apply."""
    if np.ndim(label) == 0:
        return dataset.classes[int(label)] if label >= 0 else "unlabelled"
    return ", ".join(dataset.classes[k] for k in np.flatnonzero(label == 1)) or "none of the classes"


def _history(dataset: Dataset, position: int, state: LabelState) -> None:
    """What people did with the item, newest first."""
    if state.version == 0:
        return
    from core.labels.journal import LabelJournal

    edits = LabelJournal(picker.workspace()).edits(dataset.name, item_id=str(dataset.item_ids[position]))
    if not edits:
        return
    lines = []
    for edit in reversed(edits):
        change = f"{plain(edit.old or 'unlabelled')} → {plain(edit.new or 'unlabelled')}"
        what = {
            "label": change,
            "confirm": "confirmed",
            "exclude": "marked as bad",
            "include": "taken back in",
            "undo": f"took edit {edit.undoes} back",
        }[edit.kind]
        lines.append(f"- {edit.number} · {what} · {plain(edit.who)} · {ago(edit.at)}")
    with st.expander(f"{len(lines)} edits" if len(lines) > 1 else "1 edit", expanded=len(lines) < 4):
        st.markdown("\n".join(lines))


def _opinion(
    run: Run, state: LabelState, position: int, predictions: Predictions | None, row: int | None
) -> None:
    """The run's probabilities."""
    if predictions is None or row is None:
        st.caption(f"{plain(run.name)} does not know this image: it was excluded, or is newer than the run.")
        return
    learnt = " It was trained on this image." if predictions.split[row] == "train" else ""
    if predictions.has_many_labels:
        st.markdown(f"How likely {plain(run.name)} holds each label.{learnt} :gray[Blue: yes; red: unknown.]")
        figure = charts.label_probabilities(
            predictions.pred_probs[row], predictions.classes, np.asarray(state.labels[position])
        )
        show_chart(figure, key="item_probabilities", alt="Probability of each label")
        return
    guess = predictions.classes[predictions.predicted[row]]
    sure = percent(float(predictions.confidence[row]))
    st.markdown(f"{plain(run.name)} says **{plain(guess)}**, {sure} sure.{learnt} :gray[Blue: its label.]")
    label = state.labels[position]
    show_chart(
        charts.probabilities(
            predictions.pred_probs[row], predictions.classes, int(label) if np.ndim(label) == 0 else -1
        ),
        key="item_probabilities",
        alt="Probability of each class; the labelled class is coloured",
    )


def _neighbours(dataset: Dataset, run: Run, predictions: Predictions, row: int, state: LabelState) -> None:
    """The training images that the network holds most alike; one that is opened replaces the item."""
    found = nearest_training_items(run, predictions, str(predictions.item_ids[row]))
    positions = dataset.positions(found.item_ids)
    labels = [label_words(dataset, state.labels[position]) for position in positions]
    same = max(labels.count(name) for name in labels) if labels else 0
    most = max(labels, key=labels.count) if labels else ""
    st.markdown(
        f"**Nearest training images** :gray[· as the network sees them; "
        f"{same} of {len(labels)} are {plain(most)}]"
    )
    done = gallery.show(
        dataset,
        positions.tolist(),
        captions=labels,
        badges=[f"{value:.2f}" for value in found.similarity],
        key="item_neighbours",
        tile=70,
        label="Nearest training images",
    )
    if done.clicked is not None:
        st.session_state[_TRAIL].append(done.clicked)
        st.rerun(scope="fragment")
