"""Curves over the number of labels a class, with an interval at each."""

from __future__ import annotations

from core.files import Json
from dashboard.charts.line_ends import name_lines
from dashboard.charts.template import PALETTE, QUIET, figure, show


def draw(found: Json, key: str) -> None:
    """Balanced accuracy by labels a class, one line a method, and words alone as a level.

    Args:
        found: As ``core.embeddings.few_shot.read_curve`` gives it.
        key: Streamlit key.
    """
    fig = figure(height=300, xaxis_title="Labels a class", yaxis_title="Balanced accuracy (%)")
    methods = list(dict.fromkeys(row["method"] for row in found["rows"]))
    for colour, method in zip(PALETTE, methods, strict=False):
        rows = [row for row in found["rows"] if row["method"] == method]
        fig.add_scatter(
            x=[str(row["shots"]) for row in rows],
            y=[100 * row["mean"] for row in rows],
            error_y={"type": "data", "array": [100 * (row["high"] - row["mean"]) for row in rows]},
            name=method,
            mode="lines+markers",
            marker_color=colour,
            hovertemplate="%{x} a class: %{y:.1f} %<extra>" + method + "</extra>",
        )
    last = {row["method"]: (str(row["shots"]), 100 * row["mean"]) for row in found["rows"]}
    name_lines(fig, last, dict(zip(methods, PALETTE, strict=False)))
    fig.update_xaxes(type="category")
    fig.add_hline(
        y=100 * found["zero_shot"], line_dash="dot", line_color=QUIET, annotation_text="words alone"
    )
    show(
        fig, key, alt="Lines with intervals: balanced accuracy on test images by the number of labels a class"
    )
