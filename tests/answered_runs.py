"""Finished runs without a training: answers that are more or less right."""

from __future__ import annotations

import numpy as np

from core.data.dataset import SPLITS, Dataset
from core.evaluation.predictions import Predictions, save_predictions
from core.runs.recipe import PRESETS, make_recipe
from core.runs.store import Run, create_run
from core.workspace import Workspace


def guessed_run(workspace: Workspace, dataset: Dataset, name: str) -> Run:
    """A run that has guessed the one label of every image, most of them rightly; it has no model."""
    labels = np.array(dataset.labels, np.int64)
    logits = np.random.default_rng(2).normal(size=(len(dataset), len(dataset.classes)))
    logits[np.arange(len(dataset)), labels] += 3
    pred_probs = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    run = create_run(workspace, dataset, PRESETS["fast"].with_changes({"epochs": 1}), name=name)
    split = np.array(SPLITS)[np.asarray(dataset.split)]
    about = (dataset.classes, run.id, 0, dataset.fingerprint)
    save_predictions(
        run.predictions_file, Predictions(np.array(dataset.item_ids), split, labels, pred_probs, *about)
    )
    run.events.append("finished", test_accuracy=0.5)
    return run


def answered_run(
    workspace: Workspace, dataset: Dataset, name: str, *, noise: float = 1.0, seed: int = 0
) -> Run:
    """A run that has answered all labels of every image, the more wrongly the more ``noise`` there is; it has
    no model.
    """
    run = create_run(workspace, dataset, make_recipe({"seed": seed}), name=name)
    labels = np.asarray(dataset.labels, np.float32)
    scores = 2 * np.nan_to_num(labels, nan=0.5) - 1
    scores = 2 * scores + np.random.default_rng(seed).normal(0, noise, labels.shape)
    predictions = Predictions(
        item_ids=np.asarray(dataset.item_ids),
        split=np.array(SPLITS)[np.asarray(dataset.split)],
        labels=labels,
        pred_probs=(1 / (1 + np.exp(-scores))).astype(np.float32),
        classes=dataset.classes,
        run=run.id,
        label_version=0,
        fingerprint=dataset.fingerprint,
    )
    save_predictions(run.predictions_file, predictions)
    run.events.append("finished", seconds=1.0)
    return run
