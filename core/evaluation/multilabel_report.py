"""A run's quality where an image may have several labels: as a JSON object and as a text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from core.evaluation.multilabel import RATIOS, MultiLabelScores, multilabel_scores
from core.evaluation.predictions import LABEL_WORDS, Predictions
from core.evaluation.report import aligned, pairs
from core.files import Json
from core.json_text import without_nan

HEADLINE = (
    "macro_auc",
    "mean_average_precision",
    "macro_f1",
    "mean_f1",
    "hamming",
    "jaccard",
    "exact_match",
    "accuracy",
)
"""The figures that a run's summary has of each split."""

TITLES = {"train": "Training split", "val": "Validation split", "test": "Test split"}


def multilabel_metrics(
    predictions: Predictions, split: str | None = None, thresholds: NDArray[Any] | float = 0.5
) -> Json:
    """All metrics of one split (of all rows, with None) as a JSON object.

    Returns:
        split, task, n (images with a known label), n_known and n_unknown labels, thresholds, the figures of
        HEADLINE (hamming: share of the known labels that are right, which is also accuracy; jaccard and
        mean_f1: means over the images), averages (macro, micro and samples of each ratio), bounds (at worst
        and at best, for the unknown labels) and classes (one a label). What cannot be computed is null.
    """
    rows = predictions if split is None else predictions.only(split)
    found = multilabel_scores(rows.labels, rows.pred_probs, thresholds)
    value: Json = {
        "split": split or "all",
        "task": "multi-label",
        "n": int(found.known.any(axis=1).sum()),
        "n_known": int(found.known.sum()),
        "n_unknown": int((~found.known).sum()),
        "macro_auc": found.macro_auc,
        "mean_average_precision": found.mean_average_precision,
        "macro_f1": found.macro("f1"),
        "mean_f1": found.samples("f1"),
        "hamming": found.micro("accuracy"),
        "accuracy": found.micro("accuracy"),
        "jaccard": found.samples("jaccard"),
        "exact_match": found.samples("exact"),
        "averages": {
            "macro": {name: found.macro(name) for name in RATIOS},
            "micro": {name: found.micro(name) for name in RATIOS},
            "samples": {name: found.samples(name) for name in ("precision", "recall", "f1", "jaccard")},
        },
        "bounds": _bounds(found),
        "classes": [_of_label(found, k, name) for k, name in enumerate(predictions.classes)],
    }
    if not value["n_known"]:
        value |= dict.fromkeys(HEADLINE)
    return {name: without_nan(inner) for name, inner in value.items()}


def _bounds(found: MultiLabelScores) -> Json:
    best, worst = found.at_best.together(), found.at_worst.together()
    of_images = {"mean_f1": "f1", "jaccard": "jaccard", "exact_match": "exact"}
    return {
        "hamming": [float(worst.accuracy[0]), float(best.accuracy[0])],
        "micro_f1": [float(worst.f1[0]), float(best.f1[0])],
        "macro_f1": without_nan(list(found.macro_f1_bounds)),
        **{name: without_nan(ends.tolist()) for name, ends in found.ranking_bounds.items()},
        **{name: list(found.samples_bounds(ours)) for name, ours in of_images.items()},
    }


def _of_label(found: MultiLabelScores, k: int, name: str) -> Json:
    counts = found.counts
    return {
        "name": name,
        "threshold": float(found.thresholds[k]),
        "n_known": int(counts.n[k]),
        "n_unknown": int((~found.known[:, k]).sum()),
        **{part: int(getattr(counts, part)[k]) for part in ("tp", "fp", "tn", "fn")},
        **{ratio: float(counts.ratio(ratio)[k]) for ratio in RATIOS},
        "sensitivity": float(counts.recall[k]),
        "roc_auc": float(found.auc[k]),
        "average_precision": float(found.average_precision[k]),
        "bounds": {
            **{r: [float(found.at_worst.ratio(r)[k]), float(found.at_best.ratio(r)[k])] for r in RATIOS},
            "roc_auc": list(found.auc_bounds(k)),
            "average_precision": list(found.average_precision_bounds(k)),
        },
    }


def multilabel_text(
    metrics: Sequence[Mapping[str, Any]], *, heading: str, facts: Mapping[str, object], model: str = ""
) -> str:
    """The report as plain text: what was measured, the model, then each split's numbers."""
    parts = [f"{heading}\n{'=' * len(heading)}"]
    if facts:
        parts.append(pairs([(name, str(value)) for name, value in facts.items()]))
    if model:
        parts.append(f"Model\n-----\n{model.rstrip()}")
    parts += [_split_text(of_split) for of_split in metrics]
    return "\n\n".join(parts) + "\n"


def _split_text(of_split: Mapping[str, Any]) -> str:
    title = TITLES.get(of_split["split"], "All items")
    if "labels" in of_split:
        title += f", {LABEL_WORDS[of_split['labels']]}"
    if of_split.get("tuned"):
        title += ", tuned thresholds"
    head = f"{title}\n{'-' * len(title)}"
    if not of_split["n_known"]:
        return f"{head}\nno known labels"
    return "\n\n".join([head, _headline(of_split), _label_table(of_split)])


def _headline(of_split: Mapping[str, Any]) -> str:
    unknown = of_split["n_unknown"]
    known = f"{of_split['n_known']:,}" + (f" ({unknown:,} unknown left out)" if unknown else "")
    rows = [("images", f"{of_split['n']:,}"), ("known labels", known)]
    names = {
        "macro_auc": "mean ROC AUC",
        "mean_average_precision": "mean average precision",
        "macro_f1": "macro F1",
        "mean_f1": "mean F1 of images",
        "hamming": "Hamming score",
        "jaccard": "Jaccard of images",
        "exact_match": "exact match",
    }
    for name, words in names.items():
        low, high = of_split["bounds"].get(name, (None, None)) if unknown else (None, None)
        bounds = "" if low is None else f"   ({low:.4f} to {high:.4f} for any unknown labels)"
        rows.append((words, f"{_number(of_split[name])}{bounds}"))
    return pairs(rows)


_COLUMNS = {
    "threshold": "threshold",
    "tp": "TP",
    "fp": "FP",
    "tn": "TN",
    "fn": "FN",
    "n_unknown": "unknown",
    "precision": "precision",
    "recall": "recall",
    "specificity": "specif.",
    "g_mean": "G-mean",
    "f1": "F1",
    "balanced_accuracy": "bal. acc.",
    "accuracy": "accuracy",
    "roc_auc": "ROC AUC",
    "average_precision": "av. prec.",
}


def _label_table(of_split: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = [("label", *_COLUMNS.values())]
    rows += [(entry["name"], *(_number(entry[name]) for name in _COLUMNS)) for entry in of_split["classes"]]
    averages = of_split["averages"]
    for kind in ("macro", "micro"):
        found = {**averages[kind]}
        if kind == "macro":
            found |= {
                "roc_auc": of_split["macro_auc"],
                "average_precision": of_split["mean_average_precision"],
            }
        cells = (_number(found[name]) if name in found else "" for name in _COLUMNS)
        rows.append((f"{kind} average", *cells))
    cells = (_number(averages["samples"][name]) if name in averages["samples"] else "" for name in _COLUMNS)
    return aligned([*rows, ("mean of images", *cells)])


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
