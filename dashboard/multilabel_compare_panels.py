"""The panels of the Evaluate page for two runs whose images have several labels."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.data.dataset import Dataset
from core.evaluation.compare import SIGNIFICANT
from core.evaluation.multilabel_compare import TITLES, Figure, LabelChange, MultiLabelComparison
from core.evaluation.of_run import compare_label_runs
from core.labels.versions import LabelVersion, newest_version
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import gallery, handover, item_dialog
from dashboard.charts import multilabel as charts
from dashboard.charts.template import show
from dashboard.compare_panels import ICONS, pick
from dashboard.errors import shown_as_message
from dashboard.memo import remembered
from dashboard.progress import progress
from dashboard.wording import counted, figures_in, percent, plain, points

MAX_IMAGES = 60
HALF, OWN = "One half", "Each run's own"


def draw(workspace: Workspace, dataset: Dataset, runs: tuple[Run, Run], split: str) -> None:
    """All panels: run ``runs[1]`` against ``runs[0]``."""
    with st.container(horizontal=True):
        tuned = (
            st.segmented_control(
                "Thresholds",
                [HALF, OWN],
                default=HALF,
                required=True,
                key="compare_thresholds",
                help="From which probability on a label is yes: one half for all, or as kept with each run.",
            )
            == OWN
        )
        version = newest_version(workspace, dataset)
        comparisons = _comparisons(workspace, dataset, runs, split, version, tuned=tuned)
        found = pick(comparisons)
    _verdict(found)
    _labels(found)
    _differing(dataset, runs, found)


@remembered()
def _comparisons(
    workspace: Workspace,
    dataset: Dataset,
    runs: tuple[Run, Run],
    split: str,
    version: LabelVersion,
    *,
    tuned: bool,
) -> list[MultiLabelComparison]:
    with progress("Drawing images again and again") as on_share:
        return compare_label_runs(workspace, *runs, split, tuned=tuned, on_share=on_share)


def _verdict(found: MultiLabelComparison) -> None:
    """The sentence that counts, and the figures behind it."""
    tell = {"better": st.success, "worse": st.warning}.get(found.outcome, st.info)
    tell(figures_in(found.verdict), icon=ICONS.get(found.outcome, ":material/balance:"))
    for column, one in zip(st.columns(len(found.figures)), found.figures, strict=True):
        title = TITLES[one.name].capitalize().replace("roc auc", "ROC AUC").replace("f1", "F1")
        change = f"{percent(one.a).removesuffix(' %')} → {percent(one.b)}"
        column.metric(
            f"{title}, {change}",
            points(one.difference),
            _interval(one),
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
    left_out = int(found.scores_a.known.size - found.n_known)
    unknown = f"; {left_out:,} unknown left out" if left_out else ""
    only_one = f"; {counted(found.n_uncommon, 'image')} that only one run has" if found.n_uncommon else ""
    st.caption(
        f"{found.n_known:,} known labels of the same {len(found):,} images{unknown}{only_one}. Intervals: "
        "95 % of the differences when the images are drawn again and again, each with both runs' answers."
    )


def _interval(one: Figure) -> str:
    if one.ci95 is None:
        return "too few images"
    return f"95 %: {points(one.ci95[0]).removesuffix(' pt')} to {points(one.ci95[1]).removesuffix(' pt')}"


def _labels(found: MultiLabelComparison) -> None:
    """What changed for each label: a chart of differences with intervals, and the table."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("By label", anchor=False)
            by = st.segmented_control(
                "Figure", ["ROC AUC", "F1"], default="ROC AUC", required=True, key="compare_figure"
            )
        proven = [one for one in found.labels if one.p_value < SIGNIFICANT]
        words = ", ".join(
            f"{plain(one.name)} ({'better' if one.only_b > one.only_a else 'worse'})" for one in proven
        )
        st.caption(
            f"Yes and no are told differently, and that is proven, for: {words}."
            if proven
            else "For no single label is it proven that yes and no are told better or worse (exact McNemar, "
            "Holm over the labels)."
        )
        changes = [(one.name, one.auc if by == "ROC AUC" else one.f1) for one in found.labels]
        figure = charts.differences(changes, found.run_b)
        show(figure, "label_changes", f"Difference in {by} of each label with its interval")
        with st.expander("As a table", icon=":material/table_rows:"):
            st.dataframe([_row(one) for one in found.labels], hide_index=True, key="label_change_table")


def _row(one: LabelChange) -> dict[str, object]:
    return {
        "Label": one.name,
        "Known": one.n_known,
        "AUC before": _rounded(one.auc.a),
        "AUC after": _rounded(one.auc.b),
        "AUC, 95 %": _ends(one.auc),
        "F1 before": _rounded(one.f1.a),
        "F1 after": _rounded(one.f1.b),
        "F1, 95 %": _ends(one.f1),
        "Only before right": one.only_a,
        "Only after right": one.only_b,
        "p (Holm)": round(one.p_value, 4),
    }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)


def _ends(one: Figure) -> str:
    return "–" if one.ci95 is None else f"{one.ci95[0]:+.3f} to {one.ci95[1]:+.3f}"


@st.fragment
def _differing(dataset: Dataset, runs: tuple[Run, Run], found: MultiLabelComparison) -> None:
    """The images of which only one run told a label right."""
    with shown_as_message(), st.container(border=True):
        st.subheader("Where they differ", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            most = int(np.argmax([one.only_a + one.only_b for one in found.labels]))
            k = st.selectbox(
                "Label",
                range(len(found.classes)),
                most,
                format_func=found.classes.__getitem__,
                key="compare_label",
                width=240,
            )
            k = most if k is None else int(k)
            sides = {True: f"Only {found.run_b} right", False: f"Only {found.run_a} right"}
            second = st.segmented_control(
                "Side",
                list(sides),
                format_func=lambda one: f"{sides[one]} · {len(found.only_right(k, one))}",
                default=True,
                required=True,
                label_visibility="collapsed",
                key="compare_side",
            )
            rows = found.only_right(k, bool(second))
            ids = tuple(str(one) for one in found.item_ids[rows])
            if st.button("Send to Relabel", icon=":material/fact_check:", disabled=not ids, key="send_side"):
                handover.to_relabel(QueueRequest(kind=SELECTION, run=runs[1].id, item_ids=ids))
        if not ids:
            st.caption("There are none.")
            return
        shown = rows[:MAX_IMAGES]
        done = gallery.show(
            dataset,
            dataset.positions(list(ids[:MAX_IMAGES])).tolist(),
            badges=["yes" if found.scores_a.labels[row, k] == 1 else "no" for row in shown],
            key="differing_labels",
            tile=84,
            label="Images that one run got right",
        )
        first = f" The first {len(shown)} of {len(rows):,}." if len(rows) > len(shown) else ""
        st.caption(f"The badge is the label.{first}")
        if done.clicked is not None:
            item_dialog.show(dataset, done.clicked, runs[int(bool(second))])
