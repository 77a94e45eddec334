"""UMAP's layout (McInnes, Healy, Melville 2018), made fast: the same graph and the same forces.

What differs from umap-learn: the neighbours come from core.embeddings.neighbours; the start is the principal
components, no eigenvectors of the graph; and in each epoch every point moves by itself, with the others where
they were before it. So the points can move in any number of threads at once, and the same seed makes the same
map, bit for bit, which umap-learn promises in one thread only. Draws follow from (seed, epoch, point) and
have no state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Report = Callable[[float, str], None]

MANY = 10_000
START_EXTENT = 20.0
N_NEGATIVE = 5
_SEARCH_ROUNDS = 40
_LEAST_SIGMA = 1e-3


def memberships(distances: Floats) -> Floats:
    """(n, k) how strongly each point holds its neighbours, 0 to 1: UMAP's smoothed kernel.

    The nearest distinct neighbour has 1; the others decay so that the sum is log2(k + 1).

    Args:
        distances: (n, k), nearest first, the point itself not among them.
    """
    k = distances.shape[1]
    apart = distances > 0
    nearest = np.where(apart.any(axis=1), distances[np.arange(len(apart)), apart.argmax(axis=1)], 0)
    gaps = np.maximum(distances - nearest[:, None], 0).astype(np.float32)
    target = np.log2(k + 1)
    low, high = np.zeros(len(gaps), np.float32), np.full(len(gaps), np.inf, np.float32)
    sigma = np.ones(len(gaps), np.float32)
    for _ in range(_SEARCH_ROUNDS):
        too_wide = np.exp(-gaps / sigma[:, None]).sum(axis=1) > target
        high, low = np.where(too_wide, sigma, high), np.where(too_wide, low, sigma)
        sigma = np.where(np.isinf(high), 2 * sigma, (low + high) / 2)
        sigma = np.clip(sigma, 1e-12, 1e12).astype(np.float32)
    floor = _LEAST_SIGMA * np.maximum(distances.mean(axis=1), 1e-9)
    return np.asarray(np.exp(-gaps / np.maximum(sigma, floor)[:, None]), np.float32)


def fuzzy_graph(rows: NDArray[np.int32], distances: Floats) -> Any:
    """The symmetric graph of neighbours as a scipy CSR matrix (n, n): w + w' - w w', UMAP's fuzzy union."""
    from scipy.sparse import csr_matrix

    n, k = rows.shape
    starts = np.arange(0, n * k + 1, k)
    directed = csr_matrix((memberships(distances).ravel(), rows.ravel(), starts), shape=(n, n))
    other = directed.T.tocsr()
    graph = (directed + other - directed.multiply(other)).tocsr()
    graph.sort_indices()
    return graph


def curve(min_dist: float) -> tuple[float, float]:
    """(a, b) of 1 / (1 + a d^(2b)), fitted to 1 up to ``min_dist`` and exp(min_dist - d) beyond."""
    from scipy.optimize import curve_fit

    x = np.linspace(0, 3, 300)
    y = np.where(x < min_dist, 1.0, np.exp(-(x - min_dist)))
    (a, b), _ = curve_fit(lambda x, a, b: 1 / (1 + a * x ** (2 * b)), x, y)
    return float(a), float(b)


def forces(a: float, b: float) -> tuple[Floats, Floats]:
    """(pull, push) by squared distance, for the kernel to look up: what a difference is multiplied by.

    Pull is the gradient of log(1 / (1 + a d^2b)), push that of log(1 - ...), with UMAP's 0.001 against poles.
    """
    from core.embeddings.layout_kernel import LOWEST, OCTAVES, STEPS

    entries = np.arange(OCTAVES << STEPS)
    steps = 1 << STEPS
    squares = 2.0 ** (LOWEST + entries // steps) * (1 + (entries % steps + 0.5) / steps)
    spread = a * squares**b
    pull = 2 * b * spread / (squares * (spread + 1))
    push = 2 * b / ((0.001 + squares) * (spread + 1))
    return pull.astype(np.float32), push.astype(np.float32)


def lay_out(
    graph: Any,
    start: Floats,
    *,
    min_dist: float = 0.1,
    seed: int = 0,
    n_epochs: int | None = None,
    report: Report = lambda share, text: None,
) -> Floats:
    """(n, 2) float32: points that the graph holds together come near, others are pushed apart.

    Args:
        graph: What fuzzy_graph makes.
        start: (n, 2) coordinates to begin from; only their shape counts, not their scale.
        min_dist: How closely points may lie.
        seed: Of the draws; the same seed makes the same layout with any number of threads.
        n_epochs: 200, or 500 for up to MANY points, as umap-learn has it.
        report: Told how far it is; what it raises ends the layout.
    """
    from core.embeddings.layout_kernel import epoch

    n_epochs = n_epochs or (200 if len(start) > MANY else 500)
    pull, push = forces(*curve(min_dist))
    graph = graph.copy()
    graph.data[graph.data < graph.data.max() / n_epochs] = 0
    graph.eliminate_zeros()
    rates = (graph.data / graph.data.max()).astype(np.float32)
    starts, others = graph.indptr.astype(np.int64), graph.indices.astype(np.int32)
    old = _spread(start, seed)
    new = old.copy()
    for number in range(n_epochs):
        alpha = np.float32(1 - number / n_epochs)
        epoch(old, new, starts, others, rates, number, alpha, pull, push, seed, N_NEGATIVE)
        old, new = new, old
        report((number + 1) / n_epochs, f"layout, epoch {number + 1} of {n_epochs}")
    return old


def _spread(start: Floats, seed: int) -> Floats:
    """The start at the layout's scale, with a little noise that parts copies."""
    centred = start - start.mean(axis=0)
    extent = float(np.abs(centred).max())
    scaled = centred * (START_EXTENT / extent if extent > 0 else 0)
    noise = np.random.default_rng(seed).normal(0, 1e-3, start.shape)
    return np.ascontiguousarray(scaled + noise, np.float32)


def place(rows: NDArray[np.integer], distances: Floats, xy: Floats) -> Floats:
    """(m, 2) float32: where new images belong on an existing map, which stays as it is.

    Each goes to the weighted geometric median of its neighbours there (Weiszfeld's iteration), which lies
    among most of them, where a mean may fall between two islands.

    Args:
        rows: (m, k) the new images' nearest of the map, from core.embeddings.neighbours.nearest.
        distances: (m, k).
        xy: (n, 2) the map.
    """
    weights = memberships(distances)
    weights[(distances[:, :1] == 0) & (distances > 0)] *= 1e-3  # beside a copy the others hardly count
    points = xy[rows]
    found = (weights[..., None] * points).sum(axis=1) / weights.sum(axis=1)[:, None]
    for _ in range(20):
        apart = np.linalg.norm(points - found[:, None], axis=2)
        pulls = weights / np.maximum(apart, 1e-6)
        found = (pulls[..., None] * points).sum(axis=1) / pulls.sum(axis=1)[:, None]
    return np.asarray(found, np.float32)
