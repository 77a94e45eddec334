"""How far a map can be trusted: what is near on it against what is near in feature space.

Measured on a seeded draw of points, each against all others, so the figures are estimates with a standard
error of about a thousandth.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from core.embeddings.maps import MapQuality
from core.embeddings.neighbours import comparable
from core.embeddings.purity import class_overlap, map_neighbours

Floats = NDArray[np.float32]

N_NEIGHBOURS = 15
N_SAMPLED = 1_000
SEED = 0
_BLOCK = 256

CANNOT_TELL = (
    "A map in two dimensions keeps neighbourhoods, not distances: how far two islands are apart, how large "
    "or how dense one is, and where it lies mean little. One class in two islands may be one cloud in "
    "feature space, cut to be flattened, and points between islands may belong to neither. Check with the "
    "neighbours in feature space, the table of mixed classes, and a map with another seed."
)


def map_quality(
    values: Floats,
    xy: Floats,
    labels: NDArray[np.int64] | None,
    n_classes: int,
    *,
    metric: str = "euclidean",
    n_sampled: int = N_SAMPLED,
    seed: int = SEED,
) -> MapQuality | None:
    """Trustworthiness, continuity and purity of a map; None for fewer than four points.

    Trustworthiness and continuity are Venna and Kaski's (2001): 1 minus the sum over the k nearest on the map
    (in feature space) of how far beyond k their rank in feature space (on the map) is, scaled to 0 to 1.
    Equal distances share the best rank.

    Args:
        values: (n, D) features.
        xy: (n, 2) the map.
        labels: (n,) -1 unlabelled; None where an image has several.
        n_sampled: How many points are looked at, drawn with ``seed``.
    """
    n = len(values)
    k = min(N_NEIGHBOURS, (n - 1) // 3)
    if k < 1:
        return None
    drawn = np.sort(np.random.default_rng(seed).choice(n, min(n, n_sampled), replace=False))
    features = comparable(values, metric)
    near = map_neighbours(xy, k)
    purity = None
    if labels is not None and (labels >= 0).any():
        mean = class_overlap(near, labels, n_classes).mean_purity
        purity = None if math.isnan(mean) else mean
    return MapQuality(
        trustworthiness=_rank_score(features, xy, drawn, k),
        continuity=_rank_score(xy, features, drawn, k),
        purity=purity,
        n_neighbors=k,
        n_sampled=len(drawn),
    )


def _rank_score(truth: Floats, shown: Floats, drawn: NDArray[np.int64], k: int) -> float:
    """1 minus the scaled excess rank in ``truth`` of the k nearest in ``shown``, over the drawn points."""
    import torch

    n, excess = len(truth), 0.0
    spaces = [torch.from_numpy(np.ascontiguousarray(space - space.mean(axis=0))) for space in (truth, shown)]
    halves = [(space * space).sum(1) / 2 for space in spaces]
    with torch.inference_mode():
        for start in range(0, len(drawn), _BLOCK):
            rows = torch.from_numpy(drawn[start : start + _BLOCK])
            near_true, near_shown = (
                space[rows] @ space.T - half for space, half in zip(spaces, halves, strict=True)
            )
            own = torch.arange(len(rows))
            near_shown[own, rows] = -torch.inf
            near_true[own, rows] = -torch.inf
            found = near_shown.topk(k, dim=1).indices
            closeness = near_true.gather(1, found)
            for column in range(k):
                rank = (near_true > closeness[:, column : column + 1]).sum(1) + 1
                excess += float((rank - k).clamp(min=0).sum())
    return 1 - 2 * excess / (len(drawn) * k * (2 * n - 3 * k - 1))
