"""What the Zero-shot page shows: CLIP's answers to the prompts as they are now; no model is loaded here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.data.item_index import ItemIndex
from core.embeddings import zero_shot as zs
from core.embeddings.clip import kept_features, model_facts
from core.embeddings.clip_models import ClipModel
from core.embeddings.prompts import PromptSet, class_vectors
from core.embeddings.resident import resident
from core.embeddings.text_search import kept_images
from core.evaluation.compare import Comparison, compare
from core.evaluation.metrics import Scores, scores
from core.evaluation.predictions import Predictions
from core.labels.versions import LabelState
from core.quality.witnesses import Witnesses, three_witnesses
from core.runs.store import Run
from core.workspace import Workspace
from dashboard.memo import predictions, remembered

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Answers:
    """What CLIP says of n images for one set of prompts.

    Attributes:
        positions: (n,) int64, in the data set.
        given: (n,) the one class of each image; -1 without one, or with several.
        marks: (n, K) 1, 0, NaN.
        similarity: (n, K) cosines.
        probs: (n, K) softmax of those.
    """

    dataset: Dataset
    split: str
    positions: Ints
    given: Ints
    marks: Floats
    similarity: Floats
    probs: Floats

    @cached_property
    def predicted(self) -> Ints:
        """(n,) the class that fits best."""
        return np.asarray(self.similarity.argmax(axis=1), np.int64)

    @cached_property
    def scores(self) -> Scores:
        """Over the images with exactly one label."""
        return scores(self.given, self.predicted, len(self.dataset.classes))

    @cached_property
    def mean_average_precision(self) -> float:
        """Over all images, by cosine."""
        return zs.mean_average_precision(self.marks, self.similarity)

    def cell(self, given: int, predicted: int) -> Ints:
        """Rows of one cell of the matrix, the surest first."""
        rows = np.flatnonzero((self.given == given) & (self.predicted == predicted))
        return rows[np.argsort(-self.probs[rows, predicted], kind="stable")]

    def best(self, k: int, n: int) -> Ints:
        """The n rows that fit class k best."""
        return np.argsort(-self.similarity[:, k], kind="stable")[:n]

    def as_predictions(self) -> Predictions:
        """As if a run had said it."""
        return Predictions(
            self.dataset.item_ids[self.positions],
            np.full(len(self.positions), self.split),
            self.given,
            self.probs,
            self.dataset.classes,
            "CLIP",
            0,
            self.dataset.fingerprint,
        )


def positions_of(dataset: Dataset, split: str) -> Ints:
    """The images of a split; where the data set has no validation split, those that are tuned on."""
    return zs.validation_positions(dataset) if split == "val" else dataset.in_split(split)


@remembered(by_content=True)
def features(workspace: Workspace, dataset: Dataset, model: ClipModel, split: str) -> Floats | None:
    """The features of a split's images, if a worker has computed them; shared by all sessions."""
    found = kept_features(workspace, dataset, model, positions_of(dataset, split))
    if found is not None:
        found.setflags(write=False)
    return found


@remembered()
def answers(
    workspace: Workspace,
    dataset: Dataset,
    state: LabelState,
    model: ClipModel,
    split: str,
    prompts: PromptSet,
) -> Answers | None:
    """CLIP's answers for one split; None while its features are not there.

    Raises:
        BadInput: A prompt that the model cannot read.
    """
    images = features(workspace, dataset, model, split)
    facts = model_facts(workspace, model)
    if images is None or facts is None:
        return None
    vectors = class_vectors(prompts, resident(workspace, model).texts)
    similarity = zs.cosines(images, vectors)
    positions = positions_of(dataset, split)
    return Answers(
        dataset,
        split,
        positions,
        zs.single_labels(dataset, state.labels)[positions],
        zs.marks(dataset, state.labels)[positions],
        similarity,
        zs.softmax(similarity, facts.logit_scale),
    )


def all_kept(workspace: Workspace, dataset: Dataset, model: ClipModel) -> tuple[Ints, Floats]:
    """(positions, features) of every image that can be searched."""
    parts: list[tuple[Ints, Floats]] = []
    for split in [*(one for one in dataset.splits if one != "val"), "val"]:
        positions = positions_of(dataset, split)
        found = features(workspace, dataset, model, split)
        if found is not None and not any(np.isin(positions, there).all() for there, _ in parts):
            parts.append((positions, found))
    if not parts:
        return kept_images(workspace, dataset, model)
    return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])


def beside(run: Run, found: Answers) -> tuple[Comparison, Witnesses]:
    """A trained run against CLIP on the same images, and what both say of each.

    Only images that the run did not train on count.

    Raises:
        BadInput: No image in common.
    """
    trained = predictions(run)
    clip = found.as_predictions()
    held = trained.take(np.flatnonzero(trained.split != "train"))
    common = np.isin(held.item_ids, clip.item_ids)
    held = held.take(np.flatnonzero(common))
    held = replace(held, split=np.full(len(held), found.split))
    comparison = compare(
        clip,
        held,
        found.dataset.item_ids[found.positions],
        found.given,
        found.split,
        names=("CLIP", run.name),
    )
    held = replace(held, labels=found.given[ItemIndex(clip.item_ids).find(held.item_ids)])
    return comparison, three_witnesses(held, clip)


def unlabelled(found: Answers) -> Ints:
    """Rows of the images without a label, the surest first."""
    rows = np.flatnonzero(np.isnan(found.marks).all(axis=1))
    return rows[np.argsort(-found.probs[rows].max(axis=1), kind="stable")] if len(rows) else rows


def item_ids(dataset: Dataset, positions: Sequence[int]) -> tuple[str, ...]:
    """The ids of these items."""
    return tuple(str(dataset.item_ids[p]) for p in positions)
