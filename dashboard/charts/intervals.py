"""Differences with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.files import Json
from dashboard.charts.template import BAD, GOOD, QUIET, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def differences(rows: Sequence[tuple[str, Json, str]], title: str) -> Figure:
    """Dots with intervals, in points; those that lie on one side of zero are coloured.

    Args:
        rows: (name, gap with ``difference`` and ``ci95``, what the hover text adds), the lowest first.
        title: Of the axis.
    """
    fig = figure(height=110 + 26 * len(rows), xaxis_title=title, showlegend=False)
    values = [100 * gap["difference"] for _, gap, _ in rows]
    ends = [
        [100 * end for end in gap["ci95"]] if gap["ci95"] else [value, value]
        for value, (_, gap, _) in zip(values, rows, strict=True)
    ]
    fig.add_scatter(
        x=values,
        y=[name for name, *_ in rows],
        mode="markers",
        marker={"size": 10, "color": [_colour(*pair) for pair in ends]},
        error_x={
            "array": [high - value for value, (_, high) in zip(values, ends, strict=True)],
            "arrayminus": [value - low for value, (low, _) in zip(values, ends, strict=True)],
            "color": QUIET,
            "thickness": 1.5,
        },
        customdata=[[note, *pair] for (*_, note), pair in zip(rows, ends, strict=True)],
        hovertemplate="%{customdata[0]}: %{x:+.1f} points, "
        "95 % %{customdata[1]:+.1f} to %{customdata[2]:+.1f}<extra></extra>",
    )
    fig.add_vline(x=0, line={"color": QUIET, "dash": "dot"})
    fig.update_yaxes(type="category")
    return fig


def _colour(low: float, high: float) -> str:
    return BAD if high < 0 else GOOD if low > 0 else QUIET
