"""Figures of each label on the Evaluate page, their averages, and within what they lie if all were known."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.evaluation.multilabel import MultiLabelScores
from dashboard.wording import counted

RATIOS = {
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "g_mean": "G-mean",
    "f1": "F1",
    "balanced_accuracy": "Bal. accuracy",
    "accuracy": "Accuracy",
    "auc": "ROC AUC",
    "average_precision": "Av. precision",
}
"""Figures of a label, by their name in the scores; the last two are of the ranking, not of the threshold."""

RANKINGS = ("auc", "average_precision")


def span(low: float, high: float) -> str:
    """Within what the figure would lie if the unknown labels were known, in points."""
    return "–" if np.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"


def draw(result: MultiLabelScores, classes: tuple[str, ...]) -> None:
    """Each label's figures, the averages over the labels, or the bounds of both."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("By label", anchor=False)
            which = st.segmented_control(
                "Which figures",
                list(TABLES),
                default=next(iter(TABLES)),
                required=True,
                label_visibility="collapsed",
                key="label_figures",
            )
        rows = TABLES[which](result, classes)
        st.dataframe(
            rows,
            hide_index=True,
            column_config=None if which == BOUNDS else _COLUMNS,
            key=f"per_label_{which}",
        )
        if which == BOUNDS:
            st.caption(
                "In percent: at worst and at best, if the unknown labels were known. Where none is, both are "
                "the figure itself."
            )


_PERCENT = st.column_config.NumberColumn(format="%.1f %%")
_COLUMNS = {
    **dict.fromkeys(RATIOS.values(), _PERCENT),
    "Jaccard": _PERCENT,
    "Recall": st.column_config.NumberColumn(format="%.1f %%", help="Also called sensitivity."),
    "G-mean": st.column_config.NumberColumn(
        format="%.1f %%", help="Geometric mean of recall and specificity."
    ),
}


def _figures(result: MultiLabelScores, classes: tuple[str, ...]) -> list[dict[str, object]]:
    counts = result.counts
    return [
        {
            "Label": name,
            "Threshold": round(float(result.thresholds[k]), 3),
            "TP": int(counts.tp[k]),
            "FP": int(counts.fp[k]),
            "FN": int(counts.fn[k]),
            "TN": int(counts.tn[k]),
            "Unknown": int((~result.known[:, k]).sum()),
            **{title: _in_percent(_of_label(result, ratio)[k]) for ratio, title in RATIOS.items()},
        }
        for k, name in enumerate(classes)
    ]


def _of_label(result: MultiLabelScores, name: str) -> NDArray[np.float64]:
    """(K,) a figure of each label."""
    if name in RANKINGS:
        found: NDArray[np.float64] = getattr(result, name)
        return found
    return result.counts.ratio(name)


def _averages(result: MultiLabelScores, classes: tuple[str, ...]) -> list[dict[str, object]]:
    """Over the labels, over all answers at once, over the images."""
    macro = {name: result.macro(name) for name in RATIOS if name not in RANKINGS}
    macro |= {"auc": result.macro_auc, "average_precision": result.mean_average_precision}
    micro = {name: result.micro(name) for name in RATIOS if name not in RANKINGS}
    images = {name: result.samples(name) for name in ("precision", "recall", "f1", "jaccard")}
    rows = {
        f"Macro: mean of {counted(len(classes), 'label')}": macro,
        "Micro: all answers at once": micro,
        "Mean of the images": images,
    }
    titles = {**RATIOS, "jaccard": "Jaccard"}
    return [
        {"Average": title, **{titles[name]: _in_percent(found.get(name)) for name in titles}}
        for title, found in rows.items()
    ]


def _bounds(result: MultiLabelScores, classes: tuple[str, ...]) -> list[dict[str, object]]:
    worst, best = result.at_worst, result.at_best
    rankings = {"auc": result.auc_bounds, "average_precision": result.average_precision_bounds}

    def ends(ratio: str, k: int) -> tuple[float, float]:
        if ratio in rankings:
            return rankings[ratio](k)
        return float(worst.ratio(ratio)[k]), float(best.ratio(ratio)[k])

    return [
        {
            "Label": name,
            "Unknown": int((~result.known[:, k]).sum()),
            **{title: span(*ends(ratio, k)) for ratio, title in RATIOS.items()},
        }
        for k, name in enumerate(classes)
    ]


def _in_percent(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else 100 * float(value)


BOUNDS = "Bounds"
TABLES = {"Figures": _figures, "Averages": _averages, BOUNDS: _bounds}
