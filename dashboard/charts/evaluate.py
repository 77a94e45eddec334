"""Figures of the Evaluate page and the item dialog, from what core.evaluation computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.evaluation.compare import ClassChange
from core.evaluation.selective import RiskCoverage, Share
from core.metrics.calibration import Reliability
from dashboard.charts.template import BAD, GOOD, QUIET, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def calibration(found: Reliability) -> Figure:
    """Accuracy against confidence in bins, the diagonal, and how many images each bin holds."""
    fig = figure(
        height=300,
        xaxis_title="Confidence",
        yaxis_title="Share that is right",
        showlegend=False,
        yaxis2={"overlaying": "y", "side": "right", "visible": False, "range": [0, 2.6]},
    )
    filled = found.count > 0
    middle, width = (found.low + found.high) / 2, found.high - found.low
    share = found.count / max(1, int(found.count.sum()))
    fig.add_bar(
        x=middle, y=share, width=width * 0.92, yaxis="y2", marker_color=QUIET, opacity=0.35, hoverinfo="skip"
    )
    fig.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": QUIET, "dash": "dot"}, hoverinfo="skip")
    for x, y in zip(found.confidence[filled], found.accuracy[filled], strict=True):
        fig.add_scatter(x=[x, x], y=[x, y], mode="lines", line={"color": BAD, "width": 3}, hoverinfo="skip")
    fig.add_scatter(
        x=found.confidence[filled],
        y=found.accuracy[filled],
        mode="lines+markers",
        line={"color": GOOD},
        marker={"size": 8},
        customdata=found.count[filled],
        hovertemplate="mean confidence %{x:.1%}, right %{y:.1%} of %{customdata:,} images<extra></extra>",
    )
    fig.update_xaxes(tickformat=".0%", range=[0, 1.01])
    fig.update_yaxes(tickformat=".0%", range=[0, 1.03])
    return fig


def risk_coverage(curve: RiskCoverage, now: Share) -> Figure:
    """Accuracy of what the model keeps against the share that goes to people, and where the threshold is."""
    fig = figure(height=260, xaxis_title="Share that goes to people", yaxis_title="Accuracy of the rest")
    step = max(1, len(curve.coverage) // 400)
    people, right = 1 - curve.coverage[::step], 1 - curve.risk[::step]
    fig.add_scatter(
        x=people,
        y=right,
        mode="lines",
        line={"color": GOOD},
        hovertemplate="%{x:.1%} to people, %{y:.2%} of the rest right<extra></extra>",
    )
    if now.n_people < now.n:
        fig.add_scatter(
            x=[now.share_people],
            y=[now.accuracy],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [now.ci95[1] - now.accuracy],
                "arrayminus": [now.accuracy - now.ci95[0]],
                "color": BAD,
            },
            mode="markers",
            marker={"size": 11, "color": BAD},
            hovertemplate="threshold %{text}<extra></extra>",
            text=[f"{now.threshold:.0%}"],
        )
    fig.update_layout(showlegend=False)
    fig.update_xaxes(tickformat=".0%", range=[-0.01, 1.01])
    fig.update_yaxes(tickformat=".0%")
    return fig


def class_changes(changes: Sequence[ClassChange], run_a: str, run_b: str) -> Figure:
    """For each class its F1 in both runs, joined by a line; the largest gain on top."""
    ordered = sorted(changes, key=lambda change: change.f1_b - change.f1_a)
    names = [change.name for change in ordered]
    fig = figure(height=110 + 26 * len(names), xaxis_title="F1")
    for better, colour in ((True, GOOD), (False, BAD)):
        x: list[float | None] = []
        y: list[str | None] = []
        for change in ordered:
            if (change.f1_b >= change.f1_a) == better:
                x += [change.f1_a, change.f1_b, None]
                y += [change.name, change.name, None]
        fig.add_scatter(
            x=x, y=y, mode="lines", line={"color": colour, "width": 4}, hoverinfo="skip", showlegend=False
        )
    for run, values, marker in (
        (run_a, [change.f1_a for change in ordered], {"color": QUIET, "size": 9}),
        (run_b, [change.f1_b for change in ordered], {"color": GOOD, "size": 11}),
    ):
        fig.add_scatter(
            x=values,
            y=names,
            mode="markers",
            marker=marker,
            name=run,
            hovertemplate="%{y}: F1 %{x:.3f}<extra></extra>",
        )
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=names)
    return fig


def probabilities(probs: NDArray[np.float32], classes: Sequence[str], label: int, n: int = 6) -> Figure:
    """Bars: the most probable classes, and the labelled one if it is not among them; the label stands out."""
    order = np.argsort(-probs, kind="stable")[:n].tolist()
    if label >= 0 and label not in order:
        order[-1] = label
    order.reverse()
    names = [classes[k] for k in order]
    fig = figure(height=36 + 26 * len(order), showlegend=False)
    fig.add_bar(
        x=probs[order],
        y=names,
        orientation="h",
        marker_color=[GOOD if k == label else QUIET for k in order],
        text=[f"{100 * probs[k]:.1f} %" for k in order],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )
    fig.update_xaxes(visible=False, range=[0, 1.18])
    fig.update_yaxes(type="category", showgrid=False)
    return fig


def label_probabilities(
    probs: NDArray[np.float32], classes: Sequence[str], labels: NDArray[np.float32], n: int = 20
) -> Figure:
    """Bars: how likely each of several labels is; those that are yes or unknown stand out by colour."""
    order = np.argsort(-probs, kind="stable")[:n].tolist()[::-1]
    words = {1.0: "yes", 0.0: "no"}
    fig = figure(height=36 + 24 * len(order), showlegend=False)
    fig.add_bar(
        x=probs[order],
        y=[classes[k] for k in order],
        orientation="h",
        marker_color=[GOOD if labels[k] == 1 else BAD if np.isnan(labels[k]) else QUIET for k in order],
        text=[f"{100 * probs[k]:.1f} %" for k in order],
        customdata=[words.get(float(labels[k]), "unknown") for k in order],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}, labelled %{customdata}<extra></extra>",
    )
    fig.update_xaxes(visible=False, range=[0, 1.18])
    fig.update_yaxes(type="category", showgrid=False)
    return fig
