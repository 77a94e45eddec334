"""The job of a run of kind "fill": judge the known labels crosswise, decide, and fill the unknown ones."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import cached_arrays
from core.data.dataset import SPLITS, is_labelled
from core.data.splits import multilabel_folds
from core.evaluation.of_run import as_answers
from core.evaluation.predictions import Predictions, save_predictions
from core.files import digest, write_bytes, write_json
from core.labels.versions import labels_at
from core.quality.filled import apply_filling, author
from core.quality.filling import PER_LABEL, LabelFilling, plan_label, text_fill, to_json
from core.training.frozen import backbone_maps
from core.training.inference import predict
from core.training.loop import fit
from core.training.parts import Parts, assign_roles
from core.training.pixels import run_pixels
from core.worker import Job, Outcome, Stopped
from core.worker.training import now_and_then, open_run_dataset, stoppable

CACHE = "fill-1"
Probs = NDArray[np.float32]


def fill(job: Job) -> Outcome:
    """Train, judge, decide, fill; ``finished`` says how many labels, and fill.json all of it.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    trainer = _Trainer(job)
    job.on_event("started", n_trainings=len(trainer.plan))
    probs = trainer.probabilities()
    labels = trainer.labels[trainer.train]
    wanted = float(job.run.job["precision"])
    may_fill = np.ones(len(labels), bool)
    fillings = [
        plan_label(name, labels[:, k], probs[:, k].astype(np.float64), may_fill, wanted)
        for k, name in enumerate(trainer.dataset.classes)
    ]
    save_predictions(job.run.predictions_file, trainer.predictions(probs))
    applied = bool(job.run.job["apply"])
    if applied:
        apply_filling(job.workspace, trainer.dataset, job.run, fillings, trainer.train, probs)
    value = _value(job, fillings, applied=applied, seconds=time.monotonic() - began)
    write_json(job.run.folder / "fill.json", value)
    write_bytes(job.run.report_file, (text_fill(value) + "\n").encode())
    return Outcome("finished", {name: value[name] for name in ("method", "n_filled", "n_unknown", "seconds")})


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


class _Trainer:
    """The trainings of a fill: one a fold, or one a fold and label.

    Only images that the recipe trains on are judged and filled: validation images keep their known labels
    only, so that later trainings are judged by people's labels, and test images are not looked at.

    Attributes:
        train: (n,) positions of these images.
        plan: (fold, columns) of each training.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.recipe = job, job.run.recipe
        self.dataset = open_run_dataset(job, any_task=True)
        state = labels_at(job.workspace, self.dataset, job.run.label_version)
        self.labels = as_answers(np.asarray(state.labels)).copy()
        self.labels[np.asarray(state.excluded, bool)] = np.nan
        roles = assign_roles(np.asarray(self.dataset.split), np.asarray(self.dataset.labels), self.recipe)
        roles[np.asarray(state.excluded, bool)] = SPLITS.index("test")
        self.train = np.flatnonzero(roles == SPLITS.index("train"))
        self.val = np.flatnonzero(roles == SPLITS.index("val"))
        self.n_folds = int(job.run.job["n_folds"])
        self.folds = multilabel_folds(self.labels[self.train], self.n_folds, self.recipe.split_seed)
        n_labels = len(self.dataset.classes)
        alone = job.run.job["method"] == PER_LABEL
        groups = [[k] for k in range(n_labels)] if alone else [list(range(n_labels))]
        self.plan = [(fold, columns) for columns in groups for fold in range(self.n_folds)]
        self.pixels = run_pixels(job.workspace, self.dataset, self.recipe, stoppable(job))
        self._done = 0
        self._began = time.monotonic()

    def probabilities(self) -> Probs:
        """(n, K) of yes for ``train``: of a known label by the model that did not see its image, of unknown
        ones the mean of all models.
        """
        known = ~np.isnan(self.labels[self.train])
        total = np.zeros(known.shape, np.float64)
        own = np.zeros(known.shape, np.float32)
        for fold, columns in self.plan:
            found = self._judged(fold, columns)
            held = self.folds == fold
            total[:, columns] += found / self.n_folds
            own[np.ix_(held, columns)] = found[held]
        return np.where(known, own, total).astype(np.float32)

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

    def _judged(self, fold: int, columns: list[int]) -> Probs:
        """(n, len(columns)) by the model trained without ``fold``: from the cache, or now. Raises Stopped."""
        if self.job.should_stop():
            raise Stopped
        key = {
            "fingerprint": self.dataset.fingerprint,
            "labels": digest(self.labels[np.r_[self.train, self.val]][:, columns]),
            "columns": columns,
            "recipe": self.recipe.deciding_values(),
            "fold": fold,
            "n_folds": self.n_folds,
        }
        arrays = cached_arrays(self.job.workspace, CACHE, key, lambda: {"probs": self._train(fold, columns)})
        self._done += 1
        return np.asarray(arrays["probs"], np.float32)

    def _train(self, fold: int, columns: list[int]) -> Probs:
        labels = np.ascontiguousarray(self.labels[:, columns])
        usable = is_labelled(labels)
        learnt = self.train[(self.folds != fold) & usable[self.train]]
        if not ((labels[learnt] == 1).any(axis=0) & (labels[learnt] == 0).any(axis=0)).any():
            return np.full((len(self.train), len(columns)), 0.5, np.float32)  # one answer teaches nothing
        held_out = self.val[usable[self.val]]
        maps_of = partial(backbone_maps, self.job.workspace, self.dataset.fingerprint, self.pixels)
        result = fit(
            self.pixels,
            labels,
            Parts(learnt, held_out, held_out[:0]),
            [self.dataset.classes[k] for k in columns],
            self.recipe,
            self._progress,
            should_stop=now_and_then(self.job.should_stop),
            captions=self.dataset.captions,
            maps_of=partial(maps_of, on_event=stoppable(self.job)),
        )
        if result.stopped:
            raise Stopped
        known: dict[str, Any] = {"maps": result.maps, "words": result.words}
        outputs = predict(result.model, result.card, self.pixels, self.train, result.machine, **known)
        return outputs.pred_probs

    def _progress(self, type_: str, **fields: Any) -> None:
        if type_ not in ("progress", "epoch"):
            return
        share = (self._done + float(fields.get("share", 0))) / len(self.plan)
        spent = time.monotonic() - self._began
        left = round(spent * (1 - share) / share, 1) if share > 0 else None
        text = f"Training {self._done + 1} of {len(self.plan)}"
        self.job.on_event("progress", share=round(share, 4), seconds_left=left, text=text)
