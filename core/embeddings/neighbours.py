"""The images most like one: exact search, and an index that looks only where it is worth it.

The index deals the images into about sqrt(n) clusters (k-means) and compares a query with those of the
nearest clusters only: the inverted file of Sivic and Zisserman (2003). One image among a million is found in
milliseconds, and the neighbours of all images, which a map needs, in one pass over the clusters.
Everything is seeded; equal input gives equal output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.cache import cached_arrays
from core.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from core.embeddings.features import Features

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Report = Callable[[float, str], None]

EXACT_UP_TO = 10_000
"""So many images are compared all with all: no index is as fast."""
N_PROBES = 12
LARGEST_CLUSTER = 4
"""Clusters larger than this many times the mean are cut: thousands of copies of one image make such."""
_BLOCK = 1_024
_ROUNDS = 8
_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Index:
    """Which images are in which of c clusters.

    Attributes:
        centroids: (c, D) float32, in the space of ``comparable``.
        order: (n,) int64 rows, cluster after cluster.
        starts: (c + 1,) int64: cluster j is ``order[starts[j]:starts[j + 1]]``.
    """

    centroids: Floats
    order: Rows
    starts: Rows

    def members(self, clusters: NDArray[np.integer]) -> Rows:
        """The rows in some clusters."""
        return np.concatenate([self.order[self.starts[j] : self.starts[j + 1]] for j in clusters.tolist()])


def comparable(values: Floats, metric: str) -> Floats:
    """Vectors whose squared Euclidean distance orders like ``metric``: of length 1 for "cosine"."""
    if metric != "cosine":
        return values
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    out = np.zeros_like(values)
    np.divide(values, lengths, out=out, where=lengths > 0)
    return out


def as_distance(squares: Floats, metric: str) -> Floats:
    """Squared distances of comparable vectors as Euclidean distance, or as 1 - cosine similarity."""
    return np.asarray(squares / 2 if metric == "cosine" else np.sqrt(squares), np.float32)


def most_similar(
    values: Floats, query: Floats, k: int, *, metric: str = "cosine", rows: Rows | None = None
) -> tuple[Rows, Floats]:
    """The k images nearest to one vector, nearest first; exact, and needs no torch.

    Args:
        values: (n, D).
        query: (D,).
        rows: Candidates; all when not given.

    Returns:
        (rows (k,), distances (k,)), fewer where there are no more.
    """
    target = comparable(np.asarray(query, np.float32)[None], metric)[0]
    candidates = np.arange(len(values)) if rows is None else rows
    squares = np.empty(len(candidates), np.float32)
    for start in range(0, len(candidates), _ROWS):
        part = slice(start, start + _ROWS)
        chosen = np.asarray(values[part] if rows is None else values[rows[part]], np.float32)
        difference = comparable(chosen, metric) - target
        squares[part] = np.einsum("ij,ij->i", difference, difference)
    k = min(k, len(candidates))
    best = np.argpartition(squares, k - 1)[:k] if k else np.zeros(0, np.int64)
    best = best[np.lexsort((candidates[best], squares[best]))]
    return candidates[best], as_distance(squares[best], metric)


def search(
    values: Floats, index: Index, query: Floats, k: int, *, metric: str = "cosine", n_probes: int = N_PROBES
) -> tuple[Rows, Floats]:
    """Like most_similar, but only among the ``n_probes`` clusters nearest to the query."""
    target = comparable(np.asarray(query, np.float32)[None], metric)[0]
    difference = index.centroids - target
    apart = np.einsum("ij,ij->i", difference, difference)
    near = np.argsort(apart, kind="stable")
    sizes = np.diff(index.starts)[near]
    n_needed = max(n_probes, int(np.searchsorted(np.cumsum(sizes), k) + 1))
    return most_similar(values, query, k, metric=metric, rows=index.members(near[:n_needed]))


def index_of(workspace: Workspace, features: Features, metric: str = "cosine") -> Index:
    """The index of some features, from the cache or made and kept there."""

    def compute() -> dict[str, Any]:
        made = build_index(features.values, metric)
        return {"centroids": made.centroids, "order": made.order, "starts": made.starts}

    key = {"features": features.digest, "metric": metric}
    return Index(**cached_arrays(workspace, "neighbour-index-1", key, compute))


def build_index(values: Floats, metric: str = "cosine", seed: int = 0) -> Index:
    """Deal n vectors into about sqrt(n) clusters: k-means on a seeded draw, then all to the nearest."""
    import torch

    n = len(values)
    n_clusters = max(1, round(n**0.5))
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(n, min(n, 64 * n_clusters), replace=False))
    sample = torch.from_numpy(comparable(np.asarray(values[drawn]), metric)).to(_device())
    first = torch.from_numpy(rng.choice(len(drawn), n_clusters, replace=False)).to(sample.device)
    centroids = sample[first].clone()
    for _ in range(_ROUNDS):
        centroids = _means(sample, _nearest_centroid(sample, centroids), centroids)
    labels = np.empty(n, np.int64)
    for start in range(0, n, _ROWS):
        block = torch.from_numpy(comparable(np.asarray(values[start : start + _ROWS]), metric))
        labels[start : start + _ROWS] = _nearest_centroid(block.to(sample.device), centroids).cpu().numpy()
    return _cut(labels, centroids.cpu().numpy(), LARGEST_CLUSTER * -(-n // n_clusters))


def _nearest_centroid(vectors: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    import torch

    halves = (centroids * centroids).sum(1) / 2
    blocks = [(part @ centroids.T - halves).argmax(1) for part in torch.split(vectors, 8_192)]
    return torch.cat(blocks)


def _means(vectors: torch.Tensor, labels: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """(c, D) the mean of each cluster; an empty one stays where it was. The order of summation is fixed."""
    import torch

    order = torch.argsort(labels, stable=True)
    counts = torch.bincount(labels, minlength=len(before))
    sums = torch.segment_reduce(vectors[order], "sum", lengths=counts, axis=0)
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], before)


def _cut(labels: Rows, centroids: Floats, most: int) -> Index:
    """The index, with no cluster larger than ``most``: the parts of a cut one share its centroid."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=len(centroids)))
    starts: list[int] = []
    owners: list[int] = []
    begin = 0
    for cluster, end in enumerate(ends.tolist()):
        for start in range(begin, end, most):
            starts.append(start)
            owners.append(cluster)
        begin = end
    return Index(centroids[owners], order, np.array([*starts, len(labels)], np.int64))


def neighbour_graph(
    values: Floats,
    k: int,
    *,
    metric: str = "euclidean",
    seed: int = 0,
    n_probes: int = N_PROBES,
    report: Report = lambda share, text: None,
) -> tuple[NDArray[np.int32], Floats]:
    """The k nearest others of every image: exact up to EXACT_UP_TO images, by clusters above.

    Args:
        values: (n, D).
        k: Less than n.

    Returns:
        (rows (n, k) int32, distances (n, k) float32), nearest first.
    """
    n = len(values)
    index = build_index(values, metric, seed) if n > EXACT_UP_TO else None
    rows = np.empty((n, k), np.int32)
    distances = np.empty((n, k), np.float32)
    for done, (queries, found) in enumerate(_candidates(values, metric, index, k + 1, n_probes)):
        others, squares = _ranked(values, metric, queries, found, k)
        rows[queries], distances[queries] = others, as_distance(squares, metric)
        if done % 16 == 0:
            report(min(1.0, done * (_BLOCK if index is None else n / len(index.centroids)) / n), "neighbours")
    return rows, distances


def _candidates(values: Floats, metric: str, index: Index | None, k: int, n_probes: int) -> Any:
    """(queries (m,), candidates (m, k)) for all rows, a cluster or a block of them at a time."""
    import torch

    device = _device()
    order = np.arange(len(values)) if index is None else index.order
    vectors = torch.from_numpy(comparable(np.asarray(values)[order], metric)).to(device)
    vectors -= vectors.mean(0)  # near the origin float32 tells small distances apart
    halves = (vectors * vectors).sum(1) / 2
    if index is None:
        for start in range(0, len(vectors), _BLOCK):
            closeness = vectors[start : start + _BLOCK] @ vectors.T - halves
            yield order[start : start + _BLOCK], closeness.topk(k, dim=1).indices.cpu().numpy()
        return
    near = _near_clusters(index, k, n_probes)
    for cluster, probed in enumerate(near):
        own = slice(int(index.starts[cluster]), int(index.starts[cluster + 1]))
        if own.start == own.stop:
            continue
        spans = [slice(int(index.starts[j]), int(index.starts[j + 1])) for j in probed]
        others = torch.cat([vectors[span] for span in spans])
        closeness = vectors[own] @ others.T - torch.cat([halves[span] for span in spans])
        candidates = np.concatenate([order[span] for span in spans])
        yield order[own], candidates[closeness.topk(k, dim=1).indices.cpu().numpy()]


def _near_clusters(index: Index, k: int, n_probes: int) -> list[list[int]]:
    """Of each cluster the nearest ones, itself first: n_probes of them, or more until they hold k images."""
    centroids = index.centroids.astype(np.float64)
    halves = (centroids * centroids).sum(1) / 2
    sizes = np.diff(index.starts)
    near = []
    for cluster in range(len(centroids)):
        closeness = centroids @ centroids[cluster] - halves
        closeness[cluster] = np.inf
        order = np.argsort(-closeness, kind="stable")
        n_needed = max(n_probes, int(np.searchsorted(np.cumsum(sizes[order]), k) + 1))
        near.append(order[:n_needed].tolist())
    return near


def _ranked(
    values: Floats, metric: str, queries: Rows, found: Rows, k: int
) -> tuple[NDArray[np.int32], Floats]:
    """The k nearest of some candidates without the query itself, by distances taken anew: those of the search
    are differences of large numbers, and say little of near copies.
    """
    vectors = comparable(np.asarray(values[queries]), metric)
    others = comparable(np.asarray(values[found.ravel()]), metric).reshape(*found.shape, -1)
    others -= vectors[:, None]
    squares = np.einsum("ijk,ijk->ij", others, others)
    squares[found == queries[:, None]] = np.inf
    order = np.lexsort((found, squares), axis=1)[:, :k]
    return (
        np.take_along_axis(found, order, axis=1).astype(np.int32),
        np.take_along_axis(squares, order, axis=1),
    )


def nearest(
    values: Floats, queries: Floats, k: int, *, metric: str = "euclidean"
) -> tuple[NDArray[np.int64], Floats]:
    """The k vectors nearest to each of many queries, nearest first; exact.

    Args:
        values: (n, D).
        queries: (m, D), usually not among them.
        k: At most n.

    Returns:
        (rows (m, k), distances (m, k)).
    """
    import torch

    device = _device()
    vectors = torch.from_numpy(comparable(np.asarray(values), metric)).to(device)
    middle = vectors.mean(0)
    vectors = vectors - middle
    halves = (vectors * vectors).sum(1) / 2
    asked = comparable(np.asarray(queries, np.float32), metric)
    rows, squares = [], []
    for start in range(0, len(asked), _BLOCK):
        block = asked[start : start + _BLOCK]
        closeness = (torch.from_numpy(block).to(device) - middle) @ vectors.T - halves
        found = closeness.topk(k, dim=1).indices.cpu().numpy()
        difference = comparable(np.asarray(values[found.ravel()]), metric).reshape(*found.shape, -1)
        difference -= block[:, None]
        apart = np.einsum("ijk,ijk->ij", difference, difference)
        order = np.lexsort((found, apart), axis=1)
        rows.append(np.take_along_axis(found, order, axis=1))
        squares.append(np.take_along_axis(apart, order, axis=1))
    return np.concatenate(rows), as_distance(np.concatenate(squares), metric)


def recall(found: NDArray[np.integer], exact: NDArray[np.integer]) -> float:
    """The share of the exact neighbours that were found; both (m, k)."""
    hits = (found[:, :, None] == exact[:, None, :]).any(axis=1)
    return float(hits.mean())


def _device() -> torch.device:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
