"""What each class is asked on the Zero-shot page, how much is found, and what edited prompts changed."""

from __future__ import annotations

import streamlit as st

from core.data.dataset import Task
from core.embeddings import zero_shot as zs
from core.embeddings.prompts import PromptSet
from dashboard.wording import points
from dashboard.zero_shot_panels import names
from dashboard.zero_shot_view import Answers


def per_class(prompts: PromptSet, now: Answers, before: Answers | None, tuned: Answers | None) -> None:
    """What each class is asked, how much of it is found, and what the last edits changed.

    Args:
        tuned: Answers on validation images, where images have several labels: its thresholds are theirs.
    """
    several = now.dataset.task is Task.MULTI_LABEL and tuned is not None
    with st.container(border=True):
        st.subheader("By class", anchor=False)
        st.dataframe(
            _of_answers(prompts, now, before, tuned) if several and tuned else _of_one(prompts, now, before),
            hide_index=True,
            key="zs_classes",
            column_config={
                "Recall": st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100),
                "Average precision": st.column_config.ProgressColumn(
                    format="%.1f %%", min_value=0, max_value=100
                ),
                "F1": st.column_config.NumberColumn(format="%.1f %%"),
                "Yes from": st.column_config.NumberColumn(
                    format="%.3f", help="The cosine with the best F1 on validation images."
                ),
            },
        )
        st.caption(
            "Change: average precision against the last kept prompts, on the same images (300 draws of them)."
            if several
            else "Change: recall against the last kept prompts, on the same images (Tango's paired interval)."
        )


def _asked(prompts: PromptSet, k: int) -> str:
    texts = prompts.texts(k)
    return texts[0] + (f" + {len(texts) - 1}" if len(texts) > 1 else "")


def _of_one(prompts: PromptSet, now: Answers, before: Answers | None) -> list[dict[str, object]]:
    """A row for each class, where an image has one."""
    was = before if before is not None else now
    found = zs.changes(now.given, was.predicted, now.predicted, now.dataset.classes)
    shown = names(prompts)
    return [
        {
            "Class": shown[k],
            "Asked": _asked(prompts, k),
            "Images": one.support,
            "Recall": None if one.support == 0 else 100 * one.after,
            "F1": 100 * float(now.scores.f1[k]),
            **_changed(one.difference, one.low, one.high),
        }
        for k, one in enumerate(found)
    ]


def _of_answers(
    prompts: PromptSet, now: Answers, before: Answers | None, tuned: Answers
) -> list[dict[str, object]]:
    """A row for each class, where images have several: by average precision, and F1 at its threshold."""
    classes = now.dataset.classes
    thresholds = zs.best_thresholds(tuned.marks, tuned.similarity)
    found = zs.figures(now.given, now.marks, now.similarity, thresholds, classes)["classes"]
    shown, was = names(prompts), before if before is not None else now
    rows = []
    for k, one in enumerate(found):
        change = zs.precision_change(now.marks[:, k], was.similarity[:, k], now.similarity[:, k])
        score = one["average_precision"]
        rows.append(
            {
                "Class": shown[k],
                "Asked": _asked(prompts, k),
                "Images": one["n_marked"],
                "Average precision": None if score is None else 100 * score,
                "Yes from": float(thresholds[k]) if thresholds[k] <= 1 else None,
                "F1": 100 * one["f1_marks"],
                **_changed(*change),
            }
        )
    return rows


def _changed(difference: float, low: float, high: float) -> dict[str, object]:
    """The columns on a change; empty where there is none, or no image to see it on."""
    there = bool(difference) and difference == difference
    return {
        "Change": points(difference) if there else "",
        "95 % interval": f"{points(low)} to {points(high)}" if there else "",
        "Sure": "✓" if there and (low > 0 or high < 0) else "",
    }
