"""What a training on images with several labels leaves: predictions, thresholds, metrics and a report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS
from core.evaluation.multilabel_report import HEADLINE, multilabel_metrics, multilabel_text
from core.evaluation.predictions import Predictions, save_predictions
from core.evaluation.thresholds import Thresholds, save_thresholds, tune_thresholds
from core.files import Json, write_array, write_bytes, write_json
from core.models import model_summary
from core.runs.recipe import Recipe
from core.runs.store import Run
from core.training.inference import Outputs
from core.training.loop import FitResult


def write_multilabel_results(
    run: Run,
    recipe: Recipe,
    result: FitResult,
    outputs: Outputs,
    predictions: Predictions,
    given: NDArray[np.float32],
) -> dict[str, Any]:
    """Write features, predictions, thresholds, metrics and the report; the fields of the finished event.

    The headline figures are at a threshold of one half and on the labels as ``given``. Beside them stand
    those at thresholds tuned on validation, of the labels where that helps, and those on corrected test
    labels where there are any.
    """
    if outputs.features is not None:
        write_array(run.features_file, outputs.features)
    save_predictions(run.predictions_file, predictions)
    val = predictions.only("val")
    tuned = tune_thresholds(val.labels, val.pred_probs).where_they_help() if len(val) else None
    metrics = all_metrics(predictions, given, tuned)
    if tuned is not None:
        save_thresholds(run.folder, tuned)
    summary = summary_of(run, result, metrics)
    write_json(run.metrics_file, {**summary, "splits": list(metrics.values())})
    facts = run_facts(run, recipe, result) | {"unknown labels": recipe.unknown_labels, **about(tuned)}
    text = multilabel_text(
        list(metrics.values()),
        heading=f"Run {run.name} on {run.dataset}",
        facts=facts,
        model=model_summary(result.model, result.card.channels, result.card.image_size),
    )
    write_bytes(run.report_file, text.encode())
    return summary


def all_metrics(
    predictions: Predictions, given: NDArray[np.float32], tuned: Thresholds | None
) -> dict[str, Json]:
    """By name, the metrics of each split, of the test split on corrected labels, and at tuned thresholds."""
    metrics = {split: multilabel_metrics(predictions, split) for split in SPLITS}
    in_test = predictions.split == "test"
    on_given = replace(predictions, labels=given)
    if not np.array_equal(predictions.labels[in_test], given[in_test], equal_nan=True):
        metrics["test_corrected"] = {**metrics["test"], "labels": "corrected"}
        metrics["test"] = {**multilabel_metrics(on_given, "test"), "labels": "given"}
    if tuned is not None and in_test.any():
        found = multilabel_metrics(on_given, "test", np.asarray(tuned.values))
        metrics["test_tuned"] = {**found, "tuned": True}
    return metrics


def summary_of(run: Run, result: FitResult, metrics: dict[str, Json]) -> dict[str, Any]:
    """The fields of the finished event: HEADLINE of each split, and once more without a prefix, of test
    where it has known labels, else of validation.
    """
    headline = (
        ("test", "test"),
        ("valid", "val"),
        ("test_corrected", "test_corrected"),
        ("test_tuned", "test_tuned"),
    )
    main = metrics["test"] if metrics["test"]["n_known"] else metrics["val"]
    return {
        "run": run.name,
        "task": "multi-label",
        "figures_of": main["split"],
        **{name: main[name] for name in HEADLINE if name != "accuracy"},
        "n_known": main["n_known"],
        **{
            f"{prefix}_{name}": metrics[split][name]
            for prefix, split in headline
            if split in metrics
            for name in HEADLINE
        },
        "seconds": round(result.seconds, 2),
        "parameters": result.parameters,
        "best_epoch": result.best_epoch,
        "epochs": result.epoch,
    }


def about(tuned: Thresholds | None) -> dict[str, str]:
    """A line on what tuning the thresholds brings, for the report's head."""
    if tuned is None:
        return {}
    both = [
        (a, b) for a, b in zip(tuned.at_half, tuned.nested, strict=True) if a is not None and b is not None
    ]
    if not both:
        return {"tuned thresholds": "too few validation labels to say what they bring"}
    half, nested = np.mean(both, axis=0)
    words = f"mean F1 on validation {half:.4f} at one half, {nested:.4f} tuned on other images"
    return {"tuned thresholds": f"{words} ({len(both)} of {len(tuned.values)} labels)"}


def run_facts(run: Run, recipe: Recipe, result: FitResult) -> dict[str, object]:
    """What was trained on what, for the head of a report."""
    machine = result.machine
    return {
        "run": run.id,
        "data set": f"{run.dataset} ({run.fingerprint[:12]})",
        "label version": run.label_version,
        "model": recipe.network,
        "epochs": f"{result.epoch} of {recipe.epochs}, weights of epoch {result.best_epoch + 1} kept",
        "training time": f"{result.seconds:.1f} s",
        "machine": f"{machine.device.type}, {machine.threads} threads, {machine.precision}",
        "seed": recipe.seed,
    }
