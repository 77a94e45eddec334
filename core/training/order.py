"""The order in which an epoch goes through the training images, and how it is cut into batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.runs.recipe import Recipe
from core.training.balance import drawn_by_label, label_sets
from core.training.seeds import Purpose, numpy_generator


def n_batches(n_images: int, batch_size: int) -> int:
    """Batches of an epoch: all images, in batches alike in size to one image, none of a single image."""
    if n_images < 2:
        raise BadInput(f"{n_images} training images are too few.", "At least two are needed.")
    return max(1, min(math.ceil(n_images / batch_size), n_images // 2))


def drawn_order(
    labels: NDArray[Any], train: NDArray[np.int64], recipe: Recipe, epoch: int, n: int
) -> NDArray[np.int64]:
    """``n`` positions for an epoch: ``epoch_order`` over and over, cut off where there are enough."""
    rounds = -(-n // len(train))
    orders = [epoch_order(labels, train, recipe, epoch * rounds + number) for number in range(rounds)]
    return np.concatenate(orders)[:n] if n != len(train) else orders[0]


def epoch_order(
    labels: NDArray[Any], train: NDArray[np.int64], recipe: Recipe, epoch: int
) -> NDArray[np.int64]:
    """The positions an epoch goes through, shuffled; as many as there are training images.

    With oversampling each class is drawn equally often, every image before any is repeated. Where an image
    has several labels, (N, K) float32, so is each combination of labels, or images are drawn in proportion
    to the rarest of their known labels (core.training.balance).
    """
    generator = numpy_generator(recipe.seed, Purpose.ORDER, epoch)
    if not recipe.oversample:
        return generator.permutation(train)
    if labels.ndim == 2:
        if recipe.oversample_by == "label":
            return drawn_by_label(labels, train, generator)
        labels = label_sets(labels)
    present = np.unique(labels[train])
    shares = np.array_split(np.arange(len(train)), len(present))
    drawn = []
    for label, share in zip(present, shares, strict=True):
        members = train[labels[train] == label]
        rounds = -(-len(share) // len(members))
        shuffled = np.concatenate([generator.permutation(members) for _ in range(rounds)])
        drawn.append(shuffled[: len(share)])
    return generator.permutation(np.concatenate(drawn))
