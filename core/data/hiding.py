"""Playing "few labels": a data set whose labels are hidden but for a few, and the truth kept to measure by.

The hidden labels lie beside the data set as hidden_labels.npy. Nothing trains on them: they tell how often
pseudo-labels are right, and what an answer would have been.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset, Task
from core.data.labels import Labels
from core.data.writer import HIDDEN_FILE, write_relabelled
from core.errors import BadInput
from core.files import read_array
from core.workspace import Workspace


def hidden_truth(dataset: Dataset) -> NDArray[Any] | None:
    """The labels that were hidden, in the form of ``dataset.labels``; None where nothing was."""
    file = dataset.folder / HIDDEN_FILE
    return read_array(file) if file.exists() else None


def hide_labels(
    workspace: Workspace,
    source: Dataset,
    name: str,
    *,
    keep: int | None = None,
    share: float = 0.9,
    seed: int = 0,
) -> Dataset:
    """``source`` again as ``name``, most of its training labels hidden; validation and test keep theirs.

    Args:
        keep: How many training labels stay, by class as evenly as the classes are large.
        share: Of the training labels, how many are hidden, where ``keep`` is None.
        seed: Which.

    Raises:
        BadInput: Nothing would stay, or nothing be hidden.
        NameTaken: There is a data set of that name.
    """
    given = source.given
    train = np.flatnonzero((np.asarray(source.split) == SPLITS.index("train")) & given.labeled)
    wanted = keep if keep is not None else round(len(train) * (1 - share))
    if not 1 <= wanted < len(train):
        raise BadInput(
            f"Of {len(train):,} training labels {wanted:,} would stay.",
            f"Keep between 1 and {len(train) - 1:,}.",
        )
    kept = drawn(given.take(train), wanted, seed)
    hidden = np.zeros(len(source), bool)
    hidden[train[~kept]] = True
    return write_relabelled(
        workspace,
        source,
        name,
        title=f"{source.title}, {int(kept.sum()):,} labels",
        classes=source.classes,
        labels=given.excluding(hidden).values,
        info={
            **source.info,
            "hidden_from": source.name,
            "hidden_seed": str(seed),
            "hidden_labels": str(int((~kept).sum())),
            "kept_labels": str(int(kept.sum())),
        },
        hidden=given.values,
    )


def drawn(labels: Labels, n: int, seed: int) -> NDArray[np.bool_]:
    """(N,) True for ``n`` of the labeled items, each class in its share."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(labels), np.bool_)
    if labels.task is Task.MULTI_LABEL:
        out |= labels.drawn(n / len(labels), seed)
    else:
        order = rng.permutation(len(labels))
        rank = np.empty(len(labels))
        for label in np.flatnonzero(labels.counts):
            members = order[labels.values[order] == label]
            rank[members] = (np.arange(len(members)) + rng.random()) / len(members)
        out[np.argsort(rank, kind="stable")[:n]] = True
    surplus = int(out.sum()) - n
    pool = rng.permutation(np.flatnonzero(out if surplus > 0 else ~out))
    out[pool[: abs(surplus)]] = surplus < 0
    return out
