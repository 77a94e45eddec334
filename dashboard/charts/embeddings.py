"""A map as an ordinary chart, for browsers without WebGL2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.charts.template import PALETTE, figure
from dashboard.embedding_map import NONE, Attribute

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_POINTS = 10_000
QUIET = "#808892"
HEIGHT, WIDTH = 600, 850
LETTER, LINE = 7, 20
"""Pixels that a letter, and a line of text, take."""
STEPS = (0, 1, -1, 2, -2, 3, -3)
"""Lines by which a name may move aside."""
GROUND, INK = "rgba(255,255,255,0.82)", "#0B1218"
"""Names have a ground of their own: they lie on points of every colour, in light and dark."""


def drawn_rows(n: int) -> NDArray[np.int64]:
    """The points that are drawn: all, or a seeded sample of MOST_POINTS, ascending."""
    if n <= MOST_POINTS:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, MOST_POINTS, replace=False))


def scatter(xy: NDArray[np.float32], attribute: Attribute, lit: NDArray[np.bool_] | None) -> Figure:
    """Points in their colours; ``customdata`` holds each point's row. Faint where ``lit`` says no."""
    rows = drawn_rows(len(xy))
    fig = figure(height=HEIGHT, dragmode="lasso", hovermode="closest", showlegend=False)
    groups = range(len(attribute.names)) if attribute.names else [None]
    values = attribute.values[rows]
    for k in [*groups, NONE]:
        own = rows if k is None else rows[values == k]
        if k is None:
            own = own[values != NONE]
        if len(own):
            opacity = 0.8 if lit is None else np.where(lit[own], 0.9, 0.08)
            marker = {"size": 4, "opacity": opacity, **_colour(attribute, k, own)}
            fig.add_scatter(
                x=xy[own, 0],
                y=xy[own, 1],
                mode="markers",
                marker=marker,
                customdata=own,
                name=_name(attribute, k),
                hovertemplate="%{fullData.name}<extra></extra>",
            )
    for text, x, y in _placed(xy, rows, attribute):
        fig.add_annotation(
            x=x, y=y, text=text, showarrow=False, bgcolor=GROUND, font={"color": INK, "size": 12}
        )
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False, scaleanchor="x")
    return fig


def _placed(
    xy: NDArray[np.float32], rows: NDArray[np.int64], attribute: Attribute
) -> list[tuple[str, float, float]]:
    """(name, x, y) of each group that is drawn: at the point nearest its median, or as near as there is room.

    The largest choose first; a small one for which there is no room within a few lines has no name.
    """
    values, points = attribute.values[rows], xy[rows].astype(np.float64)
    if not len(points):
        return []
    pixel = float(max(np.ptp(points[:, 0]) / WIDTH, np.ptp(points[:, 1]) / HEIGHT, 1e-9))
    taken: list[tuple[float, float, float]] = []  # x, y and half the width of each
    found = []
    counts = {k: int((values == k).sum()) for k in range(len(attribute.names))}
    for k in sorted((k for k, n in counts.items() if n), key=lambda k: -counts[k]):
        own = points[values == k]
        x, y = own[np.abs(own - np.median(own, axis=0)).sum(axis=1).argmin()]
        half = pixel * (LETTER * len(attribute.names[k]) / 2 + 6)
        for step in STEPS:
            here = y + step * LINE * pixel
            if all(abs(here - v) >= LINE * pixel or abs(x - u) >= half + w for u, v, w in taken):
                taken.append((x, here, half))
                found.append((attribute.names[k], float(x), float(here)))
                break
    return found


def _name(attribute: Attribute, k: int | None) -> str:
    if k is None:
        return attribute.title
    return attribute.none if k == NONE else attribute.names[k]


def _colour(attribute: Attribute, k: int | None, own: NDArray[np.int64]) -> dict[str, object]:
    if k is None:
        bar = {"title": {"text": attribute.title, "side": "right"}, "thickness": 12}
        return {"color": attribute.values[own], "colorscale": "Viridis", "showscale": True, "colorbar": bar}
    if k == NONE:
        return {"color": QUIET}
    colours = attribute.colours or PALETTE
    return {"color": colours[k % len(colours)]}
