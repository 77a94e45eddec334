"""Which images a run trains, validates and tests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def make_parts(
    split: NDArray[np.int8],
    given: NDArray[np.int64],
    labels: NDArray[np.int64],
    excluded: NDArray[np.bool_],
    recipe: Recipe,
) -> Parts:
    """Hold a share of the training split back where there is no val split; leave out what cannot be used.

    The share is drawn by the given labels, before anything is left out: so the validation images are the
    same for every label version, and runs before and after a correction can be compared on them.

    Args:
        split: (N,) 0 train, 1 val, 2 test.
        given: (N,) int64, the given labels, -1 unlabelled.
        labels: (N,) int64, the labels to train on, -1 unlabelled: such images are left out.
        excluded: (N,) True for images that a person has excluded.
        recipe: Its validation_share and split_seed.

    Raises:
        BadInput: Fewer than two images, or a single class, would be left to train on.
    """
    train, val, test = (np.flatnonzero(split == code) for code in range(3))
    if len(val) == 0:
        train, val = hold_back(train, given, recipe.validation_share, recipe.split_seed)
    usable = (labels >= 0) & ~excluded
    train, val, test = train[usable[train]], val[usable[val]], test[usable[test]]
    n_classes = len(np.unique(labels[train]))
    if len(train) < 2 or n_classes < 2:
        raise BadInput(
            f"There is too little to train on: {len(train)} labelled images of {n_classes} "
            f"class{'' if n_classes == 1 else 'es'} in the training split.",
            "At least two images of two classes are needed: label some, or import data with more classes.",
        )
    return Parts(train, val, test)


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
