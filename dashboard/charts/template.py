"""The one Plotly template. Colours and fonts come from the theme, so light and dark need nothing here.

::

    fig = figure(height=260, xaxis_title="Mean intensity")
    fig.add_bar(x=..., y=...)
    show(fig, key="balance", alt="Bars: items of each class")

Plotly takes a while to import, so it is imported by the functions, not by this module.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Petroff-10 (arXiv:2107.02270), as in .streamlit/config.toml, for marks that carry an explicit colour.
PALETTE = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
SPLIT_COLOURS = {"train": PALETTE[0], "val": PALETTE[1], "test": PALETTE[4]}
GOOD, BAD, QUIET = PALETTE[0], PALETTE[2], PALETTE[3]
SHADES = [[0.0, "#d3e0ec"], [1.0, "#1f5f9e"]]
"""Colours of a heat map in light and dark: never the page's own, so that Plotly finds one for text."""

_SHARES = {f"{n}%": f"{n} %" for n in range(101)}
"""Ticks of shares as the rest of the app writes them; Plotly knows no space before the sign."""
LAYOUT: dict[str, Any] = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 8, "r": 20, "t": 8, "b": 8, "autoexpand": True},
    "separators": ".,",
    "bargap": 0.25,
    "dragmode": False,
    "hoverlabel": {"namelength": -1},
    "legend": {
        "orientation": "h",
        "traceorder": "normal",
        "x": 1,
        "xanchor": "right",
        "y": 1.02,
        "yanchor": "bottom",
        "title": "",
    },
    "xaxis": {"automargin": True, "zeroline": False, "title_standoff": 8, "labelalias": _SHARES},
    "yaxis": {"automargin": True, "zeroline": False, "title_standoff": 8, "labelalias": _SHARES},
    "uniformtext": {"minsize": 9, "mode": "hide"},
}
_FOREIGN_MARK = re.compile(r"<(?!/?extra>)")
"""What begins a mark of HTML, but for the one that our own hover texts have."""
CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "responsive": True}


def figure(height: int = 280, **layout: Any) -> Figure:
    """An empty figure in the one style.

    Args:
        height: In CSS pixels.
        layout: Plotly layout properties on top, magic underscores allowed (``xaxis_title="Epoch"``).
    """
    import pandas  # noqa: F401  Plotly asks whether it is there, and fails while another thread loads it
    import plotly.graph_objects as go
    import streamlit.elements.plotly_chart  # noqa: F401  makes its template, which follows the theme, the default

    fig = go.Figure(layout={**LAYOUT, "height": height})  # a quarter of the time of an update with it
    if layout:
        fig.update_layout(**layout)
    return fig


def inert(fig: Figure) -> Figure | dict[str, Any]:
    """The figure with names from the data as they are: Plotly would make a link of ``<a href=...>``."""
    found = fig.to_plotly_json()
    return _escaped(found) if _has_marks(found) else fig


def _has_marks(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_marks(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_has_marks(part) for part in value)
    return isinstance(value, str) and _FOREIGN_MARK.search(value) is not None


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(part) for part in value]
    return _FOREIGN_MARK.sub("&lt;", value) if isinstance(value, str) else value


def show(fig: Figure, key: str, alt: str = "") -> None:
    """Draw ``fig`` over the full width; ``alt`` says in words what it shows, for a screen reader."""
    st.plotly_chart(inert(fig), key=key, width="stretch", theme="streamlit", config=CONFIG, alt=alt or None)


def show_selectable(fig: Figure, key: str, alt: str = "") -> list[dict[str, Any]]:
    """Draw ``fig`` and return the points that are selected by a click: x, y, point_index, customdata, ..."""
    state = st.plotly_chart(
        inert(fig),
        key=key,
        width="stretch",
        theme="streamlit",
        config=CONFIG,
        alt=alt or None,
        on_select="rerun",
        selection_mode="points",
    )
    return [dict(point) for point in state.selection.points]
