"""Figures of the Explore page, from arrays that core.data computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dashboard.charts.template import BAD, GOOD, QUIET, SHADES, SPLIT_COLOURS, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[Any]
N_BINS = 40
MAX_NAMED = 60
DWARFS = 20
"""How many times the middle bar the highest is where a linear axis would show that one only."""


def _rows(n_classes: int) -> dict[str, Any]:
    """Height of a figure with one row a class, and its class axis: the first class on top."""
    named = n_classes <= MAX_NAMED
    axis = {"autorange": "reversed", "type": "category", "showticklabels": named, "showgrid": False}
    return {"height": 90 + 26 * min(n_classes, MAX_NAMED // 2), "yaxis": axis}


def balance(counts: Mapping[str, Array], classes: Sequence[str], *, shares: bool) -> Figure:
    """Bars: items of each class, by split; or the share that each class has of its split."""
    title = "Share of the split" if shares else "Images"
    fig = figure(**_rows(len(classes)), xaxis_title=title, barmode="group" if shares else "stack")
    fig.update_xaxes(tickformat=".0%" if shares else ",")
    for split, values in counts.items():
        x = values / max(values.sum(), 1) if shares else values
        form = "%{x:.2%}" if shares else "%{x:,}"
        fig.add_bar(
            x=x,
            y=list(classes),
            name=split,
            orientation="h",
            marker_color=SPLIT_COLOURS[split],
            hovertemplate=f"%{{y}}: {form} of {split}<extra></extra>",
        )
    return fig


def frequency(labels: Array, classes: Sequence[str]) -> Figure:
    """Bars of multi-label data (n, K): for each label the share of yes, no and unknown."""
    fig = figure(**_rows(len(classes)), xaxis_title="Share of images", barmode="stack")
    fig.update_xaxes(tickformat=".0%", range=[0, 1])
    parts = (("yes", labels == 1, GOOD), ("no", labels == 0, QUIET), ("unknown", np.isnan(labels), BAD))
    for name, cells, colour in parts:
        fig.add_bar(
            x=cells.mean(axis=0),
            y=list(classes),
            name=name,
            orientation="h",
            marker_color=colour,
            customdata=cells.sum(axis=0),
            hovertemplate=f"%{{y}}: %{{customdata:,}} {name} (%{{x:.1%}})<extra></extra>",
        )
    return fig


def histogram(values: Array, edges: Array, xaxis_title: str) -> Figure:
    """Bars over ``edges``, with the median and the mean marked."""
    counts, _ = np.histogram(values, edges)
    fig = figure(xaxis_title=xaxis_title, yaxis_title="Images", bargap=0.04, margin_t=28)
    fig.update_yaxes(tickformat=",")
    fig.add_bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=counts,
        marker_color=GOOD,
        customdata=np.stack([edges[:-1], edges[1:]], axis=1),
        hovertemplate="%{customdata[0]:.0f} to %{customdata[1]:.0f}: %{y:,} images<extra></extra>",
    )
    median, mean = float(np.median(values)), float(values.mean())
    _mark(fig, f"median {median:.0f}", median, "solid", "right" if median <= mean else "left")
    _mark(fig, f"mean {mean:.0f}", mean, "dot", "left" if median <= mean else "right")
    return fig


def _mark(fig: Figure, text: str, at: float, dash: str, anchor: str) -> None:
    """A vertical line with its name above the bars, so that two close lines do not write over each other."""
    # What Plotly's add_vline would draw, in a fifth of its time: this page has four.
    fig.add_shape(
        type="line",
        x0=at,
        x1=at,
        y0=0,
        y1=1,
        yref="y domain",
        line={"color": QUIET, "dash": dash, "width": 1.5},
    )
    fig.add_annotation(
        x=at,
        y=1,
        yref="y domain",
        text=f" {text} ",
        font={"size": 11},
        showarrow=False,
        yanchor="bottom",
        xanchor=anchor,
    )


def histogram_by_class(
    values: Array, of_class: Sequence[Array], edges: Array, classes: Sequence[str], xaxis_title: str
) -> Figure:
    """A row a class, shaded by the share of the class in each bin; ``of_class`` are masks on ``values``."""
    shares = np.array([np.histogram(values[mask], edges)[0] / max(mask.sum(), 1) for mask in of_class])
    fig = figure(**_rows(len(classes)), xaxis_title=xaxis_title)
    fig.add_heatmap(
        z=np.where(shares > 0, shares, np.nan),
        x=(edges[:-1] + edges[1:]) / 2,
        y=list(classes),
        colorscale=SHADES,
        showscale=False,
        hoverongaps=False,
        ygap=2,
        hovertemplate="%{y}, about %{x:.0f}: %{z:.1%} of the class<extra></extra>",
    )
    return fig


def pixel_intensities(shares: Array) -> Figure:
    """Bars: share of all pixels in each intensity bin; logarithmic where a background dwarfs the rest."""
    width = 256 / len(shares)
    left = np.arange(len(shares)) * width
    there = shares[shares > 0]
    fig = figure(xaxis_title="Pixel intensity", yaxis_title="Share of pixels", bargap=0.04)
    if len(there) and there.max() > DWARFS * np.median(there):
        ticks = _log_ticks(float(there.min()), float(there.max()))
        fig.update_yaxes(
            type="log",
            title="Share of pixels (log scale)",
            tickvals=ticks,
            ticktext=[f"{100 * tick:g} %" for tick in ticks],
            showgrid=True,
        )
    else:
        fig.update_yaxes(tickformat="~p", rangemode="tozero")
    fig.add_bar(
        x=left + width / 2,
        y=np.where(shares > 0, shares, np.nan),
        marker_color=GOOD,
        customdata=np.stack([left, left + width - 1], axis=1),
        hovertemplate="%{customdata[0]:.0f} to %{customdata[1]:.0f}: %{y:.2%} of pixels<extra></extra>",
    )
    return fig


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade from ``low`` to ``high``; over many decades only 1."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [float(f"{step}e{decade}") for decade in range(first, last + 1) for step in steps]
    return [tick for tick in ticks if low / 2 <= tick <= high * 2]


def sizes(sizes: Array) -> Figure:
    """Dots: the image sizes, larger where there are more images of one size."""
    shapes, counts = np.unique(sizes, axis=0, return_counts=True)
    top = np.argsort(-counts)[:2000]
    fig = figure(xaxis_title="Width in pixels", yaxis_title="Height in pixels")
    fig.add_scatter(
        x=shapes[top, 1],
        y=shapes[top, 0],
        mode="markers",
        marker={"size": 6 + 22 * np.sqrt(counts[top] / counts.max()), "color": GOOD, "opacity": 0.6},
        customdata=counts[top],
        hovertemplate="%{x} × %{y}: %{customdata:,} images<extra></extra>",
    )
    return fig


def edges_of(values: Array) -> Array:
    """Edges of equal bins over the values, on whole intensities."""
    low, high = float(np.floor(values.min())), float(np.ceil(values.max()))
    return np.linspace(low, max(high, low + 1), N_BINS + 1)
