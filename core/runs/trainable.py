"""Whether an experiment can train a recipe on some data: asked before anything is made or launched.

``core.runs.store.create_run`` asks it for every kind of run that trains, so commands and forms need not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset, Task, is_labelled
from core.data.splits import NO_TRAINING
from core.errors import BadInput
from core.files import Json
from core.labels.versions import labels_at
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.runs.recipe import Recipe  # else imported where it is needed: the list of runs does without

BY_ROLE = ("train", "trial", "sweep", "tune", "prove")
"""Kinds that learn from the training images as the split says."""
KINDS = (*BY_ROLE, "crossval", "issues", "fill", "unknown", "active")
"""Kinds of runs that train."""


@dataclass(frozen=True, eq=False)
class DataFacts:
    """What has to be known of data to tell; the labels are read only where they matter.

    Attributes:
        version: Of the labels.
    """

    workspace: Workspace
    dataset: Dataset
    version: int

    def in_split(self, role: str) -> NDArray[Any]:
        """(n,) or (n, K) the labels of a split's images in that version, without those that were left out."""
        labels, excluded = self._state
        return np.asarray(labels[(np.asarray(self.dataset.split) == SPLITS.index(role)) & ~excluded])

    @cached_property
    def n_unlabeled(self) -> int:
        """Training images without any label."""
        return int((~is_labelled(self.in_split("train"))).sum())

    @cached_property
    def _state(self) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        state = labels_at(self.workspace, self.dataset, self.version)
        return np.asarray(state.labels), np.asarray(state.excluded, bool)


def check_trainable(kind: str, recipe: Recipe, facts: DataFacts, job: Json) -> None:
    """Whether a run of ``kind`` can train ``recipe`` on the data; kinds that do not train always can.

    Args:
        job: What else the run asks for, as its ``job`` says.

    Raises:
        BadInput: It cannot; says why, and how it could.
    """
    if kind not in KINDS:
        return
    settings: Sequence[Json] = job.get("settings", [{}]) if kind == "sweep" else [{}]
    for setting in settings:
        _check(kind, recipe.with_changes(setting) if setting else recipe, facts, job)


def _check(kind: str, recipe: Recipe, facts: DataFacts, job: Json) -> None:
    recipe.check_task(facts.dataset.task)
    if recipe.inputs != "image" and facts.dataset.captions is None:
        raise no_captions(recipe.inputs)
    if kind == "active":
        _check_active(recipe, facts, job)
    elif kind == "unknown":
        _check_unknown(recipe)
    elif recipe.needs_unlabeled:
        check_unlabeled(recipe, facts.dataset.task, facts.n_unlabeled)
    if kind in BY_ROLE:
        _check_labels(facts)


def check_unlabeled(recipe: Recipe, task: Task, n_unlabeled: int) -> None:
    """Raises BadInput where a recipe learns from images without a label and there are none."""
    if not recipe.needs_unlabeled:
        return
    if task is Task.MULTI_LABEL and recipe.unknown_labels == "as-no":
        raise BadInput(
            f"With unknown_labels = as-no no image is without a label, and semi = {recipe.semi} learns from "
            "those that are.",
            "Set unknown_labels to masked, or semi to none.",
        )
    if not n_unlabeled:
        raise no_unlabeled(recipe.semi)


def no_unlabeled(semi: str) -> BadInput:
    """The error where there is nothing for ``semi`` to learn from."""
    return BadInput(
        f"semi = {semi} learns from unlabelled images, and there are none.",
        "Set semi to none, or hide labels: `tidyset data hide`.",
    )


def no_captions(inputs: str) -> BadInput:
    """The error where a recipe reads what is not there."""
    return BadInput(
        f"The recipe reads captions (inputs = {inputs}), and these images have none.",
        "Set inputs to image, or import a table with a caption column.",
    )


def _check_active(recipe: Recipe, facts: DataFacts, job: Json) -> None:
    if facts.dataset.task is not Task.SINGLE_LABEL:
        raise BadInput(
            f"Data set {facts.dataset.name!r} has several labels an image.",
            "Strategies of active learning can be compared where each image has one label.",
        )
    n_known, n_test = (int(is_labelled(facts.in_split(role)).sum()) for role in ("train", "test"))
    n_wanted = job["start"] + job["step"] * job["rounds"]
    if n_wanted > n_known or not n_test:
        raise BadInput(
            f"There are {n_known:,} labelled training and {n_test:,} test images.",
            "Ask for fewer labels, or choose data with a test split.",
        )
    if recipe.needs_unlabeled and not n_known - n_wanted + facts.n_unlabeled:
        raise BadInput(
            f"The last round labels all images, and semi = {recipe.semi} learns from those without a label.",
            "Ask for fewer labels or rounds, or set semi to none.",
        )


def _check_unknown(recipe: Recipe) -> None:
    if recipe.needs_unlabeled:
        raise BadInput(
            "The ways to deal with unknown labels leave different images without a label: with "
            f"semi = {recipe.semi} they would differ in more than what they do with these labels.",
            "Set semi to none, or choose a recipe such as fast or transfer.",
        )


def _check_labels(facts: DataFacts) -> None:
    """The least that can be learnt from: two labelled images of two classes."""
    if not (np.asarray(facts.dataset.split) == SPLITS.index("train")).any():
        raise BadInput(*NO_TRAINING)
    labels = facts.in_split("train")
    known = labels[is_labelled(labels)]
    n_classes = len(np.unique(known)) if labels.ndim == 1 else 2
    if len(known) < 2 or n_classes < 2:
        raise BadInput(
            f"There is too little to train on: {len(known)} labelled images in the training split.",
            "At least two images of two classes are needed: label some, or import data with more classes.",
        )
