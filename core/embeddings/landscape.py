"""What can be drawn over a map: its density, contours, islands and their names, and where each class lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

BINS = 192
SMOOTHING = 2.0
"""Standard deviation of the Gaussian that smooths the density, in cells."""
SHARES = (0.5, 0.8, 0.95)
LEAST_POINTS = 0.004
"""Of all points: smaller islands get no name."""
PROMINENCE = 0.25
"""How deep the valley between two peaks must be, of the lower one's height, for two islands."""
_MARGIN = 1.05


@dataclass(frozen=True, eq=False)
class Density:
    """How many points lie where.

    Attributes:
        grid: (B, B) float32, points a cell, smoothed; ``grid[iy, ix]``.
        low: (2,) x and y of the first cell's lower corner.
        cell: Side of a cell.
    """

    grid: Floats
    low: Floats
    cell: float

    def cells(self, xy: Floats) -> tuple[Ints, Ints]:
        """(iy, ix) of points."""
        found = np.clip(((xy - self.low) / self.cell).astype(np.int64), 0, len(self.grid) - 1)
        return found[:, 1], found[:, 0]

    def places(self, rows: NDArray[np.floating], columns: NDArray[np.floating]) -> Floats:
        """(n, 2) xy of places given in cells; whole numbers are the middles of cells."""
        return np.asarray(np.stack([columns, rows], axis=-1) + 0.5, np.float32) * self.cell + self.low


@dataclass(frozen=True)
class Island:
    """A dense part of a map.

    Attributes:
        name: The most frequent class and its share, such as "Sneaker, 97 %"; "unlabelled" without labels.
            Where images have several labels, that which is most in excess of its share of all points.
        label: That class, or -1.
        share: Of the labelled points, how many are of it.
        n: Its points.
        x: Where its densest spot is.
        y: The same.
    """

    name: str
    label: int
    share: float
    n: int
    x: float
    y: float


def density(xy: Floats, bins: int = BINS, smoothing: float = SMOOTHING) -> Density:
    """The density of a map whose points lie in -1 to 1: counts in cells, smoothed by a Gaussian."""
    from scipy.ndimage import gaussian_filter

    low = np.full(2, -_MARGIN, np.float32)
    empty = Density(np.zeros((bins, bins), np.float32), low, 2 * _MARGIN / bins)
    rows, columns = empty.cells(xy)
    counts = np.bincount(rows * bins + columns, minlength=bins * bins).reshape(bins, bins)
    return Density(gaussian_filter(counts.astype(np.float32), smoothing), low, empty.cell)


def mass_levels(grid: Floats, shares: Sequence[float] = SHARES) -> list[float]:
    """The heights above which the given shares of all points lie: the highest-density regions."""
    heights = np.sort(grid.ravel())[::-1]
    mass = np.cumsum(heights, dtype=np.float64)
    return [float(heights[min(len(heights) - 1, np.searchsorted(mass, s * mass[-1]))]) for s in shares]


def contours(found: Density, level: float) -> Floats:
    """(m, 2, 2) float32: the line segments around all that is higher than ``level``, by marching squares.

    Four neighbouring cells' middles make a square; where its corners differ, lines cross it at interpolated
    places of its edges. A saddle is crossed by two lines.
    """
    z = found.grid - np.float32(level)
    corners: list[Floats] = [z[:-1, :-1], z[:-1, 1:], z[1:, 1:], z[1:, :-1]]  # as one walks round the square
    case = np.zeros(corners[0].shape, np.int64)
    for bit, corner in enumerate(corners):
        case |= (corner > 0).astype(np.int64) << bit
    segments = []
    for number, edges in _CROSSINGS.items():
        rows, columns = np.nonzero(case == number)
        if not len(rows):
            continue
        values = [corner[rows, columns] for corner in corners]
        for one, other in edges:
            ends = [_on_edge(found, edge, rows, columns, values) for edge in (one, other)]
            segments.append(np.stack(ends, axis=1))
    return np.concatenate(segments) if segments else np.zeros((0, 2, 2), np.float32)


_CROSSINGS = {
    1: [(3, 0)], 2: [(0, 1)], 3: [(3, 1)], 4: [(1, 2)], 5: [(3, 0), (1, 2)], 6: [(0, 2)], 7: [(3, 2)],
    8: [(2, 3)], 9: [(2, 0)], 10: [(0, 1), (2, 3)], 11: [(2, 1)], 12: [(1, 3)], 13: [(1, 0)], 14: [(0, 3)],
}  # fmt: skip
"""By which corners are high (bits), the pairs of edges that lines join; edge i begins at corner i."""
_CORNERS = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])


def _on_edge(found: Density, edge: int, rows: Ints, columns: Ints, values: list[Floats]) -> Floats:
    """(m, 2) xy where the level crosses one edge of some squares."""
    start, end = _CORNERS[edge], _CORNERS[(edge + 1) % 4]
    one, other = values[edge], values[(edge + 1) % 4]
    along = one / (one - other)
    return found.places(
        rows + start[0] + along * (end[0] - start[0]), columns + start[1] + along * (end[1] - start[1])
    )


def islands(xy: Floats, labels: NDArray[Any] | None, classes: Sequence[str]) -> tuple[list[Island], Ints]:
    """The dense parts of a map with their names, the largest first, and the island of each point.

    Cells are taken from the densest down; each joins the island of its highest neighbour, and two islands
    that meet become one unless the valley between them is deep (ToMATo, Chazal et al. 2013, on a grid). The
    grid makes it quick for a million points, where HDBSCAN compares all with all.

    Args:
        labels: (n,) int64 classes, -1 unlabelled; or (n, K) float, 1 yes, 0 no, NaN unknown; None for none.

    Returns:
        (islands, (n,) int64 index into them; -1 for points outside).
    """
    found = density(xy)
    rows, columns = found.cells(xy)
    labelled = np.full(len(xy), -1) if labels is None else labels
    usual = yes_shares(labelled) if labelled.ndim == 2 else None
    peaks = _peaks(found.grid)[rows, columns]
    made: list[Island] = []
    member = np.full(len(xy), -1, np.int64)
    sizes = np.bincount(peaks[peaks >= 0], minlength=found.grid.size)
    for peak in np.argsort(-sizes, kind="stable").tolist():
        if sizes[peak] < max(3, LEAST_POINTS * len(xy)):
            break
        inside = peaks == peak
        member[inside] = len(made)
        place = found.places(*(np.array([float(v)]) for v in divmod(peak, len(found.grid))))[0]
        made.append(_island(labelled[inside], classes, place, usual))
    return made, member


def yes_shares(labels: NDArray[np.floating]) -> NDArray[np.float64]:
    """(K,) the share of yes among what is known of (n, K) labels; NaN where nothing is."""
    with np.errstate(invalid="ignore"):
        return np.asarray((labels == 1).sum(axis=0) / (~np.isnan(labels)).sum(axis=0), np.float64)


def _island(
    labels: NDArray[Any], classes: Sequence[str], place: Floats, usual: NDArray[np.float64] | None
) -> Island:
    x, y = float(place[0]), float(place[1])
    if usual is None:
        counts = np.bincount(labels[labels >= 0], minlength=1)
        shares = excess = counts / max(1, counts.sum())
    else:
        shares = np.nan_to_num(yes_shares(labels))
        excess = np.where(shares > 0, shares - np.nan_to_num(usual), -1.0)
    label = int(excess.argmax())
    share = float(shares[label])
    if share == 0:
        return Island("unlabelled", -1, 0.0, len(labels), x, y)
    return Island(f"{classes[label]}, {100 * share:.0f} %", label, share, len(labels), x, y)


def _peaks(grid: Floats) -> Ints:
    """(B, B) the peak (a flat cell number) that each cell belongs to; -1 where there is next to nothing."""
    side = len(grid)
    heights = grid.ravel()
    floor = 0.01 * mass_levels(grid, [0.5])[0]
    cells = np.argsort(-heights, kind="stable")
    cells = cells[heights[cells] > floor]
    peak = np.full(heights.size, -1, np.int64)
    parent: dict[int, int] = {}

    def root(cell: int) -> int:
        while parent[cell] != cell:
            parent[cell] = parent[parent[cell]]
            cell = parent[cell]
        return cell

    tall = heights.tolist()
    for cell in cells.tolist():
        row, column = divmod(cell, side)
        around = [
            peak[r * side + c]
            for r in range(max(0, row - 1), min(side, row + 2))
            for c in range(max(0, column - 1), min(side, column + 2))
        ]
        roots = sorted({root(int(p)) for p in around if p >= 0}, key=lambda p: (-tall[p], p))
        if not roots:
            parent[cell] = cell
            peak[cell] = cell
            continue
        peak[cell] = roots[0]
        for lower in roots[1:]:
            if tall[cell] > (1 - PROMINENCE) * tall[lower]:
                parent[lower] = roots[0]
    return np.array([root(int(p)) if p >= 0 else -1 for p in peak.tolist()], np.int64).reshape(side, side)


def centroids(xy: Floats, labels: Ints, n_classes: int) -> Floats:
    """(K, 2) where each class lies: the own point nearest to the median; NaN for a class without points.

    A class in two islands has its median between them; one of its points is on an island.
    """
    out = np.full((n_classes, 2), np.nan, np.float32)
    for k in range(n_classes):
        own = xy[labels == k]
        if len(own):
            out[k] = own[((own - np.median(own, axis=0)) ** 2).sum(axis=1).argmin()]
    return out
