"""Images with captions and several labels each: image, caption or both, against two named rivals, in one run.

``uv run python benchmarks/captions.py --source FOLDER --weights FILE [--seeds 0 1 2] [--images N]
[--quick] [--json]``

FOLDER is anything that ``tidyset data import`` reads and that has captions; FILE the ImageNet weights of
``tf_efficientnet_lite0`` as safetensors. A fifth of the images is held out, drawn anew for each seed by
iterative stratification; a tenth of the rest decides which epoch is kept. The headline is the mean F1 of the
held-out images at a threshold of one half, for all alike. Rivals: TF-IDF of the captions (words and pairs)
and, on images, the same frozen network's features, each with a logistic regression per label (scikit-learn).
"""

from __future__ import annotations

import core  # noqa: F401  # isort: skip  (before torch: sets how its threads wait)

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quick import needs, parse
from core.cache import cached_arrays
from core.data.dataset import Dataset, load_dataset
from core.data.importer import import_source
from core.data.splits import stratified_split
from core.evaluation.multilabel import multilabel_scores
from core.files import digest
from core.json_text import json_text
from core.runs.recipe import PRESETS, Recipe
from core.training.frozen import backbone_maps
from core.training.inference import predict
from core.training.loop import fit
from core.training.parts import Parts
from core.training.pixels import run_pixels
from core.workspace import Workspace

Labels = NDArray[np.float32]
Arm = Callable[[], NDArray[Any]]
TFIDF, BACKBONE = "TF-IDF + logistic regression", "frozen lite0 + logistic regression"
IMAGE, CAPTION, HYBRID, OURS = "image", "caption", "hybrid", "hybrid-pretrained"
SIZE = 112
N_DRAWS = 1000


@dataclass(frozen=True)
class Result:
    """One training."""

    who: str
    seed: int
    mean_f1: float
    macro_f1: float
    mean_average_precision: float
    seconds: float


def judge(who: str, seed: int, labels: Labels, probs: NDArray[Any], seconds: float) -> Result:
    """The figures of probabilities (n, K) on held-out labels (n, K)."""
    found = multilabel_scores(labels, probs)
    return Result(
        who,
        seed,
        found.samples("f1"),
        found.macro("f1"),
        found.mean_average_precision,
        round(seconds, 1),
    )


def recipes(weights: str) -> dict[str, Recipe]:
    """What is trained: each of ours by name."""
    ours = PRESETS["hybrid-pretrained"].with_changes(
        {"pretrained": False, "weights_file": weights, "image_size": SIZE}
    )
    return {
        IMAGE: ours.with_changes({"inputs": "image", "caption_dropout": 0.0}),
        CAPTION: PRESETS["caption"],
        HYBRID: PRESETS["hybrid"],
        OURS: ours,
    }


def kept(
    workspace: Workspace, dataset: Dataset, parts: Parts, recipe: Recipe, name: str, arm: Arm
) -> tuple[NDArray[Any], float]:
    """Probabilities of the held-out images and the seconds they took: as computed before, or now."""
    key = {
        "fingerprint": dataset.fingerprint,
        "parts": digest(parts.train, parts.val, parts.test),
        "recipe": recipe.deciding_values(),
        "who": name,
    }

    def measured() -> dict[str, Any]:
        began = time.monotonic()
        return {"probs": arm(), "seconds": time.monotonic() - began}

    found = cached_arrays(workspace, "captions-benchmark-1", key, measured)
    return found["probs"], float(found["seconds"])


def train(
    dataset: Dataset, labels: Labels, parts: Parts, recipe: Recipe, workspace: Workspace
) -> NDArray[np.float32]:
    """Probabilities of the held-out images."""
    pixels = run_pixels(workspace, dataset, recipe)
    maps_of = partial(backbone_maps, workspace, dataset.fingerprint, pixels)
    args = (pixels, labels, parts, dataset.classes, recipe)
    result = fit(*args, captions=dataset.captions, maps_of=maps_of)
    known: dict[str, Any] = {"maps": result.maps, "words": result.words}
    return predict(result.model, result.card, pixels, parts.test, result.machine, **known).pred_probs


def logistic(features: Any, labels: Labels, parts: Parts) -> NDArray[np.float64]:
    """Probabilities of the held-out images by one logistic regression a label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    model = OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=300))
    train = np.concatenate(
        [parts.train, parts.val]
    )  # it decides nothing by validation, so it may learn from it
    return np.asarray(model.fit(features[train], labels[train]).predict_proba(features[parts.test]))


def tfidf_rival(dataset: Dataset, labels: Labels, parts: Parts) -> NDArray[np.float64]:
    """Words and pairs of words, weighted by how rare they are in the training captions."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    assert dataset.captions is not None
    train = np.concatenate([parts.train, parts.val])
    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    vectors.fit([dataset.captions[at] for at in train])
    return logistic(vectors.transform(dataset.captions).tocsr(), labels, parts)


def backbone_rival(
    dataset: Dataset, labels: Labels, parts: Parts, recipe: Recipe, workspace: Workspace
) -> NDArray[np.float64]:
    """What the frozen network makes of an image, scaled to unit deviation."""
    from core.training.loop import Trainer

    pixels = run_pixels(workspace, dataset, recipe)
    maps_of = partial(backbone_maps, workspace, dataset.fingerprint, pixels)
    args = (pixels, labels, parts, dataset.classes, recipe, lambda _type, **_fields: None)
    maps = Trainer(*args, maps_of=maps_of).maps
    assert maps is not None
    features = np.asarray(maps, np.float32).reshape(len(maps), -1)
    features = (features - features[parts.train].mean(axis=0)) / (features[parts.train].std(axis=0) + 1e-6)
    return logistic(features, labels, parts)


def split_of(labels: Labels, seed: int, n_images: int) -> Parts:
    """A fifth held out, a tenth of the rest for validation; of ``n_images`` drawn at random (0: all)."""
    n = n_images or len(labels)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(labels))[:n])
    held = stratified_split(labels[chosen], 0.2, seed)
    rest = chosen[~held]
    val = stratified_split(labels[rest], 0.1, seed)
    return Parts(rest[~val], rest[val], chosen[held])


def paired(labels: Labels, a: NDArray[Any], b: NDArray[Any], seed: int = 0) -> dict[str, float]:
    """Mean F1 of ``b`` minus that of ``a`` on the same images, with a 95 % bootstrap interval."""
    gaps = multilabel_scores(labels, b).of_images["f1"] - multilabel_scores(labels, a).of_images["f1"]
    rng = np.random.default_rng(seed)
    means = [rng.choice(gaps, len(gaps)).mean() for _ in range(N_DRAWS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"difference": float(gaps.mean()), "low": float(low), "high": float(high)}


def run(dataset: Dataset, weights: str, seeds: Sequence[int], n_images: int, root: Path) -> dict[str, Any]:
    """All trainings, and what they come to."""
    workspace, labels = Workspace(root), np.array(dataset.labels, np.float32)
    results: list[Result] = []
    ablation = []
    for seed in seeds:
        parts = split_of(labels, seed, n_images)
        ours = {name: one.with_changes({"seed": seed}) for name, one in recipes(weights).items()}
        arms: dict[str, Arm] = {
            BACKBONE: partial(backbone_rival, dataset, labels, parts, ours[IMAGE], workspace),
            TFIDF: partial(tfidf_rival, dataset, labels, parts),
            **{name: partial(train, dataset, labels, parts, one, workspace) for name, one in ours.items()},
        }
        probs = {}
        for name, arm in arms.items():
            recipe = ours.get(name, ours[IMAGE])
            probs[name], seconds = kept(workspace, dataset, parts, recipe, name, arm)
            results.append(judge(name, seed, labels[parts.test], probs[name], seconds))
            print_row(results[-1])
        held = labels[parts.test]
        others = (IMAGE, CAPTION, TFIDF, BACKBONE)
        ablation.append({other: paired(held, probs[other], probs[OURS]) for other in others})
    n = len(split_of(labels, 0, n_images).test)
    return summary(dataset, results, ablation, n_images or len(dataset), n)


def summary(
    dataset: Dataset, results: list[Result], ablation: list[dict[str, Any]], n_images: int, n_test: int
) -> dict[str, Any]:
    """What is printed with --json."""
    names = list(dict.fromkeys(row.who for row in results))

    def of(name: str) -> list[float]:
        return [row.mean_f1 for row in results if row.who == name]

    return {
        "benchmark": "captions",
        "n_images": n_images,
        "n_images_in_all": len(dataset),
        "n_test": n_test,
        "n_labels": len(dataset.classes),
        "mean_f1": {name: statistics.mean(of(name)) for name in names},
        "deviation": {name: statistics.stdev(of(name)) if len(of(name)) > 1 else 0.0 for name in names},
        "ours_minus": ablation,
        "results": [asdict(row) for row in results],
    }


def print_row(row: Result) -> None:
    """One line to standard error, as it comes in."""
    import sys

    print(
        f"seed {row.seed}  {row.who:<38} mean F1 {row.mean_f1:.4f}  macro F1 {row.macro_f1:.4f}  "
        f"mAP {row.mean_average_precision:.4f}  {row.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--source", help="the data: a folder, an archive, or a data set's folder")
    parser.add_argument("--weights", help="tf_efficientnet_lite0 as .safetensors")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=0, help="how many images, drawn at random; 0: all")
    parser.add_argument("--workspace", help="kept between runs, so that a stopped one goes on")
    parser.add_argument("--json", action="store_true")
    options = parse(parser, {"images": 300, "seeds": [0, 1]})
    needs(parser, options, source="the data", weights="tf_efficientnet_lite0 as .safetensors")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(options.workspace or temporary)
        folder = Path(options.source)
        if not (folder / "dataset.json").exists():
            import_source(Workspace(root), folder, "captions")
            folder = root / "datasets" / "captions"
        found = run(load_dataset(folder), options.weights, options.seeds, options.images, root)
    print(json_text(found) if options.json else json_text(found["mean_f1"], indent=2))


if __name__ == "__main__":
    main()
