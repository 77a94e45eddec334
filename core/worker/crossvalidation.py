"""The job of a run of kind "crossval": the recipe trained without each fold, and judged on it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.evaluation.crossval import TITLES, crossval_file, fold_figures, summarise, text_crossval
from core.evaluation.metrics import Ints
from core.evaluation.predictions import save_predictions
from core.files import write_bytes, write_json
from core.worker import Job, Outcome
from core.worker.folds import CURVES, FoldTrainer


def crossvalidate(job: Job) -> Outcome:
    """Train the folds and put their figures together; ``finished`` has the means.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    trainer = FoldTrainer(job)
    notes = missing_classes(trainer.dataset, trainer.labels[trainer.pool], trainer.folds, trainer.n_folds)
    for text in notes:
        job.on_event("note", text=text)
    folds = trainer.all()
    pred_probs = trainer.pred_probs(folds)
    predictions = trainer.predictions(pred_probs)
    save_predictions(job.run.predictions_file, predictions)
    figures = [
        {"n": len(held), **fold_figures(trainer.labels[held], pred_probs[held])}
        for held in map(trainer.held, range(trainer.n_folds))
    ]
    value = {
        "run": job.run.name,
        "data": job.run.dataset,
        "label_version": job.run.label_version,
        "n_folds": trainer.n_folds,
        **summarise(figures, [fold["curves"] for fold in folds], CURVES),
        "notes": notes,
        "seconds": round(time.monotonic() - began, 2),
    }
    write_json(crossval_file(job.run), value)
    write_bytes(job.run.report_file, (text_crossval(value) + "\n").encode())
    headline = {name: value[name] for name in (*TITLES, "seconds") if name in value}
    return Outcome("finished", {"n_folds": trainer.n_folds, **headline})


def missing_classes(dataset: Dataset, labels: NDArray[Any], folds: Ints, n_folds: int) -> list[str]:
    """A sentence for each class that some fold lacks; where images have several labels, a yes or a no of it.

    Args:
        labels: (n,) or (n, K), of the images that are dealt into ``folds``.
    """
    notes = []
    for k, name in enumerate(dataset.classes):
        if labels.ndim == 2:
            notes += [
                f"Class {name!r} is {answer} for {n} image{'s' * (n != 1)}: {n_without} of {n_folds} folds "
                "have none of them, and their figures are over the other classes."
                for answer, value in (("yes", 1), ("no", 0))
                for n, n_without in [_lacking(labels[:, k] == value, folds, n_folds)]
                if n_without
            ]
            continue
        n, n_without = _lacking(labels == k, folds, n_folds)
        if n_without:
            notes.append(
                f"Class {name!r} has {n} labelled image{'s' * (n != 1)}: {n_without} of {n_folds} folds "
                "have none of it, and their macro F1 is over the other classes."
            )
    return notes


def _lacking(members: NDArray[np.bool_], folds: Ints, n_folds: int) -> tuple[int, int]:
    """How many there are, and how many folds have none of them."""
    return int(members.sum()), n_folds - len(np.unique(folds[members]))
