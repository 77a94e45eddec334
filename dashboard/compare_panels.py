"""The panels of the Evaluate page for two runs: is the second better, and where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.data.dataset import Dataset, Task
from core.evaluation.compare import SIGNIFICANT, ClassChange, Comparison, Figure
from core.labels.versions import LabelVersion
from core.metrics.registry import find_metric
from core.quality.looks import record_comparison
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import evaluate_view, gallery, handover, item_dialog
from dashboard.charts import evaluate as charts
from dashboard.charts import multilabel as several
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


HALF, OWN = "One half", "Each run's own"


def draw(
    workspace: Workspace, dataset: Dataset, runs: tuple[Run, Run], split: str, version: LabelVersion
) -> None:
    """All panels: run ``runs[1]`` against ``runs[0]``."""
    with st.container(horizontal=True):
        tuned = dataset.task is Task.MULTI_LABEL and (
            st.segmented_control(
                "Thresholds",
                [HALF, OWN],
                default=HALF,
                required=True,
                key="compare_thresholds",
                help="From which probability on a label is yes: one half for all, or as saved with each run.",
            )
            == OWN
        )
        comparisons = evaluate_view.comparisons(workspace, dataset, runs, split, version, tuned=tuned)
        found = pick(comparisons)
    verdict(found, comparisons)
    if split == "test":
        _how_many(record_comparison(workspace, dataset, *runs))
    left, right = st.columns([2, 3])
    with left:
        counts(found)
    with right:
        classes(found)
    differing_images(dataset, runs, found)


def _how_many(n_pairs: int) -> None:
    if n_pairs > 1:
        st.caption(
            f"{n_pairs} pairs of runs were compared on these test images; p is not adjusted for it. "
            "The best of many looks better than it is."
        )


def pick(found: Sequence[Comparison]) -> Comparison:
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
    measure = found.measure.removeprefix("the ").capitalize()
    change = _change(found.accuracy_a, found.accuracy_b)
    cards = [
        (f"{measure}, {change}", points(found.difference), _interval(found.ci95)),
        *(_figure_card(found, one) for one in found.figures),
        ("Exact p" if found.measure != "accuracy" else "Exact McNemar p", _p(found.p_value), "level 0.05"),
        (
            "Minimum detectable difference",
            points(found.detectable).removeprefix("+"),
            "at 80 % power",
        ),
    ]
    for column, (name, value, note) in zip(st.columns(len(cards)), cards, strict=True):
        column.metric(name, value, note, delta_color="off", delta_arrow="off", border=True, height="stretch")


def _figure_card(found: Comparison, one: Figure) -> tuple[str, str, str]:
    title = find_metric(one.name, found.labels.task).title
    return f"{title}, {_change(one.a, one.b)}", points(one.difference), _interval(one.ci95)


def _interval(bounds: tuple[float, float] | None) -> str:
    if bounds is None:
        return "too few images"
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
            f"; {counted(found.n_unlabelled, 'unlabeled image')} left out" if found.n_unlabelled else ""
        )
        only_one = f"; {found.n_uncommon:,} that only one run has" if found.n_uncommon else ""
        known = f"{found.n_known:,} known labels of the" if found.n_known != len(found) else "The"
        groups = f" in {found.n_units:,} groups of near copies" if found.groups is not None else ""
        st.caption(
            f"{known} same {len(found):,} images{groups} for both{left_out}{only_one}. "
            "Only the bold cells differ between the runs."
        )


def classes(found: Comparison) -> None:
    """What changed for each class."""
    with st.container(border=True, height="stretch"):
        st.subheader("By class", anchor=False)
        changes = found.class_changes
        significant = [change for change in changes if change.p_value < SIGNIFICANT]
        if significant:
            words = ", ".join(
                f"{plain(change.name)} ({'better' if change.only_b > change.only_a else 'worse'})"
                for change in significant
            )
            st.caption(f"Significant (exact test, Holm over the classes): {words}.")
        else:
            st.caption("No class differs significantly (exact test, Holm over the classes).")
        if changes and changes[0].figures:
            _intervals_of_classes(found)
            return
        shown = sorted(changes, key=lambda change: -abs(change.f1_b - change.f1_a))[:30]
        figure = charts.class_changes(shown, found.run_a, found.run_b)
        show(figure, "class_changes", "F1 of each class in both runs")


def _intervals_of_classes(found: Comparison) -> None:
    by = st.segmented_control(
        "Metric", ["ROC AUC", "F1"], default="ROC AUC", required=True, key="compare_figure"
    )
    key = "auc" if by == "ROC AUC" else "f1"
    pairs = [(one.name, one.figures[key]) for one in found.class_changes if key in one.figures]
    show(
        several.differences(pairs, found.run_b),
        "label_changes",
        f"Difference in {by} of each label with its interval",
    )
    with st.expander("As a table", icon=":material/table_rows:"):
        rows = [_row(one) for one in found.class_changes]
        st.dataframe(rows, hide_index=True, key="label_change_table")


def _row(one: ClassChange) -> dict[str, object]:
    row: dict[str, object] = {"Label": one.name, "Known": one.n_known}
    for key, name in (("auc", "AUC"), ("f1", "F1")):
        if key in one.figures:
            figure = one.figures[key]
            row |= {f"{name} before": _rounded(figure.a), f"{name} after": _rounded(figure.b)}
            row[f"{name}, 95 %"] = _ends(figure)
    tests = {"Only before right": one.only_a, "Only after right": one.only_b, "p (Holm)": one.p_value}
    return row | tests


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)


def _ends(one: Figure) -> str:
    return "–" if one.ci95 is None else f"{one.ci95[0]:+.3f} to {one.ci95[1]:+.3f}"


@st.fragment
def differing_images(dataset: Dataset, runs: tuple[Run, Run], found: Comparison) -> None:
    """The images that only one of the runs got right; of several labels, one label of them."""
    with shown_as_message(), st.container(border=True):
        st.subheader("Where they differ", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            k = _pick_label(found) if found.labels.task is Task.MULTI_LABEL else None
            sides = {True: f"Only {found.run_b} right", False: f"Only {found.run_a} right"}
            second = bool(
                st.segmented_control(
                    "Side",
                    list(sides),
                    format_func=lambda one: f"{sides[one]} · {len(found.only_right(second=one, k=k))}",
                    default=True,
                    required=True,
                    label_visibility="collapsed",
                    key="compare_side",
                )
            )
            rows = found.only_right(second=second, k=k)
            ids = tuple(str(one) for one in found.item_ids[rows])
            if st.button("Send to Relabel", icon=":material/fact_check:", disabled=not ids, key="send_side"):
                handover.to_relabel(QueueRequest(kind=SELECTION, run=runs[1].id, item_ids=ids))
        if not ids:
            st.caption("There are none.")
            return
        shown = rows[:MAX_IMAGES]
        done = gallery.show(
            dataset,
            dataset.positions(found.item_ids[shown]).tolist(),
            captions=[_caption(found, int(row), k, second=second) for row in shown],
            key="differing",
            tile=100,
            label="Images that one run got right",
        )
        st.caption("Label → prediction of the other run." if k is None else "Label, and both probabilities.")
        if len(rows) > len(shown):
            st.caption(f"The first {len(shown)} of {len(rows):,}.")
        if done.clicked is not None:
            item_dialog.show(dataset, done.clicked, runs[1] if second else runs[0])


def _pick_label(found: Comparison) -> int:
    most = max(found.class_changes, key=lambda one: one.only_a + one.only_b)
    first = found.classes.index(most.name)
    k = st.selectbox(
        "Label",
        range(len(found.classes)),
        first,
        format_func=found.classes.__getitem__,
        key="compare_label",
        width=240,
    )
    return first if k is None else int(k)


def _caption(found: Comparison, row: int, k: int | None, *, second: bool) -> str:
    labels, other = found.labels, found.scores_a if second else found.scores_b
    if k is None:
        return f"{labels.words(row)} → {labels.classes[int(other.predicted[row])]}"
    given = "yes" if labels.yes[row, k] else "no"
    a, b = (percent(float(one.probs[row, k])) for one in (found.scores_a, found.scores_b))
    return f"{given} · {a} → {b}"
