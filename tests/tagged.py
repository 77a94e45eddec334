"""A data set with several labels an image, some unknown, made from the real pixels of the shipped sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.data.writer import write_array_dataset
from core.workspace import Workspace

CLASSES = ("footwear", "sleeves", "whole body")
_TRUE = {"footwear": (5, 7, 9), "sleeves": (2, 4, 6), "whole body": (3, 4)}
UNKNOWN_EVERY = 4


_GROUNDS = ("on white ground", "from the side", "", "laid out flat")


def tagged(
    workspace: Workspace,
    sample: Dataset,
    n: int = 120,
    name: str = "tagged",
    *,
    captions: bool = False,
    split: NDArray[np.int8] | None = None,
) -> Dataset:
    """The first ``n`` images of the sample with three labels each; of every fourth the second is unknown.

    With ``captions`` each says what the thing is; of every tenth image there is none. Without ``split`` (n,)
    all are in the part that the sample has them in.
    """
    positions = np.arange(n)
    kinds = np.asarray(sample.labels[positions])
    labels = np.stack([np.isin(kinds, _TRUE[one]) for one in CLASSES], axis=1).astype(np.float32)
    labels[::UNKNOWN_EVERY, 1] = np.nan
    return write_array_dataset(
        workspace,
        name,
        title="Tagged clothes",
        task=Task.MULTI_LABEL,
        classes=CLASSES,
        item_ids=np.asarray(sample.item_ids[positions]),
        split=np.asarray(sample.split[positions]) if split is None else split,
        labels=labels,
        images=sample.images.resized(positions, 28, 28, 1),
        captions=[_caption(row, sample.classes[kind]) for row, kind in enumerate(kinds)]
        if captions
        else None,
    )


def _caption(row: int, kind: str) -> str:
    return "" if row % 10 == 9 else f"A {kind.lower()} {_GROUNDS[row % len(_GROUNDS)]}".strip()
