"""What to do with unknown labels: five ways and a named rival, judged on known labels that are held out.

``uv run python benchmarks/multilabel.py --source FOLDER [FOLDER] --weights FILE [--images N] [--seeds 0 1 2] [--quick] [--json]``

FOLDER is anything with several labels an image that ``tidyset data import --skip-bad`` reads; FILE the
ImageNet weights of ``tf_efficientnet_lite0`` as safetensors. For each seed a fifth of the images is held out
by iterative stratification. Where a data set knows all its labels, a share (``--hide``) of those that remain is hidden.

left out     images with an unknown label are not trained on, where 50 or more have none
as no        an unknown label counts as no
masked       an unknown label counts for nothing
per label    unknown labels filled by a network for each label, where it is right 9 times in 10; then masked
jointly      the same by one network for all labels
rival        logistic regression a label on the same frozen network's features, on the known labels

All of ours are the preset ``transfer`` with a linear head, and differ in the unknown labels only.
"""  # noqa: E501

from __future__ import annotations

import core  # noqa: F401  # isort: skip  (before torch: sets how its threads wait)

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quick import needs, parse
from core.data.dataset import Dataset, load_dataset
from core.data.importer import ImportOptions, import_source
from core.data.splits import stratified_split
from core.data.writer import write_array_dataset
from core.evaluation.multilabel import multilabel_scores
from core.evaluation.predictions import load_predictions
from core.json_text import json_text
from core.labels.versions import current_version
from core.quality.filling import JOINT, PER_LABEL, create_fill
from core.runs.recipe import PRESETS, Recipe
from core.runs.store import Run, create_run, status
from core.training.frozen import backbone_maps
from core.training.parts import Parts
from core.training.pixels import run_pixels
from core.worker import work
from core.workspace import Workspace

Labels = NDArray[np.float32]
SIZE, PRECISION, FEWEST = 128, 0.9, 50
UNKNOWN = {"left out": "left-out", "as no": "as-no", "masked": "masked"}
FILLED = {"per label": PER_LABEL, "jointly": JOINT}
RIVAL = "rival"


def a_world(
    workspace: Workspace, source: Dataset, seed: int, n_images: int, hide: float
) -> tuple[Dataset, Labels]:
    """The images of one seed as a data set, a fifth of them its test split; and their labels, none hidden."""
    rng = np.random.default_rng(seed)
    n = min(n_images or len(source), len(source))
    chosen = np.sort(rng.permutation(len(source))[:n])
    labels = np.array(source.labels, np.float32)[chosen]
    held = stratified_split(labels, 0.2, seed)
    hidden = labels.copy()
    hidden[~held] = np.where(rng.random(labels[~held].shape) < hide, np.nan, labels[~held])
    name = f"{source.name}-{n}-{round(100 * hide)}-{seed}"
    folder = workspace.root / "datasets" / name
    if (folder / "dataset.json").exists():
        return load_dataset(folder), labels
    world = write_array_dataset(
        workspace,
        name,
        title=name,
        task=source.task,
        classes=source.classes,
        item_ids=np.asarray(source.item_ids)[chosen],
        split=np.where(held, 2, 0).astype(np.int8),
        labels=hidden,
        images=source.images.resized(chosen, SIZE, SIZE, 3),
    )
    return world, labels


def finished(run: Run) -> Run:
    """The run, done."""
    if work(run.folder) != 0:
        raise SystemExit(f"{run.name}: {status(run).error}")
    return run


def trained(workspace: Workspace, world: Dataset, recipe: Recipe, version: int) -> dict[str, float]:
    """The figures of a training on a label version, on the held-out images."""
    run = finished(create_run(workspace, world, recipe, label_version=version))
    found = load_predictions(run.predictions_file).only("test")
    return figures(found.labels, found.pred_probs)


def figures(labels: Labels, probs: NDArray[Any]) -> dict[str, float]:
    """Mean ROC AUC over the labels, and mean average precision, of known labels."""
    found = multilabel_scores(labels, probs)
    return {"macro_auc": found.macro_auc, "mean_average_precision": found.mean_average_precision}


def filled(
    workspace: Workspace, world: Dataset, recipe: Recipe, method: str, truth: Labels
) -> dict[str, Any]:
    """Fill, and train on the result; also how often what was filled is right, where that can be told."""
    before = current_version(workspace, world.name)
    run = finished(
        create_fill(workspace, world, recipe, method=method, precision=PRECISION, label_version=0, apply=True)
    )
    version = current_version(workspace, world.name)
    from core.labels.versions import labels_at
    from core.quality.filled import take_back

    now = np.asarray(labels_at(workspace, world, version).labels)
    new = np.isnan(np.asarray(world.labels)) & ~np.isnan(now)
    known = new & ~np.isnan(truth)
    found = trained(workspace, world, recipe, version)
    if version > before:  # the next way starts from the same labels
        take_back(workspace, world, run, who="benchmark")
    right = float((now == truth)[known].mean()) if known.any() else None
    return {**found, "n_filled": int(new.sum()), "filled_right": right}


def rival(workspace: Workspace, world: Dataset, recipe: Recipe) -> dict[str, float]:
    """One logistic regression a label on the frozen network's features."""
    from sklearn.linear_model import LogisticRegression

    from core.training.loop import Trainer

    labels, test = np.asarray(world.labels), world.in_split("test")
    train = np.setdiff1d(np.arange(len(world)), test)
    pixels = run_pixels(workspace, world, recipe)
    maps_of = partial(backbone_maps, workspace, world.fingerprint, pixels)
    known = train[~np.isnan(labels[train]).all(axis=1)]
    parts = Parts(known, known[:0], test)
    nothing = partial(lambda _type, **_fields: None)
    maps = Trainer(pixels, labels, parts, world.classes, recipe, nothing, maps_of=maps_of).maps
    assert maps is not None
    features = np.asarray(maps, np.float32).mean(axis=(1, 2))
    features = (features - features[train].mean(axis=0)) / (features[train].std(axis=0) + 1e-6)
    probs = np.full((len(test), labels.shape[1]), 0.5)
    for k in range(labels.shape[1]):
        rows = train[~np.isnan(labels[train, k])]
        if len(np.unique(labels[rows, k])) == 2:
            model = LogisticRegression(C=0.1, max_iter=300).fit(features[rows], labels[rows, k])
            probs[:, k] = model.predict_proba(features[test])[:, 1]
    return figures(labels[test], probs)


def run(workspace: Workspace, source: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """Every way on every seed."""
    ours = PRESETS["transfer"].with_changes(
        {"pretrained": False, "weights_file": options.weights, "head": "linear", "epochs": options.epochs}
    )
    results = []
    hide = 0.0 if np.isnan(source.labels).any() else options.hide
    for seed in options.seeds:
        world, truth = a_world(workspace, source, seed, options.images, hide)
        recipe = ours.with_changes({"seed": seed})
        whole = ~np.isnan(np.asarray(world.labels)[world.in_split("train")]).any(axis=1)
        for who in [*UNKNOWN, *FILLED, RIVAL]:
            if who == "left out" and whole.sum() < FEWEST:
                continue  # hardly an image has all its labels
            began = time.monotonic()
            if who in UNKNOWN:
                found: dict[str, Any] = trained(
                    workspace, world, recipe.with_changes({"unknown_labels": UNKNOWN[who]}), 0
                )
            elif who in FILLED:
                found = filled(workspace, world, recipe, FILLED[who], truth)
            else:
                found = rival(workspace, world, recipe)
            row = {
                "data": source.name,
                "who": who,
                "seed": seed,
                **found,
                "seconds": round(time.monotonic() - began, 1),
            }
            print(json_text(row), file=sys.stderr, flush=True)
            results.append(row)
    return summary(source, results, options.images, hide)


def summary(source: Dataset, results: Sequence[dict[str, Any]], n_images: int, hide: float) -> dict[str, Any]:
    """What is printed with --json: by way, the mean over seeds and Student's 95 % interval of it."""
    from scipy.stats import t

    ways: dict[str, Any] = {}
    for who in dict.fromkeys(row["who"] for row in results):
        values = [row["macro_auc"] for row in results if row["who"] == who]
        half = (
            float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
            if len(values) > 1
            else None
        )
        ways[who] = {"macro_auc": statistics.mean(values), "half_ci95": half}
    labels = np.asarray(source.labels)
    return {
        "data": source.name,
        "n_images": min(n_images or len(source), len(source)),
        "n_labels": labels.shape[1],
        "unknown_share": float(np.isnan(labels).mean()),
        "hidden_share": hide,
        "precision": PRECISION,
        "ways": ways,
        "results": list(results),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--source", nargs="+", help="folders, archives, or folders of data sets")
    parser.add_argument("--weights", help="tf_efficientnet_lite0 as .safetensors")
    parser.add_argument("--images", type=int, default=0, help="how many, drawn at random; 0: all")
    parser.add_argument("--hide", type=float, default=0.4, help="share to hide where all is known")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workspace", help="kept between runs, so that features are computed once")
    parser.add_argument("--json", action="store_true")
    options = parse(parser, {"images": 300, "seeds": [0, 1]})
    needs(parser, options, source="the data", weights="tf_efficientnet_lite0 as .safetensors")
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Workspace(Path(options.workspace or temporary))
        found = []
        for source in map(Path, options.source):
            folder = source
            if not (folder / "dataset.json").exists():
                name = source.stem.lower().replace("_", "-")
                import_source(workspace, source, name, ImportOptions(skip_bad=True))
                folder = workspace.root / "datasets" / name
            found.append(run(workspace, load_dataset(folder), options))
    value = {"benchmark": "multilabel", "data": found}
    print(json_text(value) if options.json else json_text([one["ways"] for one in found], indent=2))


if __name__ == "__main__":
    main()
