"""The panels of the Evaluate page for one run: each draws one question about its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.data.dataset import Dataset
from core.evaluation.metrics import Scores, wilson_interval
from core.evaluation.of_run import LabelSet
from core.evaluation.remarks import largest_cell
from core.evaluation.selective import at_threshold
from core.quality.queue import BELOW_THRESHOLD, CELL, MISCLASSIFIED, SELECTION, QueueRequest
from core.runs.store import Run, status
from dashboard import confusion, gallery, handover, item_dialog, links, picker, stale
from dashboard.charts import evaluate as charts
from dashboard.charts.template import show
from dashboard.errors import shown_as_message
from dashboard.evaluate_view import Evaluation
from dashboard.run_figures import figure_of
from dashboard.wording import counted, percent, plain

SPLIT_NAMES = {"test": "Test", "val": "Validation", "train": "Training"}
NO_RUN = ""
MAX_IMAGES = 120


def pick_run(runs: Sequence[Run]) -> Run:
    """Which of the runs to look at; part of the address."""
    by_id = {run.id: run for run in runs}
    return by_id[_pick(by_id, [*by_id], "run", "Run")]


def pick_baseline(runs: Sequence[Run]) -> Run | None:
    """Which of the runs to compare with, if any; part of the address."""
    by_id = {run.id: run for run in runs}
    return by_id.get(_pick(by_id, [NO_RUN, *by_id], "compare", "Compare with")) if runs else None


def _pick(by_id: Mapping[str, Run], ids: list[str], key: str, title: str) -> str:
    """A picker whose choice is a run's id in the address, under ``key``; a name there is understood too."""
    asked = st.query_params.get(key, NO_RUN)
    asked = next((run.id for run in by_id.values() if asked in (run.id, run.name)), asked)
    if st.session_state.get(f"{key}_addressed") != asked or st.session_state.get(key) not in ids:
        st.session_state[key] = asked if asked in by_id else ids[0]
    chosen = st.selectbox(title, ids, format_func=lambda id_: _run_words(by_id.get(id_)), key=key, width=260)
    missing = asked if asked and asked not in ids else ""
    noun = "finished run" if key == "run" else "other finished run"
    stale.note(noun, missing, by_id[chosen].name if chosen in by_id else "")
    if chosen:
        st.query_params[key] = chosen
    else:
        st.query_params.pop(key, None)
    st.session_state[f"{key}_addressed"] = chosen
    return str(chosen)


def _run_words(run: Run | None) -> str:
    if run is None:
        return "No other run"
    figure = figure_of(status(run).summary)
    return run.name if figure is None else f"{run.name} · {figure.text}"


def pick_split(splits: Sequence[str], *, first: str, key: str) -> str:
    """Which images to look at, ``first`` unless another is chosen; part of the address, under ``key``."""
    if len(splits) == 1:
        return splits[0]
    names = [SPLIT_NAMES[split] for split in splits]
    chosen = st.segmented_control(
        "Images",
        names,
        default=SPLIT_NAMES[first] if first in splits else names[0],
        required=True,
        key=key,
        bind="query-params",
        help="Decide on validation images; test images are for the final report only. On training images "
        "the model looks better than it is, but correcting those is what changes the next model.",
    )
    return splits[names.index(chosen)] if chosen in names else splits[0]


def pick_labels(choices: Sequence[LabelSet]) -> LabelSet:
    """Which labels to score on; asked only where there are edits."""
    if len(choices) == 1:
        return choices[0]
    words = {"given": "As given", "corrected": "Corrected", "suggested": "With unconfirmed"}
    chosen = st.segmented_control(
        "Labels",
        range(len(choices)),
        format_func=lambda index: words[choices[index].key],
        default=0,
        required=True,
        key="evaluate_labels",
        help="Score on the labels as imported, or with the corrections so far. A correction of a test label "
        "that a model suggested favours that model: it counts once somebody saw the same blind.",
    )
    n_unconfirmed = _n_unconfirmed(choices)
    if n_unconfirmed and st.button(
        f"{n_unconfirmed:,} unconfirmed",
        type="tertiary",
        icon=":material/visibility_off:",
        help="Corrections of test labels that a model suggested and nobody has confirmed blind: they do not "
        "count. Press to look at them.",
    ):
        st.switch_page(links.AGREEMENT, query_params={"data": picker.dataset().name})
    return choices[chosen or 0]


def _n_unconfirmed(choices: Sequence[LabelSet]) -> int:
    """How many items only the last set corrects, the one with what nobody has confirmed blind."""
    if choices[-1].key != "suggested":
        return 0
    one, other = choices[-2].labels, choices[-1].labels
    differs = ~((one == other) | ((one != one) & (other != other)))  # NaN alone differs from itself
    return int((differs if differs.ndim == 1 else differs.any(axis=1)).sum())


def review_button(run: Run, split: str, n_mistakes: int) -> None:
    """Sends all mistakes of the split to the Relabel page."""
    if n_mistakes and st.button(
        f"Review the {counted(n_mistakes, 'mistake')}",
        type="primary",
        icon=":material/fact_check:",
        key="review_mistakes",
    ):
        handover.to_relabel(QueueRequest(kind=MISCLASSIFIED, run=run.id, split=split))


def headline(found: Evaluation, split: str) -> None:
    """The four figures that say most, and what they were computed from."""
    result = found.scores
    low, high = wilson_interval(result.n_correct, result.n)
    k = 3 if len(found.rows.classes) > 3 else 2
    temperature = f"temperature {found.temperature:.2f} fits" if found.temperature else "15 bins"
    cards = (
        ("Accuracy", percent(result.accuracy), f"95 %: {100 * low:.1f} to {100 * high:.1f}"),
        ("Macro-F1", percent(result.macro_f1), "mean of the classes"),
        (f"Top-{k} accuracy", percent(found.top_k(k)), f"among the first {k}"),
        ("Calibration error", percent(found.ece), temperature),
    )
    for column, (name, value, note) in zip(st.columns(4), cards, strict=True):
        column.metric(name, value, note, delta_color="off", delta_arrow="off", border=True, height="stretch")
    labels = f"labels of version {found.rows.label_version}" if found.rows.label_version else "given labels"
    n_left_out = len(found.rows) - result.n
    left_out = f" · {counted(n_left_out, 'unlabelled or bad image')} left out" if n_left_out else ""
    st.caption(
        f"{result.n_correct:,} of {result.n:,} {SPLIT_NAMES[split].lower()} images right · {labels}{left_out}"
        + (" · the model has learned from these, so it looks better here than it is" * (split == "train"))
    )


def remarks(found: Evaluation) -> None:
    """What the numbers say, sentence by sentence."""
    with st.container(border=True):
        st.subheader("Findings", anchor=False)
        st.markdown("\n".join(f"- {plain(remark.text)}" for remark in found.remarks))


@st.fragment
def matrix(dataset: Dataset, run: Run, found: Evaluation, split: str) -> None:
    """The confusion matrix and, beside it, the images of the chosen cell."""
    with shown_as_message(), st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Confusion matrix", anchor=False)
            unit = st.segmented_control(
                "Cells",
                ["Counts", "Row %"],
                default="Counts",
                required=True,
                label_visibility="collapsed",
                key="evaluate_unit",
            )
        left, right = st.columns([3, 2], gap="medium")
        with left:
            cell = confusion.show(
                found.scores.confusion,
                found.rows.classes,
                key="evaluate_matrix",
                normalised=unit == "Row %",
                chosen=largest_cell(found.scores.confusion),
            )
            st.caption("Choose a cell to see its images. Rows: given label. Columns: prediction.")
        with right:
            if cell is None:
                st.success("Not one mistake here.", icon=":material/check_circle:")
            else:
                _cell_images(dataset, run, found, split, cell)


def _cell_images(dataset: Dataset, run: Run, found: Evaluation, split: str, cell: tuple[int, int]) -> None:
    given, predicted = cell
    rows = found.cell(given, predicted)
    names = [plain(found.rows.classes[k]) for k in cell]
    with st.container(horizontal=True, vertical_alignment="center"):
        n = counted(len(rows), "image")
        if given == predicted:
            st.markdown(f"**{names[0]}** recognised · {n}, the least sure first")
        else:
            st.markdown(f"**{names[0]}** taken for **{names[1]}** · {n}, the surest first")
        if st.button("Send to Relabel", icon=":material/fact_check:", key="send_cell"):
            handover.to_relabel(_cell_request(run, found, split, cell))
        if st.button("Show on the map", icon=":material/scatter_plot:", key="map_cell"):
            handover.to_map(run, *(found.rows.classes[k] for k in cell))
    with st.container(height=430, border=False):
        images(
            dataset,
            run,
            found,
            rows.tolist(),
            key="cell_images",
            label="Images of the cell",
            with_classes=False,
        )


def _cell_request(run: Run, found: Evaluation, split: str, cell: tuple[int, int]) -> QueueRequest:
    """The cell as a queue; item by item where it is scored on other labels than the run was trained on."""
    if found.rows.label_version == run.label_version:
        return QueueRequest(kind=CELL, run=run.id, split=split, given=cell[0], predicted=cell[1])
    ids = tuple(str(item_id) for item_id in found.rows.item_ids[found.cell(*cell)])
    return QueueRequest(kind=SELECTION, run=run.id, item_ids=ids)


def images(
    dataset: Dataset,
    run: Run,
    found: Evaluation,
    rows: Sequence[int],
    *,
    key: str,
    label: str,
    with_classes: bool = True,
) -> None:
    """A gallery of rows with the prediction and how sure it was; a click opens one."""
    shown = list(rows)[:MAX_IMAGES]
    classes, predictions = found.rows.classes, found.rows
    captions = None
    if with_classes:
        captions = [
            f"{classes[predictions.labels[row]]} → {classes[predictions.predicted[row]]}" for row in shown
        ]
    badges = [f"{100 * predictions.confidence[row]:.0f} %" for row in shown]
    done = gallery.show(
        dataset,
        found.positions[shown].tolist(),
        captions=captions,
        badges=badges,
        key=key,
        tile=100 if with_classes else 64,
        label=label,
    )
    if len(rows) > len(shown):
        st.caption(f"The first {len(shown)} of {len(rows):,}.")
    if done.clicked is not None:
        item_dialog.show(dataset, done.clicked, run)


def per_class(found: Evaluation) -> None:
    """Precision, recall and F1 of each class, as bars in a table that can be sorted."""
    with st.container(border=True, height="stretch"):
        st.subheader("By class", anchor=False)
        bar = {
            name: st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100, width="small")
            for name in ("Precision", "Recall", "F1")
        }
        rows = class_rows(found.scores, found.rows.classes)
        st.dataframe(rows, hide_index=True, column_config=bar, key="per_class", placeholder="–")


def class_rows(result: Scores, classes: Sequence[str]) -> list[dict[str, object]]:
    """The rows of that table; None where there is nothing to take a share of.

    A class that neither occurs nor is guessed has no F1, as it is not in macro-F1 either.
    """
    return [
        {
            "Class": name,
            "Precision": 100 * float(result.precision[k]) if result.occurs[k] else None,
            "Recall": 100 * float(result.recall[k]) if result.support[k] else None,
            "F1": 100 * float(result.f1[k]) if result.occurs[k] else None,
            "Images": int(result.support[k]),
            "Mistakes": int(result.support[k] - result.confusion[k, k]),
        }
        for k, name in enumerate(classes)
    ]


def calibration(found: Evaluation) -> None:
    """Whether the model is as often right as it is sure."""
    with st.container(border=True, height="stretch"):
        st.subheader("Calibration", anchor=False)
        st.caption(
            "On the dotted line the model is right exactly as often as it is sure. Red: the gap. "
            "Grey: how many images."
        )
        show(charts.calibration(found.reliability), "calibration", "Accuracy against confidence in ten bins")


@st.fragment
def threshold(dataset: Dataset, run: Run, found: Evaluation, split: str) -> None:
    """A person in the loop: below which confidence to ask one, and what that brings."""
    with shown_as_message(), st.container(border=True):
        st.subheader("Ask a person below a confidence", anchor=False)
        left, right = st.columns([2, 3], gap="medium")
        with left:
            chosen = st.slider("Threshold", 0, 100, 80, 1, format="%d %%", key="ask_below") / 100
            now = at_threshold(found.rows.labels, found.rows.pred_probs, chosen)
            figures = (
                ("Goes to people", percent(now.share_people), counted(now.n_people, "image")),
                (
                    "Accuracy of the rest",
                    percent(now.accuracy),
                    f"95 %: {100 * now.ci95[0]:.1f} to {100 * now.ci95[1]:.1f}",
                ),
            )
            for name, value, note in figures:
                st.metric(name, value, note, delta_color="off", delta_arrow="off")
            if st.button(
                f"Send {counted(now.n_people, 'image')} to Relabel",
                icon=":material/fact_check:",
                disabled=not now.n_people,
            ):
                handover.to_relabel(QueueRequest(BELOW_THRESHOLD, run=run.id, split=split, threshold=chosen))
        with right:
            show(
                charts.risk_coverage(found.risk_coverage, now),
                "risk_coverage",
                "Accuracy of what the model keeps against the share that goes to people",
            )


@st.fragment
def surest_mistakes(dataset: Dataset, run: Run, found: Evaluation) -> None:
    """The mistakes that the model was most sure of: wrong labels are likeliest here."""
    with shown_as_message(), st.container(border=True):
        st.subheader("Most confident mistakes", anchor=False)
        rows = found.mistakes[:36]
        if not len(rows):
            st.caption("There are none.")
            return
        st.caption("Label → prediction. Either the label is wrong, or the model is; choose one to see why.")
        images(dataset, run, found, rows.tolist(), key="surest", label="Most confident mistakes")
