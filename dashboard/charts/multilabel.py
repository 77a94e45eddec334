"""Figures for images with several labels: curves of one label, and which labels come together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.evaluation.multilabel import pr_curve, roc_curve
from dashboard.charts import intervals
from dashboard.charts.template import BAD, GOOD, QUIET, SHADES, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.evaluation.compare import Figure as Change

Floats = NDArray[np.float64]
MOST_POINTS = 500


def roc(yes: NDArray[np.bool_], probs: Floats, threshold: float) -> Figure:
    """The ROC curve of one label, the diagonal, and where the threshold is."""
    x, y, thresholds = roc_curve(yes, probs)
    fig = figure(
        height=300, xaxis_title="False alarms among no", yaxis_title="Found among yes", showlegend=False
    )
    fig.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": QUIET, "dash": "dot"}, hoverinfo="skip")
    _curve(fig, x, y, thresholds, threshold, "%{x:.1%} false alarms, %{y:.1%} found")
    return fig


def precision_recall(yes: NDArray[np.bool_], probs: Floats, threshold: float) -> Figure:
    """The precision-recall curve of one label, the share of yes, and where the threshold is."""
    x, y, thresholds = pr_curve(yes, probs)
    fig = figure(height=300, xaxis_title="Recall", yaxis_title="Precision", showlegend=False)
    share = float(yes.mean())
    fig.add_scatter(
        x=[0, 1], y=[share, share], mode="lines", line={"color": QUIET, "dash": "dot"}, hoverinfo="skip"
    )
    _curve(fig, x, y, thresholds, threshold, "%{y:.1%} of those said are yes, %{x:.1%} found")
    return fig


def _curve(fig: Figure, x: Floats, y: Floats, thresholds: Floats, threshold: float, words: str) -> None:
    step = max(1, len(x) // MOST_POINTS)
    fig.add_scatter(
        x=x[::step],
        y=y[::step],
        mode="lines",
        line={"color": GOOD},
        customdata=thresholds[::step],
        hovertemplate=f"{words} at %{{customdata:.3f}}<extra></extra>",
    )
    said = np.flatnonzero(thresholds >= threshold)
    if len(said):
        fig.add_scatter(
            x=[x[said[-1]]],
            y=[y[said[-1]]],
            mode="markers",
            marker={"size": 12, "color": BAD},
            cliponaxis=False,
            hovertemplate=f"{words}<extra>now</extra>",
        )
    fig.update_xaxes(tickformat=".0%", range=[-0.01, 1.01])
    fig.update_yaxes(tickformat=".0%", range=[0, 1.03])


def differences(changes: Sequence[tuple[str, Change]], run: str) -> Figure:
    """For each label how much better the second run is, with its interval; the largest gain on top."""
    ordered = sorted(
        (pair for pair in changes if not np.isnan(pair[1].difference)), key=lambda pair: pair[1].difference
    )
    return intervals.differences(
        [
            (name, {"difference": one.difference, "ci95": one.ci95}, f"{one.a:.3f} → {one.b:.3f}")
            for name, one in ordered
        ],
        f"{run} minus the other, in points",
    )


def together(counts: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Which labels come together: of the images that have the row's label, the share with the column's."""
    own = np.maximum(np.diagonal(counts), 1)[:, None]
    shares = counts / own
    np.fill_diagonal(shares, np.nan)
    shares[counts == 0] = np.nan
    others = np.where(np.isnan(shares), "", counts)
    names = list(classes)
    few = len(classes) <= 24
    fig = figure(height=120 + 26 * min(len(classes), 24), xaxis_title="also has")
    fig.add_heatmap(
        z=shares,
        x=names,
        y=names,
        customdata=counts,
        text=others if few else None,
        texttemplate="%{text}" if few else None,
        zmin=0,
        colorscale=SHADES,
        showscale=False,
        hoverongaps=False,
        xgap=1,
        ygap=1,
        hovertemplate="%{customdata:,} images have %{y} and %{x}: %{z:.1%} of those with %{y}<extra></extra>",
    )
    if few:  # apart, as they stand on the page itself, in the theme's own colour of text
        fig.add_scatter(x=names, y=names, text=np.diagonal(counts), mode="text", hoverinfo="skip")
    fig.update_xaxes(type="category", showticklabels=few, showgrid=False)
    fig.update_yaxes(type="category", autorange="reversed", showticklabels=few, showgrid=False)
    return fig


def cardinality(counts: NDArray[np.int64]) -> Figure:
    """Bars: how many images have 0, 1, 2, ... labels that are yes."""
    fig = figure(height=220, xaxis_title="Labels that are yes", yaxis_title="Images", bargap=0.1)
    fig.add_bar(
        x=list(range(len(counts))),
        y=counts,
        marker_color=GOOD,
        hovertemplate="%{y:,} images with %{x}<extra></extra>",
    )
    fig.update_xaxes(dtick=1)
    fig.update_yaxes(tickformat=",")
    return fig
