"""Finished runs for tests: a small network really trained on the sample, once a process, filed as a run."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.evaluation.predictions import Predictions, save_predictions
from core.evaluation.report import metrics_of, text_report
from core.files import write_array, write_bytes, write_json
from core.models import save_model
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run
from core.training.inference import Outputs, predict
from core.training.loop import FitResult, fit
from core.training.parts import Parts
from core.workspace import Workspace

SAMPLE = "fashion-mnist-sample"


def small_recipe(seed: int = 0, epochs: int = 2) -> Recipe:
    """Some seconds of training, about 80 % right."""
    return Recipe(
        width=8, dropout=0.0, epochs=epochs, batch_size=64, learning_rate=3e-3, seed=seed, device="cpu"
    )


@dataclass(frozen=True, eq=False)
class Trained:
    """What a worker would have in hand at its end."""

    recipe: Recipe
    result: FitResult
    parts: Parts
    outputs: Outputs
    positions: np.ndarray


@functools.cache
def trained(seed: int, epochs: int, root: Path) -> Trained:
    """Train on the sample; ``root`` is any workspace to open it in."""
    dataset = open_dataset(Workspace(root), SAMPLE)
    recipe = small_recipe(seed, epochs)
    labels = np.array(dataset.labels)
    train = dataset.in_split("train")
    held = np.zeros(len(train), bool)
    held[::10] = True
    parts = Parts(train[~held], train[held], dataset.in_split("test"))
    pixels = np.array(dataset.images.pixels)
    result = fit(pixels, labels, parts, dataset.classes, recipe)
    positions = np.concatenate([part for _, part in parts.named()])
    outputs = predict(result.model, result.card, pixels, positions, result.machine, with_features=True)
    return Trained(recipe, result, parts, outputs, positions)


def finished_run(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    *,
    seed: int = 0,
    epochs: int = 2,
    parent: str | None = None,
) -> Run:
    """A finished run on the sample, with all the files that a worker leaves."""
    done = trained(seed, epochs, _shared_root(workspace))
    run = create_run(workspace, dataset, done.recipe, name=name, parent=parent)
    split = np.concatenate([np.full(len(part), key) for key, part in done.parts.named()])
    predictions = Predictions(
        item_ids=dataset.item_ids[done.positions],
        split=split,
        labels=np.array(dataset.labels)[done.positions],
        pred_probs=done.outputs.pred_probs,
        classes=dataset.classes,
        run=run.id,
        label_version=0,
        fingerprint=dataset.fingerprint,
    )
    save_model(run.model_file, done.result.model, done.result.card)
    save_predictions(run.predictions_file, predictions)
    write_array(run.features_file, done.outputs.features)
    metrics = {key: metrics_of(predictions, key) for key in ("val", "test")}
    write_json(run.metrics_file, metrics)
    report = text_report(list(metrics.values()), heading=f"Run {name} on {dataset.name}", facts={})
    write_bytes(run.report_file, report.encode())
    run.events.append("started", device="cpu", precision="fp32", threads=1, epochs=epochs)
    run.events.append(
        "finished",
        best_epoch=done.result.best_epoch,
        seconds=done.result.seconds,
        test_accuracy=metrics["test"]["accuracy"],
        test_macro_f1=metrics["test"]["macro_f1"],
    )
    return run


_roots: list[Path] = []


def _shared_root(workspace: Workspace) -> Path:
    """The first workspace of this process, so that the cache's key stays the same."""
    if not _roots:
        _roots.append(workspace.root)
    return _roots[0]
