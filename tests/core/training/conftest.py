"""A problem that a small network solves in a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from core.runs.recipe import Recipe, make_recipe
from core.training.parts import Parts


@dataclass
class Shapes:
    """Bright bars on noise: class 0 horizontal, 1 vertical, 2 a dot."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    parts: Parts
    classes: tuple[str, ...] = ("lying", "standing", "dot")


@pytest.fixture(scope="session")
def shapes() -> Shapes:
    rng = np.random.default_rng(0)
    n = 360
    labels = np.arange(n) % 3
    pixels = rng.integers(0, 90, (n, 12, 12, 1), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        y, x = rng.integers(3, 9, 2)
        image[
            y : y + (1 if label == 0 else 2), x - (3 if label == 0 else 0) : x + 3 if label == 0 else x + 1
        ] = 220
        if label == 1:
            image[y - 3 : y + 3, x] = 220
    order = rng.permutation(n)
    return Shapes(pixels, labels, Parts(*(np.sort(part) for part in np.split(order, [240, 300]))))


@pytest.fixture
def recipe() -> Recipe:
    """A narrow plain CNN, everything random switched on, one thread."""
    return make_recipe(
        {
            "width": 4,
            "epochs": 4,
            "batch_size": 32,
            "learning_rate": 0.01,
            "dropout": 0.2,
            "flip_share": 0.5,
            "shift_share": 0.5,
            "shift_pixels": 1,
            "threads": 1,
        }
    )
