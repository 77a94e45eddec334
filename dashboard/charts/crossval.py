"""Curves over folds: their mean, and a band of one standard deviation around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.evaluation.crossval import band
from dashboard.charts.line_ends import end_label, room
from dashboard.charts.template import PALETTE

PARTS = (("train", "Training", PALETTE[0]), ("valid", "Held-out fold", PALETTE[1]))
METRICS = (("loss", "Loss"), ("accuracy", "Accuracy"))


def draw(value: Mapping[str, Any], key: str) -> None:
    """Loss and accuracy by epoch.

    Args:
        value: As core.evaluation.crossval keeps it.
        key: Streamlit key.
    """
    for column, (metric, title) in zip(st.columns(len(METRICS)), METRICS, strict=True):
        with column.container(border=True):
            st.markdown(f"**{title}**, mean of the folds ± one standard deviation")
            st.echarts_chart(
                spec(value["curves"], metric),
                height=260,
                key=f"{key}_{metric}",
                alt=f"Lines with bands: {title} by epoch, training and held-out images, over the folds",
            )


def spec(curves: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """The echarts option of one metric: for each part a band, made of two stacked lines, and its mean."""
    series: list[dict[str, Any]] = []
    width = room([name for _, name, _ in PARTS])
    for part, name, colour in PARTS:
        rows = band(curves[f"{part}_{metric}"])
        shade = {"opacity": 0.2, "color": colour}
        series += [
            _edge(part, [[epoch, low] for epoch, _, low, _ in rows], {"opacity": 0}),
            _edge(part, [[epoch, high - low] for epoch, _, low, high in rows], shade),
            {
                "type": "line",
                "name": name,
                "data": [[epoch, round(mean, 5)] for epoch, mean, _, _ in rows],
                "color": colour,
                "lineStyle": {"width": 2, "type": "dashed" if part == "valid" else "solid"},
                "symbolSize": 5,
                **end_label(name, colour, width, hollow=part == "valid"),
            },
        ]
    n_epochs = max((len(one) for one in curves[f"train_{metric}"]), default=1)
    return {
        "animation": False,
        "grid": {"left": 8, "right": width, "top": 12, "bottom": 22, "containLabel": True},
        "tooltip": {"trigger": "item", "confine": True, "formatter": "{a}, epoch {@[0]}: {@[1]}"},
        "xAxis": {
            "type": "value",
            "name": "Epoch",
            "nameLocation": "middle",
            "nameGap": 24,
            "min": 1,
            "max": max(2, n_epochs),
            "minInterval": 1,
            "splitLine": {"show": False},
        },
        "yAxis": {"type": "value", "scale": True, "splitNumber": 4},
        "series": series,
    }


def _edge(part: str, data: list[list[float]], area: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "line",
        "stack": f"band-{part}",
        "stackStrategy": "all",
        "data": data,
        "showSymbol": False,
        "silent": True,
        "lineStyle": {"opacity": 0},
        "areaStyle": area,
        "tooltip": {"show": False},
    }
