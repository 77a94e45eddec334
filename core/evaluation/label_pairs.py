"""Which labels go wrong together, where an image has several: by label and label pair, known labels only."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.evaluation.multilabel import MultiLabelScores

Kind = Literal["said-for", "wrong-together"]
KINDS: tuple[Kind, ...] = ("said-for", "wrong-together")


def pair_counts(found: MultiLabelScores, kind: Kind) -> NDArray[np.int64]:
    """(K, K) images by pair of labels.

    Args:
        kind: "said-for": row i, column j: images that have label i and on which label j is said yes though
            it is no; on the diagonal those with label i on which it is said. "wrong-together": images on
            which both labels are told wrong; on the diagonal those on which the one is.
    """
    rows, columns = _parts(found, kind)
    counts = rows.T.astype(np.int64) @ columns.astype(np.int64)
    if kind == "said-for":
        np.fill_diagonal(counts, found.counts.tp)
    return np.asarray(counts)


def pair_rows(found: MultiLabelScores, kind: Kind, i: int, j: int) -> NDArray[np.int64]:
    """Rows of the images of one cell of ``pair_counts``, the surest of the answer on label j first."""
    rows, columns = _parts(found, kind)
    if kind == "said-for" and i == j:
        mask = (found.labels[:, i] == 1) & found.predicted[:, i]
    else:
        mask = rows[:, i] & columns[:, j]
    at = np.flatnonzero(mask)
    sure = np.abs(found.pred_probs[at, j] - found.thresholds[j])
    return at[np.argsort(-sure, kind="stable")]


def largest_pair(counts: NDArray[np.int64]) -> tuple[int, int] | None:
    """The cell off the diagonal with the most images; None without any."""
    off = counts - np.diag(np.diagonal(counts))
    if not off.size or not off.max():
        return None
    i, j = np.unravel_index(int(off.argmax()), off.shape)
    return int(i), int(j)


def _parts(found: MultiLabelScores, kind: Kind) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n, K) what counts for a label as a row, and as a column."""
    yes = found.labels == 1
    if kind == "said-for":
        return yes, (found.labels == 0) & found.predicted
    wrong = found.known & (found.predicted != yes)
    return wrong, wrong
