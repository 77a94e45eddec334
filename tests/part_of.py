"""A part of the shipped sample as a data set of its own: the same images and labels, fewer of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.data.writer import write_array_dataset
from core.workspace import Workspace


def part_of(
    workspace: Workspace,
    sample: Dataset,
    rows: NDArray[np.int64],
    name: str,
    *,
    labels: NDArray[np.int64] | None = None,
    step: int = 1,
) -> Dataset:
    """The images at ``rows``.

    Args:
        labels: (n,) others than they have.
        step: Of each image every ``step``-th row and column of pixels is kept.
    """
    return write_array_dataset(
        workspace,
        name,
        title=name.capitalize(),
        task=sample.task,
        classes=sample.classes,
        item_ids=np.asarray(sample.item_ids)[rows],
        split=np.asarray(sample.split)[rows],
        labels=np.array(sample.labels, np.int64)[rows] if labels is None else labels,
        images=np.array(sample.images.pixels)[rows][:, ::step, ::step],  # type: ignore[attr-defined]
    )
