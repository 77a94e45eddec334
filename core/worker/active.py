"""The job of a run of kind "active": strategies of active learning side by side, on labels that are known.

Every strategy begins with the same few labels and may ask for the same number more, round by round; a network
is trained anew on what it has and scored on the test split. What was computed is cached by content, so a
comparison that was broken off goes on, and another one with one more strategy trains only that.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import Arrays, cached_arrays
from core.data.dataset import SPLITS
from core.data.hiding import drawn
from core.errors import BadInput
from core.files import Json, digest, write_json
from core.labels.versions import labels_at
from core.quality.active import choose
from core.quality.active_compare import n_trainings
from core.training.inference import predict
from core.training.loop import fit
from core.training.parts import Parts
from core.training.pixels import run_pixels
from core.worker import Job, Outcome, Stopped
from core.worker.parts import spread
from core.worker.training import now_and_then, open_run_dataset, silent, stoppable

RESULT_FILE = "active.json"
CACHE = "active-1"


def compare(job: Job) -> Outcome:
    """Train every strategy from every seed, and write active.json: the curves with intervals."""
    wanted, began = job.run.job, time.monotonic()
    comparison = _Comparison(job)
    job.on_event("started", n_trainings=comparison.n_trainings)
    parts = [f"{name}-{seed}" for name in wanted["strategies"] for seed in range(wanted["seeds"])]
    if spread(job, parts, len(parts)):
        comparison.job = replace(job, on_event=silent)  # all has been said; what follows finds it
    curves = {
        name: [comparison.curve(name, seed) for seed in range(wanted["seeds"])]
        for name in wanted["strategies"]
    }
    result = summary(curves, wanted)
    write_json(job.run.folder / RESULT_FILE, result)
    best = max(result["curves"], key=lambda curve: float(np.mean(curve["mean"])))["strategy"]
    return Outcome("finished", {"best": best, "seconds": round(time.monotonic() - began, 2), **result})


def do_curve(job: Job, part: str) -> None:
    """Do the part "margin-2", a strategy and its seed: put its rounds into the cache. Raises Stopped."""
    strategy, _, seed = part.rpartition("-")
    comparison = _Comparison(job)
    comparison.n_trainings = n_trainings(1, job.run.job["rounds"], 1)
    comparison.curve(strategy, int(seed))


class _Comparison:
    """What all strategies share."""

    def __init__(self, job: Job) -> None:
        self.job, self.recipe, self.wanted = job, job.run.recipe, job.run.job
        self.dataset = open_run_dataset(job)
        self.labels = np.array(labels_at(job.workspace, self.dataset, job.run.label_version).labels)
        split = np.asarray(self.dataset.split)
        self.pool = np.flatnonzero((split == SPLITS.index("train")) & (self.labels >= 0))
        self.test = np.flatnonzero((split == SPLITS.index("test")) & (self.labels >= 0))
        wanted = self.wanted
        if wanted["start"] + wanted["step"] * wanted["rounds"] > len(self.pool) or not len(self.test):
            raise BadInput(
                f"There are {len(self.pool):,} labelled training and {len(self.test):,} test images.",
                "Ask for fewer labels, or choose data with a test split.",
            )
        self.pixels = run_pixels(job.workspace, self.dataset, self.recipe, stoppable(job))
        self.n_trainings = n_trainings(len(wanted["strategies"]), wanted["rounds"], wanted["seeds"])
        self.done, self.began = 0, time.monotonic()

    def curve(self, strategy: str, seed: int) -> list[float]:
        """Test accuracy at the start and after each round."""
        has = self.pool[
            drawn(self.dataset.given.with_values(self.labels[self.pool]), self.wanted["start"], seed)
        ]
        accuracies = []
        for number in range(self.wanted["rounds"] + 1):
            found = self.round(strategy, has, seed, last=number == self.wanted["rounds"])
            accuracies.append(float(found["accuracy"][0]))
            has = np.sort(np.concatenate([has, found["chosen"]]))
        return accuracies

    def round(self, strategy: str, has: NDArray[np.int64], seed: int, *, last: bool) -> Arrays:
        """Train on ``has``: how good that is, and what to label next. Raises Stopped."""
        recipe = self.recipe.with_changes({"seed": seed, "keep": "last"})
        key = {
            "fingerprint": self.dataset.fingerprint,
            "labels": digest(self.labels[has]),
            "has": digest(has),
            "recipe": recipe.deciding_values(),
            "strategy": "" if last else strategy,
            "step": 0 if last else self.wanted["step"],
        }
        found = cached_arrays(
            self.job.workspace, CACHE, key, lambda: self._train(strategy, has, recipe, last=last)
        )
        self.done += 1
        spent = time.monotonic() - self.began
        self.job.on_event(
            "progress",
            share=self.done / self.n_trainings,
            seconds_left=spent / self.done * (self.n_trainings - self.done),
            text=f"{strategy}, seed {seed}: {len(has):,} labels, accuracy {float(found['accuracy'][0]):.3f}",
        )
        return found

    def _train(self, strategy: str, has: NDArray[np.int64], recipe: Any, *, last: bool) -> Arrays:
        result = fit(
            self.pixels,
            self.labels,
            Parts(has, has[:0], self.test),
            self.dataset.classes,
            recipe,
            should_stop=now_and_then(self.job.should_stop),
        )
        if result.stopped:
            raise Stopped
        probs = predict(result.model, result.card, self.pixels, self.test, result.machine).pred_probs
        accuracy = float((probs.argmax(axis=1) == self.labels[self.test]).mean())
        chosen = np.empty(0, np.int64)
        if not last:
            rest = np.setdiff1d(self.pool, has)
            both = np.concatenate([rest, has])
            said = predict(result.model, result.card, self.pixels, both, result.machine, with_features=True)
            assert said.features is not None
            features, n = said.features.astype(np.float32), len(rest)
            step = self.wanted["step"]
            chosen = rest[
                choose(strategy, step, said.pred_probs[:n], features[:n], features[n:], recipe.seed)
            ]
        return {"accuracy": np.array([accuracy]), "chosen": chosen}


def summary(curves: dict[str, list[list[float]]], wanted: Json) -> Json:
    """By strategy, the mean over seeds at each number of labels, with a 95 % interval by Student's t."""
    from scipy.stats import t

    n_labels = [wanted["start"] + wanted["step"] * number for number in range(wanted["rounds"] + 1)]
    found = []
    for strategy, of_seeds in curves.items():
        values = np.array(of_seeds)
        half = np.full(len(n_labels), np.nan)
        if len(values) > 1:
            half = t.ppf(0.975, len(values) - 1) * values.std(axis=0, ddof=1) / math.sqrt(len(values))
        mean = values.mean(axis=0)
        ends = [None if math.isnan(h) else [m - h, m + h] for m, h in zip(mean, half, strict=True)]
        found.append(
            {"strategy": strategy, "mean": mean.tolist(), "interval": ends, "seeds": values.tolist()}
        )
    return {"n_labels": n_labels, "curves": found}
