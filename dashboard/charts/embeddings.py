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


def drawn_rows(n: int) -> NDArray[np.int64]:
    """The points that are drawn: all, or a seeded sample of MOST_POINTS, ascending."""
    if n <= MOST_POINTS:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, MOST_POINTS, replace=False))


def scatter(xy: NDArray[np.float32], attribute: Attribute, lit: NDArray[np.bool_] | None) -> Figure:
    """Points in their colours; ``customdata`` holds each point's row. Faint where ``lit`` says no."""
    rows = drawn_rows(len(xy))
    fig = figure(height=600, dragmode="lasso", hovermode="closest", showlegend=bool(attribute.names))
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
    fig.update_layout(legend_itemsizing="constant")
    fig.update_xaxes(visible=False)
    fig.update_yaxes(visible=False, scaleanchor="x")
    return fig


def _name(attribute: Attribute, k: int | None) -> str:
    if k is None:
        return attribute.title
    return attribute.none if k == NONE else attribute.names[k]


def _colour(attribute: Attribute, k: int | None, own: NDArray[np.int64]) -> dict[str, object]:
    if k is None:
        return {"color": attribute.values[own], "colorscale": "Viridis"}
    if k == NONE:
        return {"color": QUIET}
    colours = attribute.colours or PALETTE
    return {"color": colours[k % len(colours)]}
