"""A selection as the browser sends it: an outline and the hidden values. Its points are found here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CORNERS = 20_000
_CHUNK = 4_000_000  # comparisons at once: points times corners


@dataclass(frozen=True, slots=True)
class Outline:
    """What was drawn around points.

    Attributes:
        corners: (x, y) of each corner, in the map's coordinates.
        hidden: Values that were hidden, and so not selected.
        colour: The attribute whose values those are.
    """

    corners: tuple[tuple[float, float], ...]
    hidden: frozenset[int]
    colour: str

    def marks(self, xy: NDArray[np.float32], values: Mapping[str, NDArray[np.uint16]]) -> NDArray[np.bool_]:
        """(n,) which points are selected.

        Args:
            xy: (n, 2) places.
            values: By attribute, (n,) the values that were coloured.
        """
        marked = points_inside(xy, np.array(self.corners))
        if self.hidden and self.colour in values:
            marked &= ~np.isin(values[self.colour], list(self.hidden))
        return marked


def outline_of(sent: Any, points: str) -> Outline | None:
    """What the browser sent, checked; None when it is no outline, or was drawn on other points."""
    if not isinstance(sent, Mapping) or sent.get("points") != points:
        return None
    corners, hidden = sent.get("outline"), sent.get("hidden")
    if not isinstance(corners, list) or not 3 <= len(corners) <= MAX_CORNERS or not isinstance(hidden, list):
        return None
    if not all(_is_corner(corner) for corner in corners):
        return None
    numbers = frozenset(int(value) for value in hidden if isinstance(value, (int, float)))
    return Outline(tuple((float(x), float(y)) for x, y in corners), numbers, str(sent.get("colour", "")))


def _is_corner(corner: Any) -> bool:
    return (
        isinstance(corner, list)
        and len(corner) == 2
        and all(isinstance(part, (int, float)) and math.isfinite(part) for part in corner)
    )


def points_inside(
    xy: NDArray[np.float32], corners: NDArray[np.float64], *, even_odd: bool = False
) -> NDArray[np.bool_]:
    """(n,) which points lie inside a closed outline, by the non-zero rule that the
    canvas fills it by: what is encircled twice is inside too.

    Args:
        xy: (n, 2) places.
        corners: (m, 2), the last joined to the first.
        even_odd: By the rule that plotly fills by instead: what is encircled twice is outside.
    """
    marked = np.zeros(len(xy), bool)
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero(((xy >= low) & (xy <= high)).all(axis=1))
    step = max(1, _CHUNK // len(corners))
    for start in range(0, len(near), step):
        rows = near[start : start + step]
        winding = _winding(np.asarray(xy[rows], np.float64), corners)
        marked[rows] = winding % 2 == 1 if even_odd else winding != 0
    return marked


def _winding(points: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.int64]:
    """How often the outline winds around each point: edges that a ray to the right crosses upwards count +1,
    downwards -1 (Hormann and Agathos, Computational Geometry 20, 2001).
    """
    (x1, y1), (x0, y0) = corners.T, np.roll(corners, 1, axis=0).T
    x, y = points[:, :1], points[:, 1:]
    direction = (y1 > y).astype(np.int8) - (y0 > y).astype(np.int8)
    rise = np.where(y0 == y1, 1.0, y0 - y1)
    right_of = x < (x0 - x1) * (y - y1) / rise + x1
    return np.asarray(np.where(right_of, direction, 0).sum(axis=1, dtype=np.int64))


def drawn_on_chart(selection: Mapping[str, Any], xy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) which points lie in the lassos and boxes that plotly tells of, also those that it did not draw.

    Args:
        selection: With ``lasso`` and ``box``, each a list of {"x": [...], "y": [...]}.
        xy: (n, 2) places.
    """
    marks = np.zeros(len(xy), bool)
    for one in selection.get("lasso") or ():
        corners = np.column_stack([one["x"], one["y"]]).astype(np.float64)
        marks |= points_inside(xy, corners, even_odd=True)
    for one in selection.get("box") or ():
        (left, right), (low, high) = sorted(one["x"][:2]), sorted(one["y"][:2])
        marks |= (xy >= (left, low)).all(axis=1) & (xy <= (right, high)).all(axis=1)
    return marks
