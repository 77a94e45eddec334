"""An image as the network of a run was fed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.runs.store import Run

if TYPE_CHECKING:
    from core.models import ModelCard


def shown_to(run: Run, dataset: Dataset, position: int) -> NDArray[np.uint8]:
    """(H, W, C) uint8: the image in its own size, or what the cleaning of the run's recipe makes of it.

    Raises:
        DamagedFile: It cannot be read.
    """
    image = np.asarray(dataset.images.read(position), np.uint8)
    if not run.recipe.cleaning:
        return image
    from core.data.cleaning import clean, parse

    return np.asarray(clean(image[None], parse(run.recipe.cleaning)).images[0], np.uint8)


def fed_to(run: Run, dataset: Dataset, position: int, card: ModelCard) -> NDArray[np.uint8]:
    """(H, W, C) uint8 of the size that the network takes; errors as ``shown_to``."""
    if card.inputs == "caption":
        return np.zeros((*card.image_size, card.channels), np.uint8)
    if run.recipe.cleaning:
        return shown_to(run, dataset, position)
    return np.asarray(dataset.images.resized(np.array([position]), *card.image_size, card.channels)[0])
