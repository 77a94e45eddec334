"""Three witnesses: the given label, a trained model and CLIP. Where two agree against the label, look first.

CLIP never saw a label of this data set, so it cannot have learned the label's mistake; the trained model
knows the classes as they are used here. What both say against the label is stronger than what one says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import UNLABELLED
from core.errors import BadInput
from core.evaluation.predictions import Predictions

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Witnesses:
    """What three say of the same n images.

    Attributes:
        item_ids: (n,) str.
        given, model, clip: (n,) class indices; given -1 is unlabelled.
        against: (n,) float32, 0 to 1: how surely both speak against the label with one voice, the lower of
            their two probabilities; 0 where they do not.
        classes: K names.
    """

    item_ids: NDArray[np.str_]
    given: Ints
    model: Ints
    clip: Ints
    against: NDArray[np.float32]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.item_ids)

    def slice(self, given: int | None = None) -> Ints:
        """(K, K) counts of the images with that label (any, with None), rows = model, columns = CLIP."""
        k = len(self.classes)
        rows = np.ones(len(self), bool) if given is None else self.given == given
        return np.bincount(self.model[rows] * k + self.clip[rows], minlength=k * k).reshape(k, k)

    def cell(self, model: int, clip: int, given: int | None = None) -> Ints:
        """Rows of one cell of the cube, those that speak against the label first."""
        rows = (self.model == model) & (self.clip == clip)
        if given is not None:
            rows &= self.given == given
        found = np.flatnonzero(rows)
        return found[np.argsort(-self.against[found], kind="stable")]

    @property
    def counts(self) -> dict[str, int]:
        """How many labelled images both, only the model, only CLIP or neither got right."""
        known = self.given != UNLABELLED
        m, c = (self.model == self.given)[known], (self.clip == self.given)[known]
        alike = (self.model == self.clip)[known]
        return {
            "both_right": int((m & c).sum()),
            "only_model": int((m & ~c).sum()),
            "only_clip": int((~m & c).sum()),
            "both_against": int((~m & ~c & alike).sum()),
            "both_wrong_differently": int((~m & ~c & ~alike).sum()),
        }

    @property
    def suspects(self) -> Ints:
        """Rows where both agree against the label, the surest first."""
        rows = np.flatnonzero(self.against > 0)
        return rows[np.argsort(-self.against[rows], kind="stable")]


def three_witnesses(model: Predictions, clip: Predictions, split: str | None = None) -> Witnesses:
    """Join what a trained model and CLIP say by item id.

    Args:
        model: Its labels count as the given ones.
        split: The part that each image played for ``model``; None for all. What it was trained on it knows
            by heart, so that its agreement with the label says little there.

    Raises:
        BadInput: Other classes, or no image in common.
    """
    if set(model.classes) != set(clip.classes):
        raise BadInput("The two know other classes.", "Choose a run on the same data set.")
    rows_m = np.arange(len(model)) if split is None else np.flatnonzero(model.split == split)
    shared, m, c = np.intersect1d(model.item_ids[rows_m], clip.item_ids, return_indices=True)
    if not len(shared):
        raise BadInput("The two have no image in common.", "Answer for the same split with both.")
    m = rows_m[m]
    columns = [clip.classes.index(name) for name in model.classes]
    clip_probs = clip.pred_probs[c][:, columns]
    model_probs = model.pred_probs[m]
    said_m, said_c = model_probs.argmax(axis=1), clip_probs.argmax(axis=1)
    given = model.labels[m]
    against = (said_m == said_c) & (said_m != given) & (given != UNLABELLED)
    lower = np.minimum(model_probs.max(axis=1), clip_probs.max(axis=1))
    return Witnesses(
        shared,
        given,
        np.asarray(said_m, np.int64),
        np.asarray(said_c, np.int64),
        np.where(against, lower, 0.0).astype(np.float32),
        model.classes,
    )


def answers_against(
    labels: NDArray[np.float32],
    model_probs: NDArray[np.float32],
    clip_scores: NDArray[np.float32],
    thresholds: NDArray[np.float32],
) -> tuple[Ints, Ints]:
    """Known answers of images with several labels that a trained model and CLIP both speak against.

    Args:
        labels: (n, K) 1, 0 and NaN.
        model_probs: (n, K); yes from one half on.
        clip_scores: (n, K) cosines.
        thresholds: (K,) from where CLIP's count as yes.

    Returns:
        Rows and classes, (m,) each, those that the model is surest of first.
    """
    model, clip = model_probs >= 0.5, clip_scores >= thresholds
    against = ~np.isnan(labels) & (model == clip) & (model != (labels == 1))
    rows, classes = np.nonzero(against)
    order = np.argsort(-np.abs(model_probs[rows, classes] - 0.5), kind="stable")
    return np.asarray(rows[order], np.int64), np.asarray(classes[order], np.int64)
