"""Images as short vectors that a copy shares with its original, and the exact search for near ones.

An image is scaled down to 16 pixels a side or less and standardised, so that resizing, recompression,
brightness and contrast hardly count: two vectors are 0 apart for a copy and about 1.4 for unrelated images
(the distance is ``sqrt(2 - 2 r)`` for a correlation ``r`` of the pixels). No model is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from core.cache import cached_arrays
from core.data.dataset import Dataset
from core.data.findings import BLANK_DEVIATION
from core.data.statistics import ImageStatistics
from core.workspace import Workspace

DIMENSIONS = 64
SMALL = 16
"""Sides above this are halved."""
_SAMPLE = 8_192
_BLOCK = 1_024
_ROWS = 4_096
_MANY_PAIRS = 1_000_000

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]
Progress = Callable[[float], None]


def picturable(statistics: ImageStatistics) -> Positions:
    """Positions of the images with something to compare: decodable, and not one flat tone."""
    return np.flatnonzero(statistics.deviation >= BLANK_DEVIATION)


def standardised(pixels: NDArray[np.uint8]) -> Floats:
    """(n, P) float32 vectors of length 1 and mean 0, from small images (n, h, w, C); flat ones are 0."""
    across, down = _halving(pixels.shape[2]), _halving(pixels.shape[1])
    halved = np.einsum("ah,nhwc,bw->nabc", down, pixels.astype(np.float32), across, optimize=True)
    vectors = np.ascontiguousarray(halved.reshape(len(pixels), -1), np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 1e-3)
    return vectors


def _halving(side: int) -> Floats:
    """The matrix that averages ``side`` pixels to half as many, by area; the identity for small sides."""
    if side <= SMALL:
        return np.eye(side, dtype=np.float32)
    edges = np.linspace(0, side, (side + 1) // 2 + 1)
    starts = np.arange(side)
    covered = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    weights = np.clip(covered, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def vectors_of(
    workspace: Workspace, dataset: Dataset, statistics: ImageStatistics
) -> tuple[Positions, Floats]:
    """``picturable`` positions (n,) and their ``projected`` vectors (n, D), from the cache or kept there."""

    def compute() -> dict[str, NDArray[np.generic]]:
        positions = picturable(statistics)
        return {"positions": positions, "vectors": projected(statistics.small, positions)}

    kept = cached_arrays(workspace, "picture-vectors-1", {"fingerprint": dataset.fingerprint}, compute)
    return kept["positions"], kept["vectors"]


def projected(small: NDArray[np.uint8], positions: Positions) -> Floats:
    """(n, D + 1) float32 principal components of the standardised images, D at most 64, largest first.

    The last column is the length of what the components leave over, so that an image unlike all others is
    far from them. What is far apart here is at least as far apart in full. The axes come from a seeded draw
    of at most 8,192 images. Memory: the result and one block.
    """
    if len(positions) == 0:
        return np.zeros((0, 1), np.float32)
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.choice(positions, min(_SAMPLE, len(positions)), replace=False))
    sample = standardised(small[drawn])
    mean = sample.mean(axis=0)
    _, axes = np.linalg.eigh((sample - mean).T @ (sample - mean))
    axes = np.ascontiguousarray(axes[:, ::-1][:, :DIMENSIONS])
    out = np.empty((len(positions), axes.shape[1] + 1), np.float32)
    for start in range(0, len(positions), _ROWS):
        centred = standardised(small[positions[start : start + _ROWS]]) - mean
        along = centred @ axes
        left_over = np.einsum("ij,ij->i", centred, centred) - np.einsum("ij,ij->i", along, along)
        out[start : start + _ROWS, :-1] = along
        out[start : start + _ROWS, -1] = np.sqrt(np.maximum(left_over, 0))
    return out


def spacing(vectors: Floats, neighbours: int = 20) -> Floats:
    """(n,) how far about the ``neighbours``-th nearest other item is: what is a usual distance hereabouts.

    Estimated from a seeded draw: a tenth of the items, 1,000 at least and 8,192 at most.
    """
    n = len(vectors)
    if n < 2:
        return np.full(n, np.inf, np.float32)
    m = min(n, max(n // 10, 1_000), _SAMPLE)
    drawn = np.sort(np.random.default_rng(1).choice(n, m, replace=False))
    rank = min(m - 1, max(2, round(neighbours * m / n)))  # 0 would be the item itself, where it was drawn
    reference, halves = vectors[drawn], _halves(vectors)
    out = np.empty(n, np.float32)
    for start in range(0, n, _BLOCK):
        stop = min(n, start + _BLOCK)
        closeness = vectors[start:stop] @ reference.T - halves[drawn]
        kth = np.partition(closeness, m - 1 - rank, axis=1)[:, m - 1 - rank]
        out[start:stop] = np.sqrt(np.maximum(2 * (halves[start:stop] - kth), 0))
    return out


def near_pairs(
    vectors: Floats, radius: Floats, on_progress: Progress = lambda share: None
) -> Iterator[tuple[Positions, Positions]]:
    """All pairs (i, j), i != j, once each, at most the smaller of their two radii apart; block by block.

    Exact: sorted along the first axis, an item can only be near those within its radius there, and all of
    those are compared. Quadratic in the number of items within that window.

    Args:
        vectors: (n, D), the first axis that of the greatest spread.
        radius: (n,) how near another item must be to count, for each item.
        on_progress: Called with the share done.
    """
    order = np.argsort(vectors[:, 0], kind="stable")
    items, reach = vectors[order], radius[order]
    halves = _halves(items)
    first = np.ascontiguousarray(items[:, 0])
    for start in range(0, len(items), _BLOCK):
        stop = min(len(items), start + _BLOCK)
        end = int(np.searchsorted(first, first[stop - 1] + float(reach[start:stop].max()), "right"))
        closeness = items[start:stop] @ items[start:end].T
        closeness -= halves[start:end]
        needed = halves[start:stop] - reach[start:stop] ** 2 / 2
        i, j = np.nonzero(closeness >= needed[:, None])
        apart_squared = 2 * (halves[start + i] - closeness[i, j])
        keep = (j > i) & (apart_squared <= reach[start + j] ** 2)
        yield order[start + i[keep]], order[start + j[keep]]
        on_progress(stop / len(items))


def components(n: int, pairs: Iterator[tuple[Positions, Positions]]) -> Positions:
    """(n,) the smallest item of the connected component of the pairs that each item belongs to.

    Pairs are folded as they come, so that many copies of one image do not fill the memory.
    """
    label = np.arange(n)
    waiting: list[tuple[Positions, Positions]] = []
    for pair in pairs:
        waiting.append(pair)
        if sum(len(i) for i, _ in waiting) > _MANY_PAIRS:
            label, waiting = _folded(label, waiting), []
    return _folded(label, waiting)


def _folded(label: Positions, pairs: list[tuple[Positions, Positions]]) -> Positions:
    """Labels after the pairs' components were joined: the higher root hangs on the lower one."""
    label = label.copy()
    i, j = (np.concatenate([np.zeros(0, np.int64), *[pair[k] for pair in pairs]]) for k in (0, 1))
    while True:
        one, other = label[i], label[j]
        apart = one != other
        if not apart.any():
            return label
        i, j = i[apart], j[apart]
        np.minimum.at(label, np.maximum(one, other)[apart], np.minimum(one, other)[apart])
        while (deeper := label[label] != label).any():
            label[deeper] = label[label[deeper]]


def _halves(vectors: Floats) -> Floats:
    """(n,) half the squared lengths, so that ``x @ y - half(y)`` grows as y comes near."""
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors) / 2, np.float32)
