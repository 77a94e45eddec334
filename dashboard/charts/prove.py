"""Figures of the Prove page, from the JSON that core.quality.proofs keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.evaluation.proof import AFTER, DROP, PLACEBO
from core.files import Json
from dashboard.charts.template import BAD, GOOD, QUIET, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NAMES = {AFTER: "The edits", PLACEBO: "As many random edits", DROP: "Edited images left out"}


def measure_of(found: Json) -> str:
    """What is compared: accuracy, or where images have several labels the Hamming score."""
    return str(found.get("measure", "accuracy"))  # not in results from before there was a choice


def arms(found: Json) -> Figure:
    """For each arm its gain over the training before the edits: a dot, its 95 % interval, and each seed."""
    shown = [arm for arm in (DROP, PLACEBO, AFTER) if arm in found["arms"]]
    names = [NAMES[arm] for arm in shown]
    fig = figure(height=90 + 56 * len(shown), xaxis_title="Points", showlegend=False)
    before = found["arms"]["before"]["accuracy_by_seed"]
    for arm, name in zip(shown, names, strict=True):
        one = found["arms"][arm]
        low, high = (100 * bound for bound in one["ci95"])
        colour = QUIET if low <= 0 <= high else GOOD if low > 0 else BAD
        fig.add_scatter(
            x=[low, high], y=[name, name], mode="lines", line={"color": colour, "width": 4}, hoverinfo="skip"
        )
        fig.add_scatter(
            x=[100 * (a - b) for a, b in zip(one["accuracy_by_seed"], before, strict=True)],
            y=[name] * len(before),
            mode="markers",
            marker={"color": colour, "size": 9, "symbol": "line-ns-open", "line": {"width": 2}},
            customdata=found["seeds"],
            hovertemplate="seed %{customdata}: %{x:+.2f} points<extra></extra>",
        )
        fig.add_scatter(
            x=[100 * one["difference"]],
            y=[name],
            mode="markers",
            marker={"color": colour, "size": 13},
            customdata=[[low, high]],
            hovertemplate="%{y}: %{x:+.2f} points, 95 % from %{customdata[0]:+.2f} to %{customdata[1]:+.2f}"
            "<extra></extra>",
        )
    fig.add_vline(x=0, line={"color": QUIET, "dash": "dot", "width": 1})
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=names, showgrid=False)
    return fig
