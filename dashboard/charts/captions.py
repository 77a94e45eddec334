"""Figures on captions: how long they are, and their most frequent words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dashboard.charts.template import GOOD, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LONGEST = 60


def lengths(counts: NDArray[np.int64]) -> Figure:
    """Bars: how many captions have 0, 1, 2, ... words; the very long ones in the last bar."""
    n_words = np.minimum(counts, LONGEST)
    images = np.bincount(n_words)
    named = [str(n) if n < LONGEST else f"{LONGEST} or more" for n in range(len(images))]
    fig = figure(height=300, xaxis_title="Words", yaxis_title="Captions", bargap=0.1)
    fig.add_bar(
        x=np.arange(len(images)),
        y=images,
        marker_color=GOOD,
        customdata=named,
        hovertemplate="%{y:,} captions of %{customdata} words<extra></extra>",
    )
    fig.update_yaxes(tickformat=",")
    return fig


def frequent_words(words: tuple[str, ...], counts: NDArray[np.int64]) -> Figure:
    """Bars: the words of most captions."""
    fig = figure(height=60 + 20 * len(words), xaxis_title="Captions", bargap=0.2)
    fig.add_bar(
        x=counts,
        y=list(words),
        orientation="h",
        marker_color=GOOD,
        hovertemplate="%{y}: in %{x:,} captions<extra></extra>",
    )
    fig.update_xaxes(tickformat=",")
    fig.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return fig
