"""Lines that are named where they end, so that a chart is read without a legend.

A mark in the line's colour stands before the name, which has the colour of all text: names stay readable on
every ground, and one that had to move aside still shows whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LINE_HEIGHT = 15
"""Pixels that a name needs."""
_LETTER, _MARK, _MOST = 6.5, 22, 150
_AROUND = 60
"""Pixels of a Plotly figure's height that are not the plot: ticks, the title of an axis, margins."""


def room(names: Sequence[str]) -> int:
    """Pixels to leave at the right of a chart for the longest of the names."""
    return min(_MOST, round(_MARK + _LETTER * max((len(name) for name in names), default=0)))


def end_label(name: str, colour: str, width: int, *, hollow: bool = False) -> dict[str, Any]:
    """What a line of echarts needs so that its name stands at its end, moved up or down where others are.

    Args:
        width: As ``room`` gives it; what is longer is cut.
        hollow: The mark is a ring: a second line in the same colour.
    """
    return {
        "endLabel": {
            "show": True,
            "formatter": f"{{mark|{'○' if hollow else '●'}}} {name}",
            "rich": {"mark": {"color": colour}},
            "fontSize": 11,
            "distance": 4,
            "width": width,
            "overflow": "truncate",
        },
        "labelLayout": {"moveOverlap": "shiftY"},
    }


def apart(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, moved as little as it takes for any two to be ``gap`` apart; in the order given.

    Names that touch are put together evenly around the middle of where they would be.
    """
    groups: list[tuple[float, int]] = []  # middle, how many: from below
    for height in sorted(heights):
        middle, n = height, 1
        while groups and middle - gap * (n - 1) / 2 < groups[-1][0] + gap * (groups[-1][1] - 1) / 2 + gap:
            below, m = groups.pop()
            middle, n = (middle * n + below * m) / (n + m), n + m
        groups.append((middle, n))
    places = [middle + gap * (k - (n - 1) / 2) for middle, n in groups for k in range(n)]
    order = sorted(range(len(heights)), key=lambda k: heights[k])
    found = [0.0] * len(heights)
    for place, k in zip(places, order, strict=True):
        found[k] = place
    return found


def name_lines(fig: Figure, ends: Mapping[str, tuple[Any, float]], colours: Mapping[str, str]) -> None:
    """Name each line of a Plotly figure at its end, and leave the legend away.

    Args:
        fig: Its height is set.
        ends: By name, where the line ends; x as the axis has it.
        colours: By name.
    """
    values = [
        float(value)
        for line in fig.data
        for k, y in enumerate(line.y)
        for value in (y, y + _at(line.error_y.array, k), y - _at(line.error_y.arrayminus, k))
    ]
    gap = LINE_HEIGHT * (max(values) - min(values)) / (fig.layout.height - _AROUND)
    places = apart([y for _, y in ends.values()], gap)
    for (name, (x, _)), place in zip(ends.items(), places, strict=True):
        here = {"x": x, "y": place, "showarrow": False, "xanchor": "left"}
        fig.add_annotation(text="●", xshift=6, font_color=colours[name], **here)
        fig.add_annotation(text=name, xshift=18, **here)
    fig.update_layout(showlegend=False, margin_r=room(list(ends)))


def _at(bars: Sequence[float] | None, k: int) -> float:
    return 0.0 if bars is None else float(bars[k])
