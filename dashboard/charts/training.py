"""Training curves: echarts, because it redraws in place where Plotly would flicker at every tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.runs.curves import METRICS, Points
from dashboard.charts.line_ends import end_label, room
from dashboard.charts.template import PALETTE

TITLES = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "macro_auc": "Mean ROC AUC, validation",
    "average_precision": "Mean average precision, validation",
    "macro_f1": "Macro-F1, validation",
    "learning_rate": "Learning rate",
    "images_per_second": "Images a second",
}
MANY_LABELS_ONLY = ("macro_auc", "average_precision")
MOST_NAMED = 8
"""So many runs have room for their names at the ends of their lines."""
RunCurves = Mapping[str, Points]


def draw(
    curves: Sequence[tuple[str, RunCurves]], colours: Mapping[str, str], n_epochs: int, key: str
) -> None:
    """One chart a metric, all runs in each; validation is dashed.

    Args:
        curves: (run name, its curves by field).
        colours: By run name.
        n_epochs: Of the longest run: how far the charts reach, so that curves grow into them.
        key: Streamlit key; the charts are updated in place under it.
    """
    fields = {field for _, points in curves for field, values in points.items() if values}
    there = [m for m in METRICS if m not in MANY_LABELS_ONLY or fields.intersection(METRICS[m])]
    n_rows = -(-(len(there) - 2) // 3)
    places = [*st.columns(2), *(place for _ in range(n_rows) for place in st.columns(3))]
    for place, metric in zip(places, there, strict=False):
        with place.container(border=True):
            st.markdown(f"**{TITLES[metric]}**")
            st.echarts_chart(
                spec(metric, curves, colours, n_epochs),
                height=240 if metric in ("loss", "accuracy") else 160,
                key=f"{key}_{metric}",
                alt=f"Lines: {TITLES[metric]} by epoch, one line a run",
            )


def run_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each run."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def spec(
    metric: str, curves: Sequence[tuple[str, RunCurves]], colours: Mapping[str, str], n_epochs: int
) -> dict[str, Any]:
    """The echarts option of one metric; few runs are named where their lines end."""
    names = _end_names(metric, curves)
    width = room([*names.values()])
    series = [
        _line(name, field, points[field], colours[name], names.get((name, field)), width)
        for name, points in curves
        for field in METRICS[metric]
    ]
    share = metric in ("accuracy", "macro_f1", *MANY_LABELS_ONLY)
    return {
        "animation": False,
        "grid": {"left": 8, "right": width if names else 12, "top": 12, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis", "valueFormatter": "percent" if share else "%.4g", "confine": True},
        "xAxis": {"type": "value", "min": 0, "max": n_epochs, "minInterval": 1, "splitLine": {"show": False}},
        "yAxis": {"type": "value", "scale": True, "splitNumber": 4},
        "series": series,
    }


def _end_names(metric: str, curves: Sequence[tuple[str, RunCurves]]) -> dict[tuple[str, str], str]:
    """By run and field, what stands at the end of a line: one run's parts, else each run once."""
    drawn = [(name, field) for name, points in curves for field in METRICS[metric] if points[field]]
    if len(curves) == 1:
        return {one: _part(one[1]) for one in drawn if _part(one[1])} if len(drawn) > 1 else {}
    if len(curves) > MOST_NAMED:
        return {}
    last = dict(drawn)  # validation where there is any: it comes last
    return {(name, field): name for name, field in last.items()}


def _part(field: str) -> str:
    return "validation" if field.startswith("valid_") else "train" if field.startswith("train_") else ""


def _line(name: str, field: str, points: Points, colour: str, end: str | None, width: int) -> dict[str, Any]:
    validation = field.startswith("valid_")
    n_places = len({x for x, _ in points})  # a run of one epoch has its figures at one place: no line is seen
    return {
        "type": "line",
        "name": f"{name} {_part(field)}".strip(),
        "data": [[round(x, 4), y] for x, y in points],
        "showSymbol": n_places == 1 or (validation and len(points) < 20),
        "symbolSize": 5,
        "lineStyle": {"width": 2, "type": "dashed" if validation else "solid"},
        "color": colour,
        **(end_label(end, colour, width, hollow=validation) if end else {}),
    }
