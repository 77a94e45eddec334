"""The job of a run of kind "issues": k-fold training, so that every image is judged by a model that never
trained on it.

Each fold is kept in the cache by what went in: a stopped search goes on with the folds that are missing, and
the same labels are never searched twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from core.cache import Arrays, cached_arrays
from core.data.dataset import SPLITS
from core.data.splits import stratified_folds
from core.evaluation.predictions import Predictions, save_predictions
from core.files import digest
from core.labels.versions import labels_at
from core.quality.evidence import N_NEIGHBOURS, Evidence, save_evidence
from core.quality.label_issues import label_issues, save_issues
from core.training.dynamics import Margins
from core.training.inference import predict
from core.training.loop import fit
from core.training.neighbours import nearest
from core.training.parts import Parts
from core.training.pixels import pixel_array
from core.worker import Job, Outcome, Stopped
from core.worker.training import now_and_then, open_run_dataset, stoppable

CACHE = "issue-fold-1"


def find(job: Job) -> Outcome:
    """Train the folds, put their judgements together, and score every label.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    search = _Search(job)
    n_folds = int(job.run.job["n_folds"])
    job.on_event("started", n_trainings=n_folds)
    folds = [search.fold(number, n_folds) for number in range(n_folds)]
    evidence = search.evidence(folds)
    save_evidence(job.run, evidence)
    save_predictions(job.run.predictions_file, search.predictions(evidence))
    found = label_issues(evidence)
    save_issues(job.run, found)
    return Outcome(
        "finished",
        {
            "n_labels": len(found),
            "n_flagged": int(found.flagged.sum()),
            "seconds": round(time.monotonic() - began, 2),
        },
    )


class _Search:
    """The images of one search, and its progress."""

    def __init__(self, job: Job) -> None:
        self.job, self.recipe = job, job.run.recipe
        self.dataset = open_run_dataset(job)
        state = labels_at(job.workspace, self.dataset, job.run.label_version)
        excluded = np.asarray(state.excluded, bool)
        self.labels = np.where(excluded, -1, np.asarray(state.labels, np.int64))
        in_test = np.asarray(self.dataset.split) == SPLITS.index("test")
        self.pool = np.flatnonzero(~in_test & (self.labels >= 0))
        # Test and unlabelled images are judged by all folds together: none of them trained on one.
        self.rest = np.flatnonzero((in_test | (self.labels < 0)) & ~excluded)
        self.folds = stratified_folds(
            self.labels[self.pool], int(job.run.job["n_folds"]), self.recipe.split_seed
        )
        self.pixels = pixel_array(job.workspace, self.dataset, self.recipe.image_size, stoppable(job))
        self._spent, self._n_trained = 0.0, 0

    def fold(self, number: int, n_folds: int) -> Arrays:
        """Train without one fold and judge it: from the cache, or now. Raises Stopped."""
        if self.job.should_stop():
            raise Stopped
        key = {
            "fingerprint": self.dataset.fingerprint,
            "labels": digest(self.labels),
            "rest": digest(self.rest),  # the labels do not tell what is unlabelled from what is left out
            "recipe": self.recipe.model_dump(exclude={"threads", "device", "precision"}),
            "fold": number,
            "n_folds": n_folds,
        }
        began = time.monotonic()

        def compute() -> Arrays:
            found = self._train(number, self._progress(number, n_folds, began))
            self._spent += time.monotonic() - began
            self._n_trained += 1
            return found

        return cached_arrays(self.job.workspace, CACHE, key, compute)

    def _train(self, number: int, on_event: Callable[..., None]) -> Arrays:
        held, train = self.pool[self.folds == number], self.pool[self.folds != number]
        margins = Margins(len(self.dataset))
        # No validation part: choosing an epoch by the fold's own labels would let them speak for themselves.
        nothing = np.empty(0, np.int64)
        result = fit(
            self.pixels,
            self.labels,
            Parts(train, nothing, nothing),
            self.dataset.classes,
            self.recipe.with_changes({"keep": "last"}),
            on_event,
            should_stop=now_and_then(self.job.should_stop),
            on_scores=margins,
        )
        if result.stopped:
            raise Stopped
        judged = np.concatenate([held, self.rest, train])
        outputs = predict(result.model, result.card, self.pixels, judged, result.machine, with_features=True)
        assert outputs.features is not None
        n_asked = len(held) + len(self.rest)
        asked = outputs.features[:n_asked] if number == 0 else outputs.features[: len(held)]
        near = nearest(asked, outputs.features[n_asked:], N_NEIGHBOURS, result.machine)
        return {
            "held_probs": outputs.pred_probs[: len(held)],
            "rest_probs": outputs.pred_probs[len(held) : n_asked],
            "neighbours": np.where(near >= 0, train[near], -1).astype(np.int32),
            "total": margins.total,
            "count": margins.count,
        }

    def _progress(self, number: int, n_folds: int, began: float) -> Callable[..., None]:
        def on_event(type_: str, **fields: Any) -> None:
            if type_ not in ("progress", "epoch"):
                return
            share = float(fields.get("share", 0.0))
            spent = self._spent + time.monotonic() - began
            trained = self._n_trained + share
            self.job.on_event(
                "progress",
                share=(number + share) / n_folds,
                seconds_left=(n_folds - number - share) * spent / trained if trained else None,
                text=f"fold {number + 1} of {n_folds}",
            )

        return on_event

    def evidence(self, folds: list[Arrays]) -> Evidence:
        """The judgements of all folds, put together."""
        n, n_classes = len(self.dataset), len(self.dataset.classes)
        pred_probs = np.full((n, n_classes), np.nan, np.float32)
        neighbours = np.full((n, N_NEIGHBOURS), -1, np.int32)
        for number, fold in enumerate(folds):
            held = self.pool[self.folds == number]
            pred_probs[held] = fold["held_probs"]
            neighbours[held] = fold["neighbours"][: len(held)]
        pred_probs[self.rest] = np.mean([fold["rest_probs"] for fold in folds], axis=0)
        n_held = int((self.folds == 0).sum())
        neighbours[self.rest] = folds[0]["neighbours"][n_held:]
        with np.errstate(invalid="ignore"):
            area = sum(fold["total"] for fold in folds) / sum(fold["count"] for fold in folds)
        return Evidence(
            labels=self.labels,
            pred_probs=pred_probs,
            neighbours=neighbours,
            area=np.asarray(area, np.float32),
            run=self.job.run.id,
            label_version=self.job.run.label_version,
        )

    def predictions(self, evidence: Evidence) -> Predictions:
        """The same probabilities as a run's predictions, for the pages that show those."""
        rows = np.flatnonzero(~np.isnan(evidence.pred_probs[:, 0]))
        return Predictions(
            item_ids=np.asarray(self.dataset.item_ids[rows]),
            split=np.array(SPLITS)[self.dataset.split[rows]],
            labels=self.labels[rows],
            pred_probs=evidence.pred_probs[rows],
            classes=self.dataset.classes,
            run=self.job.run.id,
            label_version=self.job.run.label_version,
            fingerprint=self.dataset.fingerprint,
        )
