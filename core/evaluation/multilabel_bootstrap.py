"""Figures of draws of the images, for a paired bootstrap where images have several labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.evaluation.multilabel import Floats, MultiLabelScores

AT_ONCE = 250
"""So many draws are held in memory at a time."""


def drawn_figures(
    found: MultiLabelScores,
    n_draws: int,
    seed: int,
    on_share: Callable[[float], None] = lambda share: None,
) -> dict[str, Floats]:
    """mean_f1 (n_draws,), auc and f1 (n_draws, K) of draws of the images; alike for the same seed.

    Args:
        on_share: Told how many of them are done, 0 to 1.
    """
    rng, n = np.random.default_rng(seed), len(found.labels)
    parts: dict[str, list[Floats]] = {"mean_f1": [], "auc": [], "f1": []}
    yes, said, known = found.labels == 1, found.predicted, found.known
    hits, either = (yes & said).astype(np.float32), (known * (yes * 1.0 + said)).astype(np.float32)
    for start in range(0, n_draws, AT_ONCE):
        on_share(start / n_draws)
        size = min(AT_ONCE, n_draws - start)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float32)
        parts["mean_f1"].append(np.asarray(weights @ found.of_images["f1"] / n, np.float64))
        below = weights @ either
        with np.errstate(invalid="ignore", divide="ignore"):
            f1 = np.where(below > 0, 2 * (weights @ hits) / below, np.nan)
        parts["f1"].append(f1.astype(np.float64))
        parts["auc"].append(weighted_aucs(found, np.ascontiguousarray(weights.T)))
    return {name: np.concatenate(values) for name, values in parts.items()}


def weighted_aucs(found: MultiLabelScores, weights: NDArray[np.float32]) -> Floats:
    """(n_draws, K) ROC AUC with images weighted by ``weights`` (n, n_draws); NaN without a yes or a no."""
    out = np.full((weights.shape[1], found.labels.shape[1]), np.nan)
    for k in range(found.labels.shape[1]):
        rows = np.flatnonzero(found.known[:, k])
        scores = found.pred_probs[rows, k]
        order = np.argsort(scores, kind="stable")
        rows, scores = rows[order], scores[order]
        if not len(rows):
            continue
        yes = (found.labels[rows, k] == 1)[:, None]
        drawn, starts = weights[rows], np.flatnonzero(np.r_[True, np.diff(scores) != 0])
        n_yes = np.add.reduceat(drawn * yes, starts, axis=0, dtype=np.float64)
        n_no = np.add.reduceat(drawn * ~yes, starts, axis=0, dtype=np.float64)
        below = np.cumsum(n_no, axis=0) - n_no / 2
        pairs = n_yes.sum(axis=0) * n_no.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[:, k] = np.where(pairs > 0, (n_yes * below).sum(axis=0) / pairs, np.nan)
    return out


def mean_of_rows(values: Floats) -> Floats:
    """(n,) means of the rows, NaN left out; NaN where there is nothing else."""
    there = ~np.isnan(values)
    n = there.sum(axis=1)
    return np.where(n > 0, np.where(there, values, 0).sum(axis=1) / np.maximum(n, 1), np.nan)
