"""Do wrong labels come first, and what does it bring to correct them in that order?

``uv run python benchmarks/label_issues.py [--data fashion-mnist] [--folds 5] [--seeds 0 1 2]
[--quick] [--json]``

A share of the training labels is flipped, and the flips are the errors to be found (a data set's own errors
count as right, which costs every order the same). Two kinds of noise:

uniform      any other class is as likely
confusable   the other class is drawn by how often a model, trained on the true labels, takes the one for the
             other on images that it did not train on

The orders, all from the same k-fold probabilities:

combined            what `tidyset issues` shows
cleanlab            find_label_issues as it comes (prune_by_noise_rate), ranked by self-confidence; the labels
                    that it does not flag follow by the same score
self_confidence, confident_learning, margin, neighbours, dynamics
                    each score alone; confident_learning is cleanlab's adjusted self-confidence
random              no order

A simulated reviewer then looks at as many labels as were flipped, in three of the orders, and always gives
the true label; the recipe is trained anew on the result and scored on the untouched test labels. What was
computed is kept in the workspace, so a benchmark that was broken off goes on.
"""

from __future__ import annotations

import core  # noqa: F401  # isort: skip  (before torch: sets how its threads wait)

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t

from benchmarks.quick import parse
from core import workspace as workspaces
from core.cache import cached_arrays, cached_json
from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.data.writer import write_array_dataset
from core.errors import NotFound
from core.files import digest
from core.json_text import json_text
from core.quality.evidence import create_search, load_evidence, newest_search
from core.quality.label_issues import LabelIssues, label_issues
from core.runs.recipe import Recipe, load_recipe, parse_settings
from core.runs.store import Run, RunState, status
from core.training.inference import predict
from core.training.loop import FitResult, fit
from core.training.parts import Parts, assign_roles, make_parts
from core.training.pixels import Pixels
from core.worker import work
from core.workspace import Workspace

Ints = NDArray[np.int64]
KINDS = ("uniform", "confusable")
REVIEWED = ("combined", "cleanlab", "random")
QUICK = {
    "data": "fashion-mnist-sample",
    "set": ["epochs=2", "width=16"],
    "folds": 2,
    "seeds": [0],
    "trainings": 1,
}
N_TOP = 100  # a first sitting


@dataclass(frozen=True)
class Ranking:
    """How well an order puts the flipped labels first.

    Attributes:
        average_precision: Mean, over the flips, of the precision where each stands.
        precision: By k, the share of the first k that are flips.
        recall: By k, the share of the flips that are among the first k.
    """

    average_precision: float
    precision: dict[int, float]
    recall: dict[int, float]


@dataclass(frozen=True)
class Setting:
    """What is the same for every noise."""

    workspace: Workspace
    truth: Dataset
    recipe: Recipe
    n_folds: int
    share: float
    trainings: tuple[int, ...]

    @property
    def labels(self) -> Ints:
        """(N,) the true labels."""
        return np.array(self.truth.labels, np.int64)

    @property
    def train(self) -> Ints:
        """Positions whose labels may be flipped."""
        return self.truth.in_split("train")

    @property
    def pixels(self) -> Pixels:
        """(N, H, W, C) uint8."""
        return np.asarray(self.truth.images.pixels)  # type: ignore[attr-defined]


def flip(labels: Ints, positions: Ints, share: float, odds: NDArray[np.float64], seed: int) -> Ints:
    """The labels with ``share`` of those at ``positions`` made wrong.

    Args:
        odds: (K, K) how likely a label of the row's class becomes the column's; the diagonal counts as 0. A
            row without any odds draws from all other classes alike.
        seed: The same seed flips the same labels to the same classes.
    """
    rng = np.random.default_rng([20_260, seed])
    chosen = rng.choice(positions, round(share * len(positions)), replace=False)
    odds = np.array(odds, np.float64)
    np.fill_diagonal(odds, 0)
    odds[odds.sum(axis=1) == 0] = 1
    np.fill_diagonal(odds, 0)
    limits = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
    limits[:, -1] = 1.0
    drawn = rng.random(len(chosen))
    flipped = labels.copy()
    # "<=": a class without odds has no width, so a draw of exactly 0 must not land on it.
    flipped[chosen] = (limits[labels[chosen]] <= drawn[:, None]).sum(axis=1)
    return flipped


def ranking(order: Ints, wrong: NDArray[np.bool_], ks: tuple[int, ...]) -> Ranking:
    """Judge an order.

    Args:
        order: (n,) positions, the likeliest error first.
        wrong: (N,) the flips; at least one is in the order.
        ks: At which depths.
    """
    hits = wrong[order]
    depth = np.flatnonzero(hits) + 1
    found = {k: int(hits[:k].sum()) for k in ks}
    return Ranking(
        average_precision=float((np.arange(1, len(depth) + 1) / depth).mean()),
        precision={k: n / k for k, n in found.items()},
        recall={k: n / len(depth) for k, n in found.items()},
    )


def orders_of(found: LabelIssues, among: Ints, seed: int) -> dict[str, Ints]:
    """By name, positions in each order.

    Args:
        among: Positions that count: the training images.
        seed: Of the random order, which also decides between equal scores.
    """
    rows = np.random.default_rng([7, seed]).permutation(np.flatnonzero(np.isin(found.positions, among)))
    positions = found.positions[rows]

    def by(score: NDArray[np.floating]) -> Ints:
        return np.asarray(positions[np.argsort(-score[rows], kind="stable")], np.int64)

    return {
        "combined": by(found.combined),
        "cleanlab": positions[cleanlab_order(found.labels[rows], found.pred_probs[rows])],
        **{name: by(np.nan_to_num(score, nan=-1.0)) for name, score in found.scores.items()},
        "random": positions,
    }


def cleanlab_order(labels: Ints, pred_probs: NDArray[np.float32]) -> Ints:
    """(n,) rows as cleanlab's find_label_issues ranks them by default, then the rest."""
    from cleanlab.filter import find_label_issues

    flagged = np.asarray(
        find_label_issues(labels, pred_probs, return_indices_ranked_by="self_confidence", n_jobs=1), np.int64
    )
    rest = np.argsort(pred_probs[np.arange(len(labels)), labels], kind="stable")
    return np.concatenate([flagged, rest[~np.isin(rest, flagged)]])


def confusion(setting: Setting) -> NDArray[np.float64]:
    """(K, K) true by predicted, on images that a model of the true labels did not train on."""
    truth, key = setting.truth, {"of": setting.truth.fingerprint, "recipe": setting.recipe.deciding_values()}

    def compute() -> dict[str, Any]:
        result, parts = trained(setting, setting.labels, seed=setting.recipe.seed)
        asked = np.concatenate([parts.val, parts.test])
        outputs = predict(result.model, result.card, setting.pixels, asked, result.machine)
        counts = np.zeros((len(truth.classes),) * 2)
        np.add.at(counts, (setting.labels[asked], outputs.pred_probs.argmax(axis=1)), 1)
        return {"counts": counts}

    return np.asarray(cached_arrays(setting.workspace, "benchmark-confusion-1", key, compute)["counts"])


def trained(setting: Setting, labels: Ints, *, seed: int) -> tuple[FitResult, Parts]:
    """Train the recipe on ``labels``; the validation images are the same for all labels."""
    recipe = setting.recipe.with_changes({"seed": seed})
    roles = assign_roles(np.asarray(setting.truth.split), setting.labels, recipe)
    parts = make_parts(roles, labels, np.zeros(len(labels), bool))
    return fit(setting.pixels, labels, parts, setting.truth.classes, recipe), parts


def accuracy(setting: Setting, labels: Ints) -> list[float]:
    """Test accuracy after training on ``labels``, for each seed."""
    return [accuracy_of(setting, labels, seed) for seed in setting.trainings]


def accuracy_of(setting: Setting, labels: Ints, seed: int) -> float:
    """Test accuracy after one training."""
    key = {
        "of": setting.truth.fingerprint,
        "labels": digest(labels),
        "recipe": setting.recipe.deciding_values(),
        "seed": seed,
    }

    def compute() -> float:
        result, parts = trained(setting, labels, seed=seed)
        outputs = predict(result.model, result.card, setting.pixels, parts.test, result.machine)
        return float((outputs.pred_probs.argmax(axis=1) == setting.labels[parts.test]).mean())

    return float(cached_json(setting.workspace, "benchmark-accuracy-1", key, compute))


def noisy_dataset(setting: Setting, labels: Ints, kind: str, seed: int) -> Dataset:
    """The data set as its user gets it: with the wrong labels as the given ones."""
    truth = setting.truth
    name = f"{truth.name}-{kind}-{seed}-{digest(labels)[:8]}"
    try:
        return open_dataset(setting.workspace, name)
    except NotFound:
        return write_array_dataset(
            setting.workspace,
            name,
            title=name,
            task=truth.task,
            classes=truth.classes,
            item_ids=np.asarray(truth.item_ids),
            split=np.asarray(truth.split),
            labels=labels,
            images=setting.pixels,
        )


def searched(setting: Setting, dataset: Dataset) -> LabelIssues:
    """What `tidyset issues` finds, or found when the benchmark was broken off."""
    run = newest_search(setting.workspace, dataset)
    if run is None or not _asks_the_same(setting, run):
        run = create_search(
            setting.workspace, dataset, setting.recipe, label_version=0, n_folds=setting.n_folds
        )
        work(run.folder)
    now = status(run)
    if now.state is not RunState.FINISHED:
        raise SystemExit(f"The search of {dataset.name} {now.state.value}: {now.error}")
    evidence = load_evidence(run)
    return label_issues(evidence)


def _asks_the_same(setting: Setting, run: Run) -> bool:
    same_recipe = run.recipe.deciding_values() == setting.recipe.deciding_values()
    return same_recipe and run.job.get("n_folds") == setting.n_folds


def world(setting: Setting, kind: str, seed: int) -> dict[str, Any]:
    """One noise: found, ranked, reviewed."""
    started = time.monotonic()
    n_classes = len(setting.truth.classes)
    odds = np.ones((n_classes, n_classes)) if kind == "uniform" else confusion(setting)
    noisy = flip(setting.labels, setting.train, setting.share, odds, seed)
    wrong = noisy != setting.labels
    n_wrong = int(wrong.sum())
    found = searched(setting, noisy_dataset(setting, noisy, kind, seed))
    orders = orders_of(found, setting.train, seed)
    ks = tuple(sorted({min(N_TOP, n_wrong), n_wrong // 2, n_wrong, 2 * n_wrong}))
    suggested = np.full(len(wrong), -1)
    suggested[found.positions] = found.suggested
    in_train = np.isin(found.positions, setting.train)
    report(f"{kind} {seed}: searched after {time.monotonic() - started:.0f} s")
    return {
        "noise": kind,
        "seed": seed,
        "n_flipped": n_wrong,
        "n_estimated": found.n_estimated,
        "n_flagged_train": int((found.flagged & in_train).sum()),
        "suggestion_right": float((suggested[wrong] == setting.labels[wrong]).mean()),
        "orders": {name: asdict(ranking(order, wrong, ks)) for name, order in orders.items()},
        "reviewer": reviewer(setting, noisy, {name: orders[name] for name in REVIEWED}, n_wrong)
        if setting.trainings
        else None,
    }


def reviewer(setting: Setting, noisy: Ints, orders: dict[str, Ints], n_reviews: int) -> dict[str, Any]:
    """Accuracy on the test images before, after the first ``n_reviews`` of each order, and without noise."""
    before, clean = accuracy(setting, noisy), accuracy(setting, setting.labels)
    after: dict[str, Any] = {}
    for name, order in orders.items():
        corrected = noisy.copy()
        corrected[order[:n_reviews]] = setting.labels[order[:n_reviews]]
        scores = accuracy(setting, corrected)
        won = (np.array(scores) - np.array(before)).mean()
        after[name] = {
            "accuracy": scores,
            "corrected_per_100_reviews": float(100 * (corrected != noisy).sum() / n_reviews),
            "points_per_100_reviews": float(100 * won / (n_reviews / 100)),
        }
        report(f"  reviewed in the order {name}: {np.mean(scores):.4f} (before {np.mean(before):.4f})")
    return {"n_reviews": n_reviews, "before": before, "clean": clean, "after": after}


def summary(worlds: list[dict[str, Any]]) -> dict[str, Any]:
    """By noise and order, means over the seeds."""
    out: dict[str, Any] = {}
    for kind in dict.fromkeys(one["noise"] for one in worlds):
        mine = [one for one in worlds if one["noise"] == kind]
        rivals = [name for name in mine[0]["orders"] if name != "combined"]
        out[kind] = {
            "average_precision": {
                name: float(np.mean([one["orders"][name]["average_precision"] for one in mine]))
                for name in mine[0]["orders"]
            },
            "combined_wins": {
                name: sum(
                    one["orders"]["combined"]["average_precision"] >= one["orders"][name]["average_precision"]
                    for one in mine
                )
                for name in rivals
            },
            "n_worlds": len(mine),
        }
        if mine[0]["reviewer"]:
            for figure in ("points_per_100_reviews", "corrected_per_100_reviews"):
                out[kind][figure] = {
                    name: float(np.mean([one["reviewer"]["after"][name][figure] for one in mine]))
                    for name in REVIEWED
                }
            out[kind]["combined_minus_cleanlab"] = lead(mine)
    return out


def lead(worlds: list[dict[str, Any]]) -> dict[str, float] | None:
    """Points of test accuracy per 100 reviews that the combined order wins beyond cleanlab's: mean of pairs
    of trainings with one seed, and half of its 95 % interval (Student's t); None where there is one pair.
    """
    pairs = [
        10_000 * (ours - theirs) / one["reviewer"]["n_reviews"]
        for one in worlds
        for ours, theirs in zip(
            *(one["reviewer"]["after"][name]["accuracy"] for name in ("combined", "cleanlab")), strict=True
        )
    ]
    if len(pairs) < 2:
        return None
    half = t.ppf(0.975, len(pairs) - 1) * np.std(pairs, ddof=1) / len(pairs) ** 0.5
    return {"mean": float(np.mean(pairs)), "half_ci95": float(half), "n": len(pairs)}


def as_text(worlds: list[dict[str, Any]], totals: dict[str, Any]) -> str:
    """The tables for people; precision and recall are means over the seeds."""
    lines: list[str] = []
    for kind, total in totals.items():
        mine = [one for one in worlds if one["noise"] == kind]
        ks = list(mine[0]["orders"]["combined"]["precision"])
        flipped, estimated = (
            int(np.mean([one[key] for one in mine])) for key in ("n_flipped", "n_estimated")
        )
        right = np.mean([one["suggestion_right"] for one in mine])
        lines += [
            f"{kind}: {flipped:,} labels flipped, {estimated:,} estimated in all splits, "
            f"{len(mine)} seeds; the suggested class is right for {right:.1%} of the flips",
            f"  {'order':<20}{'average precision':>18}{'combined wins':>15}"
            + "".join(f"{f'p@{k:,}':>10}{f'r@{k:,}':>10}" for k in ks),
        ]
        for name, value in total["average_precision"].items():
            cells = ""
            for k in ks:
                for figure in ("precision", "recall"):
                    mean = np.mean([one["orders"][name][figure][k] for one in mine])
                    cells += f"{mean:>10.3f}"
            wins = f"{total['combined_wins'][name]} of {len(mine)}" if name != "combined" else ""
            lines.append(f"  {name:<20}{value:>18.4f}{wins:>15}{cells}")
        for name, points in total.get("points_per_100_reviews", {}).items():
            corrected = total["corrected_per_100_reviews"][name]
            lines.append(
                f"  100 reviews in the order {name:<10} correct {corrected:5.1f} labels "
                f"and win {points:7.4f} points of test accuracy"
            )
        lines.append("")
    return "\n".join(lines)


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--set", nargs="*", default=[], help="fields of the recipe: epochs=2")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05, help="of the training labels that are flipped")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the noise")
    parser.add_argument("--noise", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--trainings", type=int, default=2, help="after each review; 0 for no reviewer")
    parser.add_argument(
        "--workspace", type=Path, help="where to keep what was computed; else the current one"
    )
    parser.add_argument(
        "--join",
        type=Path,
        nargs="+",
        help="measure nothing: what --json printed for some worlds each, as one",
    )
    parser.add_argument("--json", action="store_true")
    wanted = parse(parser, QUICK)
    if wanted.join:
        parts = [json.loads(file.read_text()) for file in wanted.join]
        joined = sorted((one for part in parts for one in part["worlds"]), key=lambda one: one["seed"])
        joined.sort(key=lambda one: KINDS.index(one["noise"]))
        print(json_text({**parts[0], "summary": summary(joined), "worlds": joined}, indent=1))
        return
    workspace = Workspace(wanted.workspace) if wanted.workspace else workspaces.current()
    setting = Setting(
        workspace,
        open_dataset(workspace, wanted.data),
        load_recipe(wanted.recipe).with_changes(parse_settings(wanted.set)),
        wanted.folds,
        wanted.share,
        tuple(range(100, 100 + wanted.trainings)),
    )
    worlds = [world(setting, kind, seed) for kind in wanted.noise for seed in wanted.seeds]
    totals = summary(worlds)
    if wanted.json:
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
        about = {
            "data": wanted.data,
            "recipe": setting.recipe.model_dump(),
            "folds": wanted.folds,
            "device": device,
        }
        print(json_text({**about, "share": wanted.share, "summary": totals, "worlds": worlds}, indent=1))
        return
    print(as_text(worlds, totals))


if __name__ == "__main__":
    main()
