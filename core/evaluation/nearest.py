"""The training images that a run's network holds most alike: cosine similarity of its features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import DamagedFile, NotFound
from core.evaluation.predictions import Predictions
from core.files import read_array
from core.runs.store import Run

CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The most similar items, best first.

    Attributes:
        item_ids: (k,) str.
        similarity: (k,) float32 cosine, -1 to 1.
    """

    item_ids: NDArray[np.str_]
    similarity: NDArray[np.float32]


def nearest_training_items(run: Run, predictions: Predictions, item_id: str, k: int = 8) -> Neighbours:
    """The k training items whose features point most nearly the same way as this item's.

    The item itself is left out. Reads the features chunk by chunk from a memory map.

    Args:
        run: Whose features.npy to read; row i belongs to row i of ``predictions``.
        predictions: All of the run's predictions.
        item_id: Any item of the run.
        k: How many; fewer when there are not as many training items.

    Raises:
        NotFound: The run kept no features, or does not know the item.
        DamagedFile: The features do not fit the predictions.
    """
    if not run.features_file.exists():
        raise NotFound(f"Run {run.name!r} kept no features.", "Resume it to write them.")
    features = read_array(run.features_file)
    if features.ndim != 2 or features.dtype.kind != "f" or len(features) != len(predictions):
        raise DamagedFile(
            f"{run.features_file} is {features.dtype} {features.shape} for {len(predictions):,} items.",
            "Resume the run to write its results again.",
        )
    found = np.flatnonzero(predictions.item_ids == item_id)
    if not len(found):
        raise NotFound(f"Run {run.name!r} has no item {item_id!r}.", "It may be newer than the run.")
    row = int(found[0])
    candidates = np.flatnonzero(predictions.split == "train")
    candidates = candidates[candidates != row]
    rows, similarity = most_similar(features, np.asarray(features[row]), candidates, k)
    return Neighbours(predictions.item_ids[rows], similarity)


def most_similar(
    features: NDArray[np.floating], query: NDArray[np.floating], rows: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k of ``rows`` with the highest cosine similarity to ``query``, best first.

    Args:
        features: (N, D), usually a memory map.
        query: (D,).
        rows: Candidate rows, ascending.
        k: How many.

    Returns:
        (rows (k,), similarity (k,) float32); features of length zero have similarity 0.
    """
    target = _unit(query.astype(np.float32)[None])[0]
    similarity = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), CHUNK):
        block = np.asarray(features[rows[start : start + CHUNK]], np.float32)
        similarity[start : start + CHUNK] = _unit(block) @ target
    k = min(k, len(rows))
    best = np.argpartition(-similarity, k - 1)[:k] if k else np.empty(0, np.int64)
    best = best[np.lexsort((rows[best], -similarity[best]))]
    return rows[best], similarity[best]


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    out = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=out, where=lengths > 0)
    return out
