"""The job of a run of kind "unknown": what to do with unknown labels, each way trained and judged alike.

What was trained is cached by what went in, so a comparison that was broken off goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from core.cache import Arrays, cached_arrays
from core.data.dataset import SPLITS, is_labelled
from core.evaluation.multilabel import MultiLabelScores, multilabel_scores
from core.files import Json, digest, write_bytes, write_json
from core.quality.filling import answers
from core.quality.unknown import (
    FEWEST_WHOLE,
    LEFT_OUT,
    N_FOLDS,
    n_trainings,
    summary,
    text_unknown,
)
from core.training.multilabel import Labels, treat_unknown
from core.training.parts import Parts
from core.worker import Job, Outcome
from core.worker.filling import Judges
from core.worker.material import gather_material, silent
from core.worker.parts import spread

CACHE = "unknown-2"
TREATED = (LEFT_OUT, "as-no", "masked")


def compare(job: Job) -> Outcome:
    """Train every way with every seed, and write unknown.json.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    wanted = job.run.job
    comparison = _Comparison(job)
    job.on_event("started", n_trainings=comparison.n_trainings)
    longest_first = sorted(comparison.ways, key=comparison.trainings_of, reverse=True)
    parts = [f"{way}-{seed}" for way in longest_first for seed in range(wanted["seeds"])]
    if spread(job, parts, len(parts)):
        comparison.hush()  # all has been said; what follows finds it
    for seed in range(wanted["seeds"]):
        world = _World(comparison, seed)
        for way in comparison.ways:
            comparison.scores[way].append(world.judged(way))
    value = comparison.value()
    write_json(job.run.folder / "unknown.json", value)
    write_bytes(job.run.report_file, (text_unknown(value) + "\n").encode())
    best = max(value["ways"], key=lambda one: float(one["macro_auc"]))["way"]
    return Outcome("finished", {"best": best, "seconds": value["seconds"]})


def do_way(job: Job, part: str) -> None:
    """Do the part "as-no-2", a way and its repetition: put what it says into the cache. Raises Stopped."""
    way, _, seed = part.rpartition("-")
    comparison = _Comparison(job)
    comparison.n_trainings = comparison.trainings_of(way)
    _World(comparison, int(seed)).judged(way)


class _Comparison:
    """What all repetitions share, and how far the whole is."""

    def __init__(self, job: Job) -> None:
        self.job, self.wanted = job, job.run.job
        self.material = gather_material(job)
        self.dataset, self.labels = self.material.dataset, self.material.labels
        self.train, self.val, self.test = map(self.material.with_role, SPLITS)
        self.test = self.test[is_labelled(self.labels[self.test])]
        self.ways: list[str] = list(self.wanted["ways"])
        self.notes: list[str] = []
        self._leave_out_if_too_few()
        self.n_trainings = n_trainings(self.ways, self.wanted["seeds"], len(self.dataset.classes))
        self.scores: dict[str, list[MultiLabelScores]] = {way: [] for way in self.ways}
        self.filled: dict[str, list[tuple[int, int, int]]] = {way: [] for way in self.ways}
        self.done, self.began = 0, time.monotonic()

    def hush(self) -> None:
        """Tell nothing any more."""
        self.job = replace(self.job, on_event=silent)
        self.material = replace(self.material, job=self.job)

    def trainings_of(self, way: str) -> int:
        """How many one repetition of a way takes."""
        return n_trainings([way], 1, len(self.dataset.classes))

    def _leave_out_if_too_few(self) -> None:
        share = 1 - float(self.wanted["hide"])
        whole = (~np.isnan(self.labels[self.train])).all(axis=1).sum() * share ** len(self.dataset.classes)
        if LEFT_OUT in self.ways and whole < FEWEST_WHOLE:
            self.ways.remove(LEFT_OUT)
            self.notes.append(
                f"{LEFT_OUT} is not told: about {whole:.0f} training images have all labels known, and "
                f"{FEWEST_WHOLE} are needed."
            )

    def progress(self, share: float, text: str) -> None:
        """Tell how far all of it is; ``share`` is of the training that goes on."""
        done = min(1.0, (self.done + share) / self.n_trainings)
        spent = time.monotonic() - self.began
        left = round(spent * (1 - done) / done, 1) if done > 0 else None
        self.job.on_event("progress", share=round(done, 4), seconds_left=left, text=text)

    def value(self) -> Json:
        """All that was found."""
        train = self.labels[self.train]
        hide = float(self.wanted["hide"])
        return {
            "run": self.job.run.name,
            "data": self.job.run.dataset,
            "seeds": self.wanted["seeds"],
            "hide": hide,
            "precision": self.wanted["precision"],
            "unknown_share": float(1 - (1 - np.isnan(train).mean()) * (1 - hide)),
            "n_test": len(self.test),
            "n_known": int((~np.isnan(self.labels[self.test])).sum()),
            "ways": [{**one, **self._of_filled(str(one["way"]))} for one in summary(self.scores)],
            "notes": self.notes,
            "seconds": round(time.monotonic() - self.began, 2),
        }

    def _of_filled(self, way: str) -> Json:
        """Means over the repetitions; how often it was right only where the truth was hidden."""
        if not self.filled[way]:
            return {"n_filled": None, "filled_right": None}
        n, right, checked = np.array(self.filled[way]).sum(axis=0)
        mean = float(n) / len(self.filled[way])
        return {"n_filled": mean, "filled_right": float(right / checked) if checked else None}


class _World:
    """One repetition: the seed of its trainings, and the labels that are not hidden in it."""

    def __init__(self, shared: _Comparison, seed: int) -> None:
        self.shared, self.seed = shared, seed
        self.recipe = shared.job.run.recipe.with_changes({"seed": seed, "unknown_labels": "masked"})
        self.labels = shared.labels.copy()
        hidden = np.random.default_rng(seed).random(self.labels.shape) < shared.wanted["hide"]
        self.train, self.val = shared.train, shared.val
        for learnt in (self.train, self.val):
            self.labels[learnt] = np.where(hidden[learnt], np.nan, self.labels[learnt])
        self.val = self.val[is_labelled(self.labels[self.val])]

    def judged(self, way: str) -> MultiLabelScores:
        """Train with the labels as ``way`` makes them, and score that on the test labels. Raises Stopped."""
        if way in TREATED:
            labels = self.labels.copy()
            labels[self.train] = treat_unknown(labels[self.train], way)
        else:
            labels = self._filled(way)
        shared = self.shared
        parts = Parts(self.train, self.val, shared.test[:0])
        training = shared.material.training(self.recipe, labels=labels, parts=parts)

        def compute() -> Arrays:
            name = f"{way}-{self.seed}"
            _, outputs = shared.material.answers(training, name, shared.test, self._on_event(way))
            return {"probs": outputs.pred_probs}

        key = shared.material.key(training, asked=digest(shared.test))
        found = cached_arrays(shared.job.workspace, CACHE, key, compute)
        shared.done += 1
        shared.progress(0, self._words(way))
        return multilabel_scores(shared.labels[shared.test], found["probs"])

    def _on_event(self, way: str) -> Callable[..., None]:
        def on_event(type_: str, **fields: Any) -> None:
            if type_ in ("progress", "epoch"):
                self.shared.progress(float(fields.get("share", 0.0)), self._words(way))

        return on_event

    def _words(self, way: str) -> str:
        return f"{way}, repetition {self.seed + 1} of {self.shared.wanted['seeds']}"

    def _filled(self, method: str) -> Labels:
        """The labels with unknown training labels filled where that is right often enough."""
        shared, before = self.shared, self.shared.done
        judges = Judges(
            shared.material,
            self.recipe,
            self.labels,
            method=method,
            n_folds=N_FOLDS,
            prefix=f"{method}-{self.seed}-",
            on_share=lambda share, _text: shared.progress(share * len(judges.plan), self._words(method)),
        )
        probs = judges.probabilities()
        shared.done = before + len(judges.plan)
        labels = self.labels.copy()
        for k, filling in enumerate(judges.decide(probs, float(shared.wanted["precision"]))):
            found = answers(filling, probs[:, k].astype(np.float64))
            unknown = np.isnan(labels[self.train, k])
            labels[self.train[unknown], k] = found[unknown]
        shared.filled[method].append(self._checked(labels))
        return labels

    def _checked(self, labels: Labels) -> tuple[int, int, int]:
        """(how many were filled, how many of these rightly, of how many that is known)."""
        new = np.isnan(self.labels) & ~np.isnan(labels)
        truth = self.shared.labels[new]
        checked = ~np.isnan(truth)
        return int(new.sum()), int((labels[new] == truth)[checked].sum()), int(checked.sum())
