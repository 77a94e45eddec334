"""The panels of the Evaluate page for a run whose images have several labels."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.evaluation.multilabel import MultiLabelScores
from core.evaluation.thresholds import AIMS, Thresholds, by_hand, save_thresholds, tune_thresholds
from core.quality.queue import SELECTION, QueueRequest
from core.runs.store import Run
from dashboard import gallery, handover, item_dialog, label_pairs_panel, multilabel_tables
from dashboard.charts import multilabel as charts
from dashboard.charts.template import show
from dashboard.errors import shown_as_message
from dashboard.multilabel_view import GROUPS, MISSED, MultiLabelEvaluation, saved_thresholds
from dashboard.wording import counted, percent, plain

MAX_IMAGES = 120
AIM_WORDS = {"f1": "F1", "g-mean": "G-mean", "precision": "A fixed precision"}


def draw(dataset: Dataset, run: Run, found: MultiLabelEvaluation, split: str) -> None:
    """All panels; they share the thresholds, which live in the session until they are saved with the run."""
    with shown_as_message():
        _panels(dataset, run, found, split)


@st.fragment
def _panels(dataset: Dataset, run: Run, found: MultiLabelEvaluation, split: str) -> None:
    with shown_as_message():
        thresholds = _thresholds(run, len(dataset.classes))
        result = found.scores(thresholds)
        _headline(result, split)
        multilabel_tables.draw(result, found.rows.classes)
        label_pairs_panel.draw(dataset, run, found, result)
        _one_label(dataset, run, found, thresholds)


def _key(run: Run, k: int) -> str:
    return f"threshold_{run.id}_{k}"


def _thresholds(run: Run, n_labels: int) -> NDArray[np.float64]:
    """(K,) as the sliders say; at first those kept with the run."""
    kept = saved_thresholds(run, n_labels).values
    for k in range(n_labels):
        st.session_state.setdefault(_key(run, k), kept[k])
        st.session_state[_key(run, k)] = st.session_state[_key(run, k)]  # kept while its slider is not shown
    return np.array([st.session_state[_key(run, k)] for k in range(n_labels)])


def _headline(result: MultiLabelScores, split: str) -> None:
    best, worst = result.at_best, result.at_worst
    n_known, n_unknown = int(result.known.sum()), int((~result.known).sum())
    cards = (
        ("Mean ROC AUC", result.macro_auc, tuple(result.ranking_bounds["macro_auc"])),
        ("Macro-F1", result.macro("f1"), result.macro_f1_bounds),
        ("F1 of images", result.samples("f1"), result.samples_bounds("f1")),
        (
            "Hamming score",
            result.micro("accuracy"),
            (float(worst.together().accuracy[0]), float(best.together().accuracy[0])),
        ),
        ("Jaccard", result.samples("jaccard"), result.samples_bounds("jaccard")),
        ("Exact match", result.samples("exact"), result.samples_bounds("exact")),
    )
    for column, (name, value, ends) in zip(st.columns(6), cards, strict=True):
        note = multilabel_tables.span(*ends) if n_unknown else "all known"
        column.metric(
            name, percent(value), note, delta_color="off", delta_arrow="off", border=True, height="stretch"
        )
    words = {"val": "validation", "test": "test", "train": "training"}[split]
    st.caption(
        f"Over {n_known:,} known labels of {counted(len(result.labels), f'{words} image')}"
        + (f"; {n_unknown:,} unknown are left out (small: the bounds if they were known)" * (n_unknown > 0))
        + " · at the thresholds below"
        + (", some tuned on these very images" * (split == "val"))
        + (" · the model has learned from these, so it looks better here than it is" * (split == "train"))
    )


def _one_label(
    dataset: Dataset, run: Run, found: MultiLabelEvaluation, thresholds: NDArray[np.float64]
) -> None:
    classes = found.rows.classes
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            k = int(
                st.selectbox(
                    "Label",
                    range(len(classes)),
                    format_func=classes.__getitem__,
                    key="evaluate_label",
                    width=240,
                )
                or 0
            )
            st.slider("Threshold: yes from here on", 0.0, 1.0, step=0.005, format="%.3f", key=_key(run, k))
            _tuning(run, found, thresholds)
        _counts(found, k, float(thresholds[k]))
        yes, probs = found.known(k)
        if yes.any() and not yes.all():
            left, right = st.columns(2)
            with left:
                show(charts.roc(yes, probs, float(thresholds[k])), "roc", "ROC curve of the label")
            with right:
                figure = charts.precision_recall(yes, probs, float(thresholds[k]))
                show(figure, "pr", "Precision against recall of the label")
        else:
            st.caption("There is no curve: among the known ones this label is never yes, or never no.")
        _images(dataset, run, found, k, float(thresholds[k]))


def _tuning(run: Run, found: MultiLabelEvaluation, thresholds: NDArray[np.float64]) -> None:
    """Thresholds from the validation images, and keeping them."""
    with st.popover("Tune all", icon=":material/tune:"):
        aim = st.selectbox("For the best", AIMS, format_func=AIM_WORDS.__getitem__, key="tune_aim")
        wanted = 90
        if aim == "precision":
            wanted = st.number_input("Right at least (%)", 1, 100, 90, key="tune_precision")
        tuned = tune_thresholds(found.held_out.labels, found.held_out.pred_probs, aim, wanted / 100)
        both = [
            pair for pair in zip(tuned.at_half, tuned.nested, strict=True) if None not in pair
        ]  # labels with enough of both answers
        if both:
            half, nested = np.mean(np.array(both, float), axis=0)
            judged = {"f1": "F1", "g-mean": "G-mean", "precision": "recall"}[aim]
            st.caption(
                f"Mean {judged} on validation: {percent(float(half))} at one half, "
                f"{percent(float(nested))} at thresholds tuned on other validation images."
            )
        else:
            st.caption("Too few validation labels to say what it brings.")
        st.button("Use these", key="use_tuned", on_click=_use, args=(run, tuned))
    kept = np.asarray(saved_thresholds(run, len(thresholds)).values)
    changed = not np.allclose(kept, thresholds, atol=1e-6)
    if st.button("Save with the run", icon=":material/save:", disabled=not changed, key="save_thresholds"):
        save_thresholds(run.folder, by_hand(thresholds.tolist()))
        st.rerun(scope="fragment")


def _use(run: Run, tuned: Thresholds) -> None:
    """Keep tuned thresholds and move the sliders, which can only be done before they are drawn."""
    with shown_as_message():
        save_thresholds(run.folder, tuned)
        for k, value in enumerate(tuned.values):
            st.session_state[_key(run, k)] = value


def _counts(found: MultiLabelEvaluation, k: int, threshold: float) -> None:
    """The four counts of one label as a small table, live."""
    labels, probs = found.rows.labels[:, k], found.rows.pred_probs[:, k]
    said = probs >= threshold
    cells = (
        ("Right yes", int(((labels == 1) & said).sum())),
        ("Missed", int(((labels == 1) & ~said).sum())),
        ("False alarms", int(((labels == 0) & said).sum())),
        ("Right no", int(((labels == 0) & ~said).sum())),
        ("Unknown, said yes", int((np.isnan(labels) & said).sum())),
    )
    for column, (name, value) in zip(st.columns(5), cells, strict=True):
        column.metric(name, f"{value:,}")


def _images(dataset: Dataset, run: Run, found: MultiLabelEvaluation, k: int, threshold: float) -> None:
    name = plain(found.rows.classes[k])
    with st.container(horizontal=True, vertical_alignment="center"):
        which = st.segmented_control(
            "Which images",
            GROUPS,
            default=MISSED,
            required=True,
            label_visibility="collapsed",
            key="label_group",
        )
        rows = found.group(k, threshold, which)
        st.markdown(f"**{name}** · {counted(len(rows), 'image')}, the surest first")
        if st.button(
            "Send to Relabel", icon=":material/fact_check:", disabled=not len(rows), key="send_group"
        ):
            ids = tuple(str(one) for one in found.rows.item_ids[rows])
            handover.to_relabel(QueueRequest(kind=SELECTION, run=run.id, item_ids=ids))
    if not len(rows):
        st.caption("There are none.")
        return
    shown = rows[:MAX_IMAGES]
    done = gallery.show(
        dataset,
        found.positions[shown].tolist(),
        badges=[f"{100 * found.rows.pred_probs[row, k]:.0f} %" for row in shown],
        key="label_images",
        tile=84,
        label=f"{which}: {found.rows.classes[k]}",
    )
    if len(rows) > len(shown):
        st.caption(f"The first {len(shown)} of {len(rows):,}. The badge is the probability of yes.")
    else:
        st.caption("The badge is the probability of yes.")
    if done.clicked is not None:
        item_dialog.show(dataset, done.clicked, run)
