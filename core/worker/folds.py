"""k-fold training: every image judged by a model that never trained on it.

Each fold is kept in the cache by what went in: a job that was stopped goes on with the folds that are
missing, and within one from its checkpoint; a cross-validation and a search for label errors with one recipe
train their folds only once. Folds may be done side by side (core.worker.parts).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import Arrays, cached_arrays
from core.data.dataset import SPLITS, is_labelled
from core.data.splits import multilabel_folds, stratified_folds
from core.evaluation.predictions import Predictions
from core.files import digest
from core.quality.evidence import N_NEIGHBOURS
from core.training.dynamics import no_margins
from core.training.neighbours import nearest
from core.training.parts import Parts, check_can_learn
from core.worker import Job, Stopped
from core.worker.material import Training, gather_material, treated
from core.worker.parts import spread

CACHE = "issue-fold-3"
CURVES = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "valid_macro_f1")
"""Of every epoch; "valid" is the fold that was held out, which decides nothing."""


def do_fold(job: Job, part: str) -> None:
    """Do the part "fold-3" of a run: put that fold into the cache. Raises Stopped."""
    FoldTrainer(job).fold(int(part.removeprefix("fold-")), alone=True)


class FoldTrainer:
    """The images of one run in k folds, and its progress.

    Attributes:
        dataset: The run's.
        labels: (N,) int64, of the run's label version; -1 where unlabelled or left out. Where images have
            several: (N, K) float32 with 1, 0 and NaN.
        pool: (n,) positions that are dealt into folds: labelled, and not of the test split.
        rest: (m,) positions that all folds judge together: none of them trained on the label of one.
        folds: (n,) the fold of each position of the pool.
        n_folds: k.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.material = gather_material(job)
        self.dataset, self.labels = self.material.dataset, self.material.labels
        self.n_folds = int(job.run.job["n_folds"])
        in_test = np.asarray(self.dataset.split) == SPLITS.index("test")
        self.pool = np.flatnonzero(~in_test & is_labelled(self.labels))
        self.rest = np.flatnonzero((in_test | ~is_labelled(self.labels)) & ~self.material.excluded)
        deal = multilabel_folds if self.labels.ndim == 2 else stratified_folds
        self.folds = deal(self.labels[self.pool], self.n_folds, job.run.recipe.split_seed)
        for number in range(self.n_folds):
            self.check_fold(number)
        self._spent, self._n_trained = 0.0, 0

    def all(self) -> list[Arrays]:
        """Every fold in turn. Raises Stopped."""
        self.job.on_event("started", n_trainings=self.n_folds)
        spread(self.job, [f"fold-{number}" for number in range(self.n_folds)], self.n_folds)
        return [self.fold(number) for number in range(self.n_folds)]

    def check_fold(self, number: int) -> None:
        """Check that a fold's judge has something to tell apart. Raises BadInput."""
        labels = self.labels[self.pool[self.folds != number]]
        labels = treated(labels, np.ones(len(labels), bool), self.material.recipe)
        labels = labels[is_labelled(labels)]
        check_can_learn(labels, f"outside fold {number + 1} of {self.n_folds}, the test split left out")

    def held(self, number: int) -> NDArray[np.int64]:
        """Positions of one fold."""
        return np.asarray(self.pool[self.folds == number])

    def fold(self, number: int, *, alone: bool = False) -> Arrays:
        """Train without one fold and judge it: from the cache, or now. Raises Stopped.

        Args:
            alone: Whether progress is that of this fold, not of all.
        """
        if self.job.should_stop():
            raise Stopped
        training = self.training(number)
        key = self.material.key(training, asked=digest(self.rest), fold=number)
        began = time.monotonic()

        def compute() -> Arrays:
            on_event = self._progress(*((0, 1) if alone else (number, self.n_folds)), began)
            found = self._train(number, training, on_event)
            self._spent += time.monotonic() - began
            self._n_trained += 1
            return found

        return cached_arrays(self.job.workspace, CACHE, key, compute)

    def training(self, number: int) -> Training:
        """That of one fold's judge. The fold decides nothing in it: its labels must have no say in who judges
        them.
        """
        held, train = self.held(number), self.pool[self.folds != number]
        return self.material.training(parts=Parts(train, held, held[:0]), val_decides=False)

    def _train(self, number: int, training: Training, on_event: Callable[..., None]) -> Arrays:
        held, train = training.parts.val, training.parts.train
        margins = no_margins(training.labels.shape)
        judged = np.concatenate([held, self.rest, train])
        result, outputs = self.material.answers(
            training, f"fold-{number}", judged, on_event, margins=margins, with_features=True
        )
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
            "curves": np.array([[epoch[name] for name in CURVES] for epoch in result.history], np.float32),
        }

    def _progress(self, number: int, n: int, began: float) -> Callable[..., None]:
        def on_event(type_: str, **fields: Any) -> None:
            if type_ not in ("progress", "epoch"):
                return
            share = float(fields.get("share", 0.0))
            spent = self._spent + time.monotonic() - began
            trained = self._n_trained + share
            self.job.on_event(
                "progress",
                share=(number + share) / n,
                seconds_left=(n - number - share) * spent / trained if trained else None,
                text=f"fold {number + 1} of {n}",
            )

        return on_event

    def pred_probs(self, folds: list[Arrays]) -> NDArray[np.float32]:
        """(N, K) of models that did not train on the image; NaN where nothing was asked."""
        n_classes = len(self.dataset.classes)
        found = np.full((len(self.dataset), n_classes), np.nan, np.float32)
        for number, fold in enumerate(folds):
            found[self.held(number)] = fold["held_probs"]
        found[self.rest] = np.mean([fold["rest_probs"] for fold in folds], axis=0)
        return found

    def predictions(self, pred_probs: NDArray[np.float32]) -> Predictions:
        """The same as a run's predictions, for what shows and compares those."""
        rows = np.flatnonzero(~np.isnan(pred_probs[:, 0]))
        return Predictions(
            item_ids=np.asarray(self.dataset.item_ids[rows]),
            split=np.array(SPLITS)[self.dataset.split[rows]],
            labels=self.labels[rows],
            pred_probs=pred_probs[rows],
            classes=self.dataset.classes,
            run=self.job.run.id,
            label_version=self.job.run.label_version,
            fingerprint=self.dataset.fingerprint,
        )
