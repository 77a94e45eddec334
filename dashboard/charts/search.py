"""Figures of a search, in echarts: they are redrawn in place while trials come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.runs.curves import Points
from core.runs.recipe import Recipe
from core.tuning import studies
from core.tuning.space import Axis
from core.tuning.studies import StudyPlan, TrialRecord, TrialState
from dashboard.charts.template import GOOD, PALETTE, QUIET

CURVES = {
    "train_loss": ("training loss", PALETTE[0], "solid", 0),
    "valid_loss": ("validation loss", PALETTE[0], "dashed", 0),
    "train_accuracy": ("training accuracy", PALETTE[1], "solid", 1),
    "valid_accuracy": ("validation accuracy", PALETTE[1], "dashed", 1),
}
MARKS = {TrialState.FINISHED: ("circle", GOOD), TrialState.PRUNED: ("emptyDiamond", QUIET)}
_GRID = {"left": 8, "right": 12, "top": 14, "bottom": 22, "containLabel": True}


def history(trials: Sequence[TrialRecord], plan: StudyPlan, key: str) -> None:
    """Each trial's value by its number, and the best so far."""
    st.markdown("**Trials** ● finished ◇ broken off, and the best so far")
    series: list[dict[str, Any]] = [
        {
            "type": "line",
            "name": "best so far",
            "step": "end",
            "data": [[number, round(value, 5)] for number, value in studies.best_so_far(trials, plan)],
            "showSymbol": False,
            "color": PALETTE[1],
            "lineStyle": {"width": 2},
        }
    ]
    for state, (symbol, colour) in MARKS.items():
        data = [[t.number, round(t.value, 5)] for t in trials if t.state is state and t.value is not None]
        series.append(
            {
                "type": "scatter",
                "name": state.value,
                "data": data,
                "symbol": symbol,
                "symbolSize": 9,
                "color": colour,
            }
        )
    st.echarts_chart(
        {
            "animation": False,
            "grid": _GRID,
            "tooltip": {"trigger": "item", "confine": True, "formatter": "trial {@[0]}: {@[1]}"},
            "xAxis": {"type": "value", "min": 0, "minInterval": 1, "splitLine": {"show": False}},
            "yAxis": {"type": "value", "scale": True, "splitNumber": 4},
            "series": series,
        },
        height=250,
        key=key,
        alt="Dots: value of each trial; line: the best so far",
    )


def cost(trials: Sequence[TrialRecord], plan: StudyPlan, key: str) -> None:
    """Value by seconds, with those that nothing beats in both joined by a line."""
    st.markdown("**Value by seconds**, with the trials that no other beats in both")
    done = studies.ranked(trials, plan)
    best = studies.front(trials, plan)
    st.echarts_chart(
        {
            "animation": False,
            "grid": _GRID,
            "tooltip": {"trigger": "item", "confine": True, "formatter": "{@[1]} after {@[0]} s"},
            "xAxis": {"type": "value", "scale": True, "splitLine": {"show": False}},
            "yAxis": {"type": "value", "scale": True, "splitNumber": 4},
            "series": [
                {
                    "type": "scatter",
                    "data": [[round(t.seconds, 2), round(t.value or 0.0, 5)] for t in done],
                    "color": QUIET,
                    "symbolSize": 7,
                },
                {
                    "type": "line",
                    "data": [[round(t.seconds, 2), round(t.value or 0.0, 5)] for t in best],
                    "color": GOOD,
                    "symbolSize": 10,
                },
            ],
        },
        height=250,
        key=key,
        alt="Dots: value of each trial by its seconds of training; line: the best for their time",
    )


def importances(found: Mapping[str, float], key: str) -> None:
    """How much each field mattered."""
    st.markdown("**What matters**, as a share of the difference between trials")
    if not found:
        st.caption("Known once a few trials have finished.")
        return
    names = [*found][::-1]
    st.echarts_chart(
        {
            "animation": False,
            "grid": {**_GRID, "right": 44},
            "xAxis": {"type": "value", "min": 0, "max": 1, "show": False},
            "yAxis": {"type": "category", "data": [title(name) for name in names]},
            "series": [
                {
                    "type": "bar",
                    "data": [round(100 * found[name]) / 100 for name in names],
                    "color": GOOD,
                    "label": {"show": True, "position": "right", "formatter": "{c}"},
                }
            ],
        },
        height=60 + 34 * len(names),
        key=key,
        alt="Bars: " + ", ".join(f"{title(name)} {100 * share:.0f} %" for name, share in found.items()),
    )


def parallel(trials: Sequence[TrialRecord], plan: StudyPlan, key: str) -> None:
    """One line a trial across its values, coloured by what came of it."""
    st.markdown("**Values of each trial**, by how good it was")
    done = [one for one in trials if one.value is not None]
    axes = [{"dim": number, **_axis(axis)} for number, axis in enumerate(plan.axes)]
    name = plan.objective.replace("_", " ").capitalize()
    axes.append({"dim": len(axes), "name": name, "type": "value", "scale": True})
    values = [round(float(one.value or 0.0), 5) for one in done]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    ends = ["#440154", "#31688e", "#35b779", "#fde725"]  # viridis: even steps for every kind of sight
    st.echarts_chart(
        {
            "animation": False,
            "parallelAxis": axes,
            "parallel": {"left": 60, "right": 70, "top": 28, "bottom": 18},
            "visualMap": {
                "show": False,
                "dimension": len(axes) - 1,
                "min": low,
                "max": high if high > low else low + 1,
                "inRange": {"color": ends if plan.maximise else ends[::-1]},
            },
            "series": [
                {
                    "type": "parallel",
                    "lineStyle": {"width": 2, "opacity": 0.75},
                    "data": [
                        [*(_cell(one.params[axis.field]) for axis in plan.axes), value]
                        for one, value in zip(done, values, strict=True)
                    ],
                }
            ],
        },
        height=260,
        key=key,
        alt="Parallel coordinates: one line a trial across the searched fields to its value",
    )


def _axis(axis: Axis) -> dict[str, Any]:
    values: dict[str, Any]
    if axis.options:
        values = {"type": "category", "data": [_cell(one) for one in axis.options]}
    else:
        values = {"type": "log" if axis.log else "value", "scale": True, "minInterval": int(axis.whole)}
    return {"name": title(axis.field), **values}


def _cell(value: object) -> object:
    return str(value) if isinstance(value, str | bool) else value


def title(field: str) -> str:
    """The field as the form names it."""
    return str(Recipe.model_fields[field].title or field)


def curves(points: Mapping[str, Points], key: str) -> None:
    """Loss (left axis) and accuracy (right axis) of one trial."""
    series = [
        {
            "type": "line",
            "name": name,
            "data": [[x, round(y, 5)] for x, y in points[field]],
            "yAxisIndex": axis,
            "showSymbol": len(points[field]) == 1,
            "color": colour,
            "lineStyle": {"width": 1.5, "type": dash},
        }
        for field, (name, colour, dash, axis) in CURVES.items()
    ]
    st.echarts_chart(
        {
            "animation": False,
            "grid": {"left": 4, "right": 4, "top": 8, "bottom": 4, "containLabel": True},
            "tooltip": {"trigger": "axis", "confine": True, "valueFormatter": "%.3f"},
            "xAxis": {"type": "value", "minInterval": 1, "splitLine": {"show": False}},
            "yAxis": [
                {"type": "value", "splitNumber": 2, "splitLine": {"show": False}},
                {"type": "value", "splitNumber": 2, "splitLine": {"show": False}, "min": 0, "max": 1},
            ],
            "series": series,
        },
        height=130,
        key=key,
        alt="Lines: loss and accuracy by epoch, validation dashed",
    )
