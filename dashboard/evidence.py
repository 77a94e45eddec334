"""What in an image, and in its caption, speaks for a class: Grad-CAM or LIME, laid over the image."""

from __future__ import annotations

import sys

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from core.data.dataset import UNLABELLED, Dataset
from core.evaluation.explain import explanation
from core.evaluation.lime import Weights, lime
from core.evaluation.overlay import enlarged, overlaid
from core.evaluation.predictions import Predictions
from core.evaluation.seen import shown_to
from core.runs.store import Run
from dashboard import picker
from dashboard.progress import progress
from dashboard.wording import plain

GRAD_CAM, LIME = "Grad-CAM", "LIME"
HELP = (
    "Grad-CAM: the parts of the image that speak for the class in the network's last convolutions. LIME: the "
    "patches, and words of the caption, without which the answer changes. Coarse by nature, and no proof."
)


def pick(run: Run, predictions: Predictions, row: int, position: int) -> tuple[int, str] | None:
    """The class whose evidence is asked for, and by which method; None for none."""
    chosen = st.segmented_control(
        "Evidence for",
        _asked_for(predictions, row),
        format_func=lambda k: plain(predictions.classes[k]),
        key=f"item_evidence_{run.id}_{position}",
        help=HELP,
    )
    if chosen is None:
        return None
    if run.recipe.inputs == "caption":
        return int(chosen), LIME
    method = st.segmented_control(
        "By",
        [GRAD_CAM, LIME],
        default=GRAD_CAM,
        required=True,
        key=f"item_method_{run.id}_{position}",
        label_visibility="collapsed",
    )
    return int(chosen), str(method)


def draw(
    place: DeltaGenerator, dataset: Dataset, position: int, run: Run, asked: tuple[int, str], side: int
) -> None:
    """Lay what speaks for a class over the image; says why when it takes long."""
    class_index, method = asked
    loaded = "torch" in sys.modules
    words = (
        "Asking the network …" if loaded else "Loading PyTorch into the server; only the first time is slow …"
    )
    picture = enlarged(shown_to(run, dataset, position), side)
    with st.spinner(words, show_time=True):
        if method == LIME:
            with progress("Greying out parts of the image") as on_share:
                found = lime(picker.workspace(), run, dataset, position, class_index, on_share)
            heat = _as_heat(found.patches)
        else:
            found, heat = None, explanation(picker.workspace(), run, dataset, position, class_index)
    if heat.any():
        pixels = overlaid(picture, heat)
        place.image(pixels, width="stretch", alt="The image, brighter where it speaks for the class")
    if found is not None and found.words:
        st.markdown(_marked(found))
    elif not heat.any():
        st.caption("Nothing that was looked at speaks for this class.")


def _as_heat(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 to 1: what speaks for the class, the strongest patch as 1."""
    positive = np.maximum(patches, 0)
    top = float(positive.max())
    return np.asarray(positive / top if top > 0 else positive, np.float32)


def _marked(found: Weights) -> str:
    """The caption with the words that speak for the class in blue, those against it in red."""
    strong = 0.25 * max(float(np.abs(found.word_weights).max()), 1e-6)
    parts = []
    for word, weight in zip(found.words, found.word_weights, strict=True):
        colour = "blue" if weight > strong else "red" if weight < -strong else ""
        said = f"{plain(word)} {100 * weight:+.0f}"
        parts.append(f":{colour}-background[{said}]" if colour else plain(word))
    return " ".join(parts) + "  \n:gray[Points that a word moves the probability; blue for, red against.]"


def _asked_for(predictions: Predictions, row: int) -> list[int]:
    """The classes that the image may be asked about: guess and label; of several labels those that are said
    or are yes, the likeliest first.
    """
    if predictions.has_many_labels:
        probs, labels = predictions.pred_probs[row], predictions.labels[row]
        order = np.argsort(-probs, kind="stable").tolist()
        return [k for k in order if probs[k] >= 0.5 or labels[k] == 1][:8] or order[:3]
    guess, label = int(predictions.predicted[row]), int(predictions.labels[row])
    return [guess] if label in (guess, UNLABELLED) else [guess, label]
