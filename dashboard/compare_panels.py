"""The panels of the Evaluate page for two runs: is the second better, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
import streamlit as st

from core.data.dataset import Dataset
from core.evaluation.compare import Comparison
from core.runs.store import Run
from dashboard import gallery, item_dialog
from dashboard.charts import evaluate as charts
from dashboard.charts.template import show
from dashboard.errors import shown_as_message
from dashboard.wording import counted, figures_in, percent, plain, points

ICONS = {"better": ":material/trending_up:", "worse": ":material/trending_down:"}
LABEL_WORDS = {
    "given": "Labels as given",
    "corrected": "Corrected labels",
    "suggested": "With unconfirmed corrections",
}
MAX_IMAGES = 120


class OnLabels(Protocol):
    """A comparison of two runs, of any kind."""

    @property
    def label_set(self) -> str:
        """Which labels count as right: a key of LABEL_WORDS."""


C = TypeVar("C", bound=OnLabels)


def pick(found: Sequence[C]) -> C:
    """The comparison to show; asked where corrections change the right answers of these images."""
    if len(found) == 1:
        return found[0]
    index = st.segmented_control(
        "Right answers",
        range(len(found)),
        format_func=lambda number: LABEL_WORDS[found[number].label_set],
        default=0,
        required=True,
        key="compare_labels",
        help="Both runs are always scored on the same labels. Corrections are often found by looking at the "
        "mistakes of one run, and then favour it: the labels as given are the harder test.",
    )
    return found[index or 0]


def verdict(found: Comparison, others: Sequence[Comparison]) -> None:
    """The sentence that counts, and the figures behind it."""
    tell = {"better": st.success, "worse": st.warning}.get(found.outcome, st.info)
    tell(figures_in(found.verdict), icon=ICONS.get(found.outcome, ":material/balance:"))
    for other in others:
        if other is not found:
            low, high = (points(bound) for bound in other.ci95)
            words = LABEL_WORDS[other.label_set].lower()
            st.caption(
                f"On the {words}: {points(other.difference)} "
                f"(95 % from {low} to {high}, p = {other.p_value:.3f})."
            )
    a, b = found.scores_a, found.scores_b
    f1 = b.macro_f1 - a.macro_f1
    cards = (
        (f"Accuracy, {_change(a.accuracy, b.accuracy)}", points(found.difference), _interval(found.ci95)),
        (f"Macro-F1, {_change(a.macro_f1, b.macro_f1)}", points(f1), _interval(found.macro_f1_ci95)),
        ("Exact McNemar p", _p(found.p_value), "proven below 0.05"),
        ("Smallest provable", points(found.detectable).removeprefix("+"), "shown 4 times in 5"),
    )
    for column, (name, value, note) in zip(st.columns(4), cards, strict=True):
        column.metric(name, value, note, delta_color="off", delta_arrow="off", border=True, height="stretch")


def _interval(bounds: tuple[float, float]) -> str:
    return f"95 %: {points(bounds[0]).removesuffix(' pt')} to {points(bounds[1]).removesuffix(' pt')}"


def _change(before: float, after: float) -> str:
    return f"{percent(before).removesuffix(' %')} → {percent(after)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def counts(found: Comparison) -> None:
    """The two by two table: which of the runs got how many right."""
    counted_as = found.counts
    a, b = plain(found.run_a), plain(found.run_b)
    with st.container(border=True, height="stretch"):
        st.subheader("Who is right", anchor=False)
        st.markdown(
            f"| | {b} right | {b} wrong |\n|---|---:|---:|\n"
            f"| **{a} right** | {counted_as['both_right']:,} | **{counted_as['only_a']:,}** |\n"
            f"| **{a} wrong** | **{counted_as['only_b']:,}** | {counted_as['both_wrong']:,} |"
        )
        left_out = (
            f"; {counted(found.n_unlabelled, 'unlabelled image')} left out" if found.n_unlabelled else ""
        )
        only_one = f"; {found.n_uncommon:,} that only one run has" if found.n_uncommon else ""
        st.caption(
            f"The same {len(found):,} images for both{left_out}{only_one}. "
            "Only the bold cells tell the runs apart."
        )


def classes(found: Comparison) -> None:
    """What changed for each class."""
    with st.container(border=True, height="stretch"):
        st.subheader("By class", anchor=False)
        changes = found.class_changes
        proven = [change for change in changes if change.p_value < 0.05]
        if proven:
            words = ", ".join(
                f"{plain(change.name)} ({points(change.recall_b - change.recall_a)} recall)"
                for change in proven
            )
            st.caption(f"Proven for: {words}.")
        else:
            st.caption("For no single class is the change proven (exact McNemar, Holm over the classes).")
        shown = sorted(changes, key=lambda change: -abs(change.f1_b - change.f1_a))[:30]
        figure = charts.class_changes(shown, found.run_a, found.run_b)
        show(figure, "class_changes", "F1 of each class in both runs")


@st.fragment
def differing_images(dataset: Dataset, runs: tuple[Run, Run], found: Comparison) -> None:
    """The images that only one of the runs got right."""
    with shown_as_message(), st.container(border=True):
        sides = {
            f"Only {found.run_b} right": (~found.right_a & found.right_b, found.predicted_a, runs[1]),
            f"Only {found.run_a} right": (found.right_a & ~found.right_b, found.predicted_b, runs[0]),
        }
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Where they differ", anchor=False)
            side = st.segmented_control(
                "Side",
                list(sides),
                format_func=lambda name: f"{name} · {int(sides[name][0].sum())}",
                default=next(iter(sides)),
                required=True,
                label_visibility="collapsed",
                key="compare_side",
            )
        mask, predicted, run = sides.get(str(side), next(iter(sides.values())))
        rows = np.flatnonzero(mask)
        if not len(rows):
            st.caption("There are none.")
            return
        st.caption("Label → what the other run said.")
        shown = rows[:MAX_IMAGES]
        captions = [f"{found.classes[found.labels[r]]} → {found.classes[predicted[r]]}" for r in shown]
        positions = dataset.positions(found.item_ids[shown]).tolist()
        done = gallery.show(
            dataset,
            positions,
            captions=captions,
            key="differing",
            tile=100,
            label="Images that one run got right",
        )
        if len(rows) > len(shown):
            st.caption(f"The first {len(shown)} of {len(rows):,}.")
        if done.clicked is not None:
            item_dialog.show(dataset, done.clicked, run)
