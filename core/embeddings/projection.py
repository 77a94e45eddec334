"""From features to two dimensions: principal components at once, UMAP after."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.embeddings.maps import MapRequest

Floats = NDArray[np.float32]
Report = Callable[[float, str], None]

_ROWS = 16_384


def principal_components(values: Floats, n_components: int = 2) -> Floats:
    """(n, n_components) float32: the coordinates along the directions of greatest variance.

    Each direction's sign is fixed (its largest loading is positive), so that the same features give the same
    picture. Directions beyond the features' own number are 0.
    """
    n, dimensions = values.shape
    mean = np.zeros(dimensions)
    for start in range(0, n, _ROWS):
        mean += values[start : start + _ROWS].sum(axis=0, dtype=np.float64)
    mean = (mean / n).astype(np.float32)
    scatter = np.zeros((dimensions, dimensions))
    for start in range(0, n, _ROWS):
        centred = values[start : start + _ROWS] - mean
        scatter += centred.T @ centred
    _, axes = np.linalg.eigh(scatter)
    axes = axes[:, ::-1][:, :n_components]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
    axes = (axes * np.where(largest < 0, -1, 1)).astype(np.float32)
    out = np.zeros((n, n_components), np.float32)
    for start in range(0, n, _ROWS):
        out[start : start + _ROWS, : axes.shape[1]] = (values[start : start + _ROWS] - mean) @ axes
    return out


def umap_reference(
    values: Floats, request: MapRequest, *, report: Report = lambda share, text: None
) -> Floats:
    """(n, 2) float32 by umap-learn (McInnes, Healy, Melville 2018) with a seed, so in one thread.

    Args:
        values: (n, D), n larger than 4.
        request: Which parameters; no more neighbours are asked for than there are.
        report: Told how far the layout is; what it raises ends the projection.
    """
    import umap

    report(0.0, "UMAP: neighbours")
    model = umap.UMAP(
        n_neighbors=min(request.n_neighbors, len(values) - 1),
        min_dist=request.min_dist,
        metric=request.metric,
        random_state=request.seed,
        n_jobs=1,
        verbose=True,
        tqdm_kwds={"file": _Watcher(report), "bar_format": "{n_fmt}/{total_fmt}\n", "mininterval": 0.5},
    )
    return np.asarray(model.fit_transform(values), np.float32)


class _Watcher:
    """A file that tqdm writes its bar to: "12/200" becomes a report."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def write(self, text: str) -> None:
        """Take one line of the bar."""
        done, slash, total = text.strip().partition("/")
        if slash and done.isdecimal() and total.isdecimal():
            self._report(int(done) / int(total), f"UMAP: layout, epoch {done} of {total}")

    def flush(self) -> None:
        """Nothing is kept back."""
