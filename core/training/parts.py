"""Which images a run trains, validates and tests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import is_labelled
from core.data.splits import NO_TRAINING, stratified_split
from core.errors import BadInput
from core.runs.recipe import Recipe
from core.training.seeds import Purpose, numpy_generator

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Parts:
    """Positions of a run's images, ascending; no image is in two parts.

    Attributes:
        train: What the weights are fitted to. At least two images, all labelled.
        val: What decisions are made on. May be empty.
        test: What is reported. May be empty.
    """

    train: Positions
    val: Positions
    test: Positions

    def named(self) -> list[tuple[str, Positions]]:
        """("train", positions), ("val", ...), ("test", ...)."""
        return [("train", self.train), ("val", self.val), ("test", self.test)]


def assign_roles(split: NDArray[np.int8], given: NDArray[Any], recipe: Recipe) -> NDArray[np.int8]:
    """(N,) 0 train, 1 val, 2 test: the data set's split, with a share of train held back if it has no val.

    The share is drawn by the given labels, unlabelled ones being a class of their own: so the validation
    images are the same for every label version, and runs before and after a correction can be compared.

    Args:
        split: (N,) 0 train, 1 val, 2 test.
        given: The given labels: (N,) int64, -1 unlabelled, or (N, K) float32 with 1, 0 and NaN unknown.
        recipe: Its validation_share and split_seed.
    """
    roles = np.array(split, np.int8)
    if not (roles == 1).any():
        positions = np.flatnonzero(roles == 0)
        if given.ndim == 2:
            held = positions[stratified_split(given[positions], recipe.validation_share, recipe.split_seed)]
        else:
            _, held = hold_back(positions, given, recipe.validation_share, recipe.split_seed)
        roles[held] = 1
    return roles


def make_parts(roles: NDArray[np.int8], labels: NDArray[Any], excluded: NDArray[np.bool_]) -> Parts:
    """The images of each role that can be used: labelled and not excluded by a person.

    Args:
        roles: (N,) as assign_roles gives them.
        labels: The labels to train on: (N,) int64, -1 unlabelled, or (N, K) float32 with 1, 0 and NaN; there
            one known label is enough.
        excluded: (N,) bool.

    Raises:
        BadInput: Fewer than two images, or a single class, would be left to train on.
    """
    if len(roles) and not (roles == 0).any():
        raise BadInput(*NO_TRAINING)
    if labels.ndim == 2:
        return _parts_of_labels(roles, labels, excluded)
    usable = is_labelled(labels) & ~excluded
    train, val, test = (np.flatnonzero(usable & (roles == role)) for role in range(3))
    check_can_learn(labels[train])
    return Parts(train, val, test)


def _parts_of_labels(
    roles: NDArray[np.int8], labels: NDArray[np.float32], excluded: NDArray[np.bool_]
) -> Parts:
    usable = is_labelled(labels) & ~excluded
    train, val, test = (np.flatnonzero(usable & (roles == role)) for role in range(3))
    check_can_learn(labels[train])
    return Parts(train, val, test)


def check_can_learn(labels: NDArray[Any], where: str = "in the training split") -> None:
    """Check that there is something to tell apart.

    Args:
        labels: Of the training images, all with a known label: (n,) int64, or (n, K) float32 with 1, 0, NaN.
        where: Where those images are, for the message.

    Raises:
        BadInput: There are fewer than two images, or they are of one class (of no label is there a yes and a
            no): a model that always answers the same would look perfect.
    """
    if labels.ndim == 2:
        both = (labels == 1).any(axis=0) & (labels == 0).any(axis=0)
        if len(labels) < 2 or not both.any():
            raise BadInput(
                f"There is too little to train on: {len(labels)} images with a known label {where}, "
                "and no label that is yes for one of them and no for another.",
                "Label some images, or change unlabelled ones' treatment in the recipe (unknown_labels).",
            )
        return
    n_classes = len(np.unique(labels))
    if len(labels) < 2 or n_classes < 2:
        raise BadInput(
            f"There is too little to train on: {len(labels)} labelled images of {n_classes} "
            f"class{'' if n_classes == 1 else 'es'} {where}.",
            "At least two images of two classes are needed: label some, or import data with more classes.",
        )


def hold_back(
    positions: Positions, labels: NDArray[np.int64], share: float, seed: int
) -> tuple[Positions, Positions]:
    """(kept, held back), both ascending; of each class ``share``, rounded, but never its last image."""
    held: list[Positions] = []
    for label in np.unique(labels[positions]):
        members = positions[labels[positions] == label]
        n_held = min(round(share * len(members)), len(members) - 1)
        order = numpy_generator(seed, Purpose.SPLIT, int(label) + 1).permutation(len(members))
        held.append(members[order[:n_held]])
    val = np.sort(np.concatenate(held)) if held else positions[:0]
    return np.setdiff1d(positions, val, assume_unique=True), val
