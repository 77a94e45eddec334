"""A run's quality as a JSON object and as a text for people; both come from the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.data.dataset import UNLABELLED
from core.evaluation.metrics import scores, top_k_accuracy
from core.evaluation.predictions import LABEL_WORDS, Predictions
from core.files import Json
from core.json_text import without_nan
from core.metrics.calibration import brier_score, log_loss, reliability

TOP_K = (2, 3, 5)
AVERAGES = ("macro", "weighted")


def metrics_of(predictions: Predictions, split: str | None = None) -> Json:
    """All metrics of one split (of all rows, with None) as a JSON object.

    Returns:
        split, n (labelled items), n_unlabelled, accuracy, balanced_accuracy, macro_ and weighted_ precision,
        recall and f1, top_k (by k as a string, for each k below the number of classes), nll, brier, ece and
        adaptive_ece (15 bins), classes (name, precision, recall, f1, support, n_predicted of each) and
        confusion (rows = given, columns = predicted). What cannot be computed, such as the accuracy of no
        items, is null.
    """
    rows = predictions if split is None else predictions.only(split)
    given, probs = rows.labels, rows.pred_probs
    n_classes = len(predictions.classes)
    result = scores(given, rows.predicted, n_classes)
    value: Json = {
        "split": split or "all",
        "n": result.n,
        "n_unlabelled": int((given == UNLABELLED).sum()),
        "accuracy": result.accuracy,
        "balanced_accuracy": result.balanced_accuracy,
        "macro_precision": result.macro(result.precision),
        "macro_recall": result.macro(result.recall),
        "macro_f1": result.macro_f1,
        "weighted_precision": result.weighted(result.precision),
        "weighted_recall": result.weighted(result.recall),
        "weighted_f1": result.weighted(result.f1),
        "top_k": {str(k): top_k_accuracy(given, probs, k) for k in TOP_K if k < n_classes},
        "nll": log_loss(given, probs),
        "brier": brier_score(given, probs),
        "ece": reliability(given, probs).ece,
        "adaptive_ece": reliability(given, probs, adaptive=True).ece,
        "classes": [
            {
                "name": name,
                "precision": float(result.precision[k]),
                "recall": float(result.recall[k]),
                "f1": float(result.f1[k]),
                "support": int(result.support[k]),
                "n_predicted": int(result.n_predicted[k]),
            }
            for k, name in enumerate(predictions.classes)
        ],
        "confusion": result.confusion.tolist(),
    }
    return {name: without_nan(inner) for name, inner in value.items()}


def text_report(
    metrics: Sequence[Mapping[str, Any]], *, heading: str, facts: Mapping[str, object], model: str = ""
) -> str:
    """The report as plain text: what was measured, the model, then each split's numbers.

    Args:
        metrics: What metrics_of returned, one a split; splits without labelled items are named only.
        heading: The first line, such as "Run r1 on fashion-mnist-sample".
        facts: Lines "name: value" below it: data set, label version, recipe, time.
        model: The model summary (core.models.summary), as it should stand.
    """
    parts = [f"{heading}\n{'=' * len(heading)}"]
    if facts:
        parts.append(pairs([(name, str(value)) for name, value in facts.items()]))
    if model:
        parts.append(f"Model\n-----\n{model.rstrip()}")
    parts += [_split_report(of_split) for of_split in metrics]
    return "\n\n".join(parts) + "\n"


def _split_report(of_split: Mapping[str, Any]) -> str:
    title = {"train": "Training split", "val": "Validation split", "test": "Test split"}.get(
        of_split["split"], "All items"
    )
    if "labels" in of_split:
        title += f", {LABEL_WORDS[of_split['labels']]}"
    if not of_split["n"]:
        return f"{title}\n{'-' * len(title)}\nno labelled items"
    blocks = [f"{title}\n{'-' * len(title)}", _headline(of_split), _class_report(of_split)]
    names = [entry["name"] for entry in of_split["classes"]]
    blocks.append(
        f"Confusion matrix (rows = given, columns = predicted)\n{_matrix(of_split['confusion'], names)}"
    )
    return "\n\n".join(blocks)


def _headline(of_split: Mapping[str, Any]) -> str:
    left_out = of_split["n_unlabelled"]
    n = f"{of_split['n']:,}" + (f" ({left_out:,} unlabelled left out)" if left_out else "")
    rows = [("items", n)]
    rows += [
        (name.replace("_", " "), _number(of_split[name]))
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1")
    ]
    rows += [(f"top-{k} accuracy", _number(value)) for k, value in of_split["top_k"].items()]
    rows += [
        ("negative log-likelihood", _number(of_split["nll"])),
        ("Brier score", _number(of_split["brier"])),
        ("expected calibration error", _number(of_split["ece"])),
    ]
    return pairs(rows)


def _class_report(of_split: Mapping[str, Any]) -> str:
    columns = ("precision", "recall", "f1", "support")
    rows: list[tuple[str, ...]] = [("class", *columns)]
    rows += [(entry["name"], *(_number(entry[name]) for name in columns)) for entry in of_split["classes"]]
    for average in AVERAGES:
        numbers = (_number(of_split[f"{average}_{name}"]) for name in columns[:3])
        rows.append((f"{average} average", *numbers, f"{of_split['n']:,}"))
    return aligned(rows)


def _matrix(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """The matrix with numbered columns, so that long class names do not make it wide."""
    numbers = [str(k) for k in range(len(names))]
    rows = [("given", "", *numbers)]
    for k, (name, counts) in enumerate(zip(names, confusion, strict=True)):
        rows.append((name, str(k), *(str(count) for count in counts)))
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Lines "name: value", the values under each other."""
    width = max(len(name) for name, _ in rows) + 1
    return "\n".join(f"{name + ':':<{width}} {value}" for name, value in rows)


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
