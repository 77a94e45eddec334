"""The sample with faults put in: copies, damaged copies and images that no one can use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from core.data.dataset import SPLITS, Dataset
from core.data.writer import write_array_dataset
from core.quality.duplicates import SimilarImages
from core.workspace import Workspace

Pixels = np.ndarray


def with_images(
    workspace: Workspace,
    sample: Dataset,
    planted: list[tuple[Pixels, int, str]],
    *,
    n: int = 2000,
    name: str = "planted",
) -> tuple[Dataset, list[int]]:
    """Every third of the sample's images and those of ``planted``, (pixels (28, 28), label, split) each.

    Returns the data set, and where the planted ones are.
    """
    rows = np.arange(len(sample))[::3][:n]
    pixels = [np.array(sample.images.pixels)[rows], *[one.reshape(1, 28, 28, 1) for one, _, _ in planted]]  # type: ignore[attr-defined]
    labels = [np.array(sample.labels)[rows], [label for _, label, _ in planted]]
    split = [np.array(sample.split)[rows], [SPLITS.index(part) for _, _, part in planted]]
    total = len(rows) + len(planted)
    dataset = write_array_dataset(
        workspace,
        name,
        title="Planted",
        task=sample.task,
        classes=sample.classes,
        item_ids=np.array([f"{k:05d}" for k in range(total)]),
        split=np.concatenate(split).astype(np.int8),
        labels=np.concatenate(labels).astype(np.int64),
        images=np.concatenate(pixels).astype(np.uint8),
    )
    return dataset, list(range(len(rows), total))


def original(sample: Dataset, position: int) -> Pixels:
    """The pixels (28, 28) of an item of the sample."""
    return np.array(sample.images.read(position))[..., 0]


def filtered(pixels: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    """The pixels after a change made by Pillow."""
    return np.asarray(change(Image.fromarray(pixels)))


def blurred(pixels: Pixels, radius: float = 1.0) -> Pixels:
    """Smoothed with a Gaussian."""
    return filtered(pixels, lambda image: image.filter(ImageFilter.GaussianBlur(radius)))


def similar(*groups: list[int]) -> SimilarImages:
    """Groups as given, of identical pixels."""
    members = np.array([one for group in groups for one in group], np.int64)
    starts = np.cumsum([0, *map(len, groups)])
    return SimilarImages(members, starts, np.zeros(len(members), np.float32), members)
