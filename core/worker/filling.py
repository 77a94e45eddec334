"""The job of a run of kind "fill": judge the known labels crosswise, decide, and fill the unknown ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import Arrays, cached_arrays
from core.data.dataset import is_labelled
from core.data.splits import multilabel_folds
from core.evaluation.predictions import Predictions, save_predictions
from core.files import digest, write_bytes, write_json
from core.quality.filled import apply_filling, author
from core.quality.filling import PER_LABEL, LabelFilling, plan_label, text_fill, to_json
from core.runs.recipe import Recipe
from core.training.multilabel import Labels
from core.training.parts import Parts
from core.worker import Job, Outcome, Stopped
from core.worker.material import Material, gather_material
from core.worker.parts import spread

CACHE = "fill-2"
Probs = NDArray[np.float32]


def fill(job: Job) -> Outcome:
    """Train, judge, decide, fill; ``finished`` says how many labels, and fill.json all of it.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    judges = _judges(job, _progress(job, began))
    job.on_event("started", n_trainings=len(judges.plan))
    spread(job, [f"judge-{number}" for number in range(len(judges.plan))], len(judges.plan))
    probs = judges.probabilities()
    fillings = judges.decide(probs, float(job.run.job["precision"]))
    save_predictions(job.run.predictions_file, judges.predictions(probs))
    applied = bool(job.run.job["apply"])
    if applied:
        apply_filling(job.workspace, judges.dataset, job.run, fillings, judges.train, probs)
    value = _value(job, fillings, applied=applied, seconds=time.monotonic() - began)
    write_json(job.run.folder / "fill.json", value)
    write_bytes(job.run.report_file, (text_fill(value) + "\n").encode())
    return Outcome("finished", {name: value[name] for name in ("method", "n_filled", "n_unknown", "seconds")})


def do_judge(job: Job, part: str) -> None:
    """Do the part "judge-3" of a fill, a training: put what it says into the cache. Raises Stopped."""

    def on_share(share: float, text: str) -> None:
        own = min(1.0, share * len(judges.plan))
        job.on_event("progress", share=round(own, 4), seconds_left=None, text=text)

    judges = _judges(job, on_share)
    judges.judged(*judges.plan[int(part.removeprefix("judge-"))])


def _judges(job: Job, on_share: Callable[[float, str], None]) -> Judges:
    wanted, material = job.run.job, gather_material(job)
    return Judges(
        material,
        job.run.recipe,
        material.labels,
        method=str(wanted["method"]),
        n_folds=int(wanted["n_folds"]),
        on_share=on_share,
    )


def _value(job: Job, fillings: list[LabelFilling], *, applied: bool, seconds: float) -> dict[str, Any]:
    return {
        "run": job.run.name,
        "data": job.run.dataset,
        "method": job.run.job["method"],
        "precision": job.run.job["precision"],
        "applied": applied,
        "who": author(job.run),
        "label_version": job.run.label_version,
        "n_unknown": sum(one.n_unknown for one in fillings),
        "n_filled": sum(one.yes.n_filled + one.no.n_filled for one in fillings),
        "labels": to_json(fillings),
        "seconds": round(seconds, 2),
    }


def _progress(job: Job, began: float) -> Callable[[float, str], None]:
    def on_share(share: float, text: str) -> None:
        spent = time.monotonic() - began
        left = round(spent * (1 - share) / share, 1) if share > 0 else None
        job.on_event("progress", share=round(share, 4), seconds_left=left, text=text)

    return on_share


class Judges:
    """The trainings of a fill: one a fold, or one a fold and label.

    Only images that the recipe trains on are judged and filled: validation images keep their known labels
    only, so that later trainings are judged by people's labels, and test images are not looked at.

    Args:
        labels: (N, K) 1, 0 and NaN.
        method: JOINT or PER_LABEL.
        n_folds: By how many networks the known labels are judged.
        on_share: Told how far all of it is, and in words.
        prefix: Of what the trainings are called in the run's folder, where there are other ones.

    Attributes:
        train: (n,) positions of the training images.
        plan: (fold, columns) of each training.
    """

    def __init__(
        self,
        material: Material,
        recipe: Recipe,
        labels: Labels,
        *,
        method: str,
        n_folds: int,
        on_share: Callable[[float, str], None],
        prefix: str = "",
    ) -> None:
        self.material, self.job, self.dataset = material, material.job, material.dataset
        self.recipe = recipe.with_changes({"unknown_labels": "masked"})  # what is filled taught nothing
        self.labels, self.prefix = labels, prefix
        self.train = material.with_role("train")
        self.val = material.with_role("val")
        self.n_folds, self.on_share = n_folds, on_share
        self.folds = multilabel_folds(labels[self.train], n_folds, recipe.split_seed)
        n_labels = len(self.dataset.classes)
        groups = [[k] for k in range(n_labels)] if method == PER_LABEL else [list(range(n_labels))]
        self.plan = [(fold, columns) for columns in groups for fold in range(n_folds)]
        self._done = 0

    def probabilities(self) -> Probs:
        """(n, K) of yes for ``train``: of a known label by the model that did not see its image, of unknown
        ones the mean of all models. Where these learn from images without a label too, what all is unknown
        of is answered as a known label is: the others have seen it. Raises Stopped.
        """
        labels = self.labels[self.train]
        total = np.zeros(labels.shape, np.float64)
        own = np.zeros(labels.shape, np.float32)
        by_own = ~np.isnan(labels)
        for fold, columns in self.plan:
            found = self.judged(fold, columns)
            held = self.folds == fold
            total[:, columns] += found / self.n_folds
            own[np.ix_(held, columns)] = found[held]
            if self.recipe.uses_unlabeled:
                by_own[:, columns] |= ~is_labelled(labels[:, columns])[:, None]
        return np.where(by_own, own, total).astype(np.float32)

    def decide(self, probs: Probs, precision: float) -> list[LabelFilling]:
        """What becomes of each label, by what ``probabilities`` found."""
        labels, may_fill = self.labels[self.train], np.ones(len(self.train), bool)
        return [
            plan_label(name, labels[:, k], probs[:, k].astype(np.float64), may_fill, precision)
            for k, name in enumerate(self.dataset.classes)
        ]

    def predictions(self, probs: Probs) -> Predictions:
        """What ``probabilities`` found, by item."""
        return Predictions(
            item_ids=np.asarray(self.dataset.item_ids)[self.train],
            split=np.full(len(self.train), "train"),
            labels=self.labels[self.train],
            pred_probs=probs,
            classes=self.dataset.classes,
            run=self.job.run.id,
            label_version=self.job.run.label_version,
            fingerprint=self.dataset.fingerprint,
        )

    def judged(self, fold: int, columns: list[int]) -> Probs:
        """(n, len(columns)) by the model trained without ``fold``: from the cache, or now. Raises Stopped."""
        if self.job.should_stop():
            raise Stopped
        labels = np.ascontiguousarray(self.labels[:, columns])
        usable = is_labelled(labels)
        learnt = self.train[(self.folds != fold) & usable[self.train]]
        if not ((labels[learnt] == 1).any(axis=0) & (labels[learnt] == 0).any(axis=0)).any():
            self._done += 1
            return np.full((len(self.train), len(columns)), 0.5, np.float32)  # one answer teaches nothing
        held_out = self.val[usable[self.val]]
        training = self.material.training(
            self.recipe,
            labels=labels,
            parts=Parts(learnt, held_out, held_out[:0]),
            classes=[self.dataset.classes[k] for k in columns],
            unlabeled=self.train[(self.folds != fold) & ~usable[self.train]],
        )
        name = "-".join(map(str, [f"{self.prefix}judge", fold, *(columns if len(columns) == 1 else [])]))

        def compute() -> Arrays:
            _, outputs = self.material.answers(training, name, self.train, self._on_event)
            return {"probs": outputs.pred_probs}

        key = self.material.key(training, asked=digest(self.train))
        arrays = cached_arrays(self.job.workspace, CACHE, key, compute)
        self._done += 1
        return np.asarray(arrays["probs"], np.float32)

    def _on_event(self, type_: str, **fields: Any) -> None:
        if type_ in ("progress", "epoch"):
            share = (self._done + float(fields.get("share", 0))) / len(self.plan)
            self.on_share(share, f"Training {self._done + 1} of {len(self.plan)}")
