"""What do unlabelled images and several networks bring, when labels are few?

``uv run python benchmarks/few_labels.py [--part fashion characters] [--seeds 0 1 2] [--quick] [--json]``

fashion     Fashion-MNIST with 40, 250 and 1,000 labels, the rest of the 60,000 training images without: test
            accuracy of supervised training and of each method that uses the rest too. All have the same
            network, labelled images seen, steps and augmentation; ``supervised-strong`` has FixMatch's
            strong augmentation on the labelled images, so that this alone does not pass for learning.
characters  combo-mnist (56 x 56, one digit and one letter, half of the training images without labels):
            share of test images with both labels right.

Every training is kept in the workspace when it ends, and one under way has a checkpoint: a benchmark that was
broken off goes on; what is in results/few_labels.json is not trained again. Without --limit it does all that
is missing; with ``--limit 0`` it only reports. Settings were chosen on labels of another draw (seed 7), by
training images without labels, never by test images.
"""

from __future__ import annotations

import core  # noqa: F401  # isort: skip  (before torch: sets how its threads wait)

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quick import parse, skip
from core import workspace as workspaces
from core.data import combo_mnist
from core.data.catalog import open_dataset
from core.data.dataset import Dataset, is_labelled
from core.data.hiding import hidden_truth, hide_labels
from core.errors import NotFound
from core.files import digest, read_json, write_json
from core.json_text import json_text
from core.runs.recipe import Recipe, load_recipe
from core.training.inference import predict
from core.training.loop import fit
from core.training.parts import Parts
from core.training.pixels import pixel_array
from core.training.semi import Unlabelled
from core.training.stages import fit_stages
from core.workspace import Workspace

RESULTS = Path(__file__).parent / "results" / "few_labels.json"
EPOCHS = {250: 24, 1_000: 12, 40: 12}
"""By the number of labels, in the order in which they are done: epochs of 1,600 labelled images, and with
each seven unlabelled ones. Whoever uses no unlabelled images gets eight times as many."""
STRONG = {
    "rotation_share": 1.0,
    "rotation_degrees": 26.0,
    "shift_pixels": 5,
    "erasing_share": 1.0,
    "erasing_size": 0.52,
    "sharpness_share": 0.5,
}
BASES = {"gain": "supervised", "gain_over_strong": "supervised-strong"}
FASHION: dict[str, dict[str, Any]] = {
    "supervised": {"semi": "none"},
    "supervised-strong": {"semi": "none", **STRONG},
    "fixmatch": {"semi": "fixmatch"},
    "flexmatch": {"semi": "flexmatch"},
    "uda": {"semi": "uda"},
    "mean-teacher": {"semi": "mean-teacher", "semi_weight": 20.0},
    "teacher-student": {"semi": "teacher-student", "members": 3, "semi_threshold": 0.9},
}
GROUPS = {"label_groups": "10+26"}
CHARACTERS: dict[str, dict[str, Any]] = {
    "CNN, sigmoid": {"model": "plain-cnn", "width": 32, "members": 1},
    "CNN, two heads": {"model": "plain-cnn", "width": 32, "members": 1, **GROUPS},
    "ResNet, two heads": {"members": 1, **GROUPS},
    "bagging of 3": {"members": 3, "semi_threshold": 0.9, **GROUPS},
    "teacher-student": {"members": 3, "semi": "teacher-student", "semi_threshold": 0.9, **GROUPS},
}
VARIED = {
    "epochs": 6,
    "rotation_share": 0.5,
    "rotation_degrees": 15.0,
    "elastic_share": 0.5,
}
COMBO: dict[str, Any] = {
    "n": 20_000,
    "n_test": 4_000,
    "letters": "upper",
    "noise": 0.15,
    "test_share": 0.1,
}


@dataclass(frozen=True)
class Unit:
    """One training: on which data set, by which method, from which seed."""

    part: str
    dataset: str
    method: str
    seed: int
    recipe: Recipe

    @property
    def key(self) -> str:
        """Its name on disk."""
        return digest(self.part, self.dataset, self.recipe.deciding_values())[:20]

    @property
    def networks(self) -> str:
        """Where its networks are kept: a bagging and the teachers of a student are the same ones."""
        if self.recipe.members == 1:
            return self.key
        return digest(self.part, self.dataset, self.recipe.of_one_network().deciding_values())[:20]


def units(parts: list[str], seeds: list[int], n_labels: list[int], threads: int) -> list[Unit]:
    """All trainings, those that say most first."""
    found = []
    if "fashion" in parts:
        for labels in n_labels:
            for seed in seeds:
                own = {"seed": seed, "threads": threads}
                for method, changes in FASHION.items():
                    recipe = load_recipe("fixmatch").with_changes({**changes, **own})
                    recipe = recipe.with_changes({"epochs": EPOCHS[labels] * same_images(recipe)})
                    found.append(Unit("fashion", f"fashion-{labels}-{seed}", method, seed, recipe))
    if "characters" in parts:
        for seed in seeds[:2]:
            own = {"seed": seed, "threads": threads}
            for method, changes in CHARACTERS.items():
                recipe = load_recipe("bagging").with_changes({**VARIED, **changes, **own})
                found.append(Unit("characters", f"combo-{digest(COMBO)[:8]}", method, seed, recipe))
    return found


def same_images(recipe: Recipe) -> int:
    """How many times the epochs a recipe needs to see as many images as one with unlabelled ones does."""
    if recipe.semi in ("none", "teacher-student"):
        return (1 + load_recipe("fixmatch").semi_ratio) // recipe.n_networks
    return 1


def opened(workspace: Workspace, name: str) -> Dataset:
    """The data set of a unit, made on first use."""
    try:
        return open_dataset(workspace, name)
    except NotFound:
        if name.startswith("fashion"):
            _, labels, seed = name.split("-")
            whole = open_dataset(workspace, "fashion-mnist")
            return hide_labels(workspace, whole, name, keep=int(labels), seed=int(seed))
        return combo_mnist.materialise(workspace, combo_mnist.make_options(COMBO), name)


def train(workspace: Workspace, unit: Unit, folder: Path) -> dict[str, Any]:
    """One training, scored on the test split."""
    dataset = opened(workspace, unit.dataset)
    labels = np.array(dataset.labels)
    pixels = pixel_array(workspace, dataset, unit.recipe.input_size)
    known, part = is_labelled(labels), np.asarray(dataset.split)
    labelled, test = np.flatnonzero((part == 0) & known), dataset.in_split("test")
    unlabelled = Unlabelled(np.flatnonzero((part == 0) & ~known), hidden_truth(dataset))
    pseudo: dict[str, Any] = {}

    def on_event(type_: str, **fields: Any) -> None:
        if type_ in ("pseudo", "round", "ensemble") or (type_ == "epoch" and "pseudo_share" in fields):
            pseudo.update(
                {k: v for k, v in fields.items() if "pseudo" in k or k in ("out_of_bag", "diversity")}
            )

    began = time.monotonic()
    how = fit_stages if unit.recipe.has_stages else fit
    result = how(
        pixels,
        labels,
        Parts(labelled, labelled[:0], test),  # nothing is decided on labels that a few-label task lacks
        dataset.classes,
        unit.recipe,
        on_event,
        checkpoint_file=folder / f"{unit.networks}.checkpoint" / "checkpoint.safetensors",
        unlabelled=unlabelled,
    )
    seconds = time.monotonic() - began
    score = scored(predict(result.model, result.card, pixels, test, result.machine).pred_probs, labels[test])
    return {
        "key": unit.key,
        "part": unit.part,
        "data": unit.dataset,
        "method": unit.method,
        "seed": unit.seed,
        "n_labelled": len(labelled),
        "n_unlabelled": len(unlabelled.positions),
        "score": score,
        "training_seconds": round(result.seconds, 1),
        "wall_seconds": round(seconds, 1),
        **pseudo,
    }


def scored(probs: Any, labels: Any) -> float:
    """Accuracy, or the share of images with all labels right."""
    if labels.ndim == 1:
        return float((probs.argmax(axis=1) == labels).mean())
    return float(((probs > 0.5) == (labels == 1)).all(axis=1).mean())


def interval(values: list[float]) -> tuple[float, float] | None:
    """95 % by Student's t; None for fewer than two."""
    if len(values) < 2:
        return None
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return mean - float(half), mean + float(half)


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By data and method: the mean over seeds, and what it is above supervised training, seed by seed."""
    found = []
    for part, labels in sorted({(row["part"], row["n_labelled"]) for row in rows}):
        here = [row for row in rows if (row["part"], row["n_labelled"]) == (part, labels)]
        for method in FASHION if part == "fashion" else CHARACTERS:
            own = [row for row in here if row["method"] == method]
            if not own:
                continue
            found.append(
                {
                    "part": part,
                    "n_labelled": labels,
                    "method": method,
                    "n_seeds": len(own),
                    "mean": float(np.mean([row["score"] for row in own])),
                    "interval": interval([row["score"] for row in own]),
                    **gains(own, here),
                }
            )
    return found


def gains(own: list[dict[str, Any]], here: list[dict[str, Any]]) -> dict[str, Any]:
    """What a method is above each base, from the same labels and seed: the mean, and its interval."""
    found: dict[str, Any] = {}
    for name, base in BASES.items():
        scores = {row["seed"]: row["score"] for row in here if row["method"] == base}
        above = [row["score"] - scores[row["seed"]] for row in own if row["seed"] in scores]
        is_gain = bool(above) and own[0]["method"] != base
        found[name] = float(np.mean(above)) if is_gain else None
        found[f"{name}_interval"] = interval(above) if is_gain else None
    return found


def printed_before() -> dict[str, dict[str, Any]]:
    """Trainings by key that are in benchmarks/results: no machine has to do them again."""
    if not RESULTS.exists():
        return {}
    return {row["key"]: row for row in read_json(RESULTS)["trainings"]}


def as_text(rows: list[dict[str, Any]]) -> str:
    """A table."""
    lines = [
        f"{'':12}{'labels':>8}  {'method':<20}{'seeds':>6}{'score':>8}   "
        "gain over supervised, over supervised-strong"
    ]
    for row in rows:
        gain = "   ".join(with_interval(row[name], row[f"{name}_interval"]) for name in BASES)
        what = f"{row['part']:12}{row['n_labelled']:>8}  {row['method']:<20}{row['n_seeds']:>6}"
        lines.append(f"{what}{row['mean']:>8.3f}   {gain}")
    return "\n".join(lines)


def with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    """As text; empty where there is no value."""
    if value is None:
        return ""
    return f"{value:+.3f}" + (f" ({interval[0]:+.3f} to {interval[1]:+.3f})" if interval else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--part", nargs="+", choices=("fashion", "characters"), default=["fashion", "characters"]
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labels", type=int, nargs="+", choices=list(EPOCHS), default=list(EPOCHS))
    parser.add_argument("--limit", type=int, help="trainings to do now at most; 0 only reports")
    parser.add_argument(
        "--workspace", type=Path, help="where to keep what was computed; else the current one"
    )
    parser.add_argument("--threads", type=int, default=0, help="of the processor; 0: all")
    parser.add_argument("--json", action="store_true")
    wanted = parse(parser, {})
    if wanted.quick:
        skip("each of its trainings takes minutes to half an hour: --limit does as many as there is time for")
    workspace = Workspace(wanted.workspace) if wanted.workspace else workspaces.current()
    folder = workspace.root / "few-labels"
    rows, n_done = [], 0
    printed = printed_before()
    for unit in units(wanted.part, wanted.seeds, wanted.labels, wanted.threads):
        kept = folder / f"{unit.key}.json"
        if not kept.exists() and unit.key in printed:
            write_json(kept, printed[unit.key])
        if not kept.exists():
            if wanted.limit is not None and n_done >= wanted.limit:
                continue
            (folder / f"{unit.networks}.checkpoint").mkdir(parents=True, exist_ok=True)
            write_json(kept, train(workspace, unit, folder))
            n_done += 1
        rows.append(read_json(kept))
        print(
            f"{unit.dataset} {unit.method} {unit.seed}: {rows[-1]['score']:.4f}", file=sys.stderr, flush=True
        )
    totals = summary(rows)
    if wanted.json:
        print(json_text({"combo": COMBO, "summary": totals, "trainings": rows}, indent=1))
        return
    print(as_text(totals))


if __name__ == "__main__":
    main()
