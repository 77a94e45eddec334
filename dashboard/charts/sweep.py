"""Figures of a sweep: how far each setting is from the best, and what its time buys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.evaluation.sweep import FIGURES, ranked
from core.files import Json
from core.runs.recipe import Recipe
from dashboard.charts.intervals import differences
from dashboard.charts.template import GOOD, QUIET, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def words(setting: Mapping[str, Any]) -> str:
    """A setting as the form names its fields: "Dropout 0.5, Epochs 3"."""
    return ", ".join(f"{Recipe.model_fields[name].title} {value}" for name, value in setting.items())


def short(setting: Mapping[str, Any]) -> str:
    """Its values alone, as the axis of a chart has room for."""
    return " · ".join(str(value) for value in setting.values())


def against_best(value: Json, headline: str) -> Figure:
    """For each other setting the difference to the best with its interval; the best is the line at zero."""
    rows = [value["rows"][number] for number in reversed(ranked(value)) if number != value["best"]]
    return differences(
        [(short(row["setting"]), row["against_best"], words(row["setting"])) for row in rows],
        f"{FIGURES[headline]} minus that of the best, in points",
    )


def by_time(value: Json, headline: str) -> Figure:
    """Each setting's validation figure by its seconds of training; the best is marked."""
    rows = value["rows"]
    fig = figure(
        height=320, xaxis_title="Seconds of training", yaxis_title=FIGURES[headline], showlegend=False
    )
    fig.add_scatter(
        x=[row["seconds"] for row in rows],
        y=[row["valid"].get(headline) for row in rows],
        mode="markers",
        marker={
            "size": [14 if number == value["best"] else 10 for number in range(len(rows))],
            "color": [GOOD if number == value["best"] else QUIET for number in range(len(rows))],
        },
        customdata=[words(row["setting"]) for row in rows],
        hovertemplate="%{customdata}: %{y:.1%} after %{x:.0f} s<extra></extra>",
    )
    fig.update_xaxes(rangemode="tozero")
    fig.update_yaxes(tickformat=".1%")
    return fig
