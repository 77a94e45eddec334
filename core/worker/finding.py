"""The job of a run of kind "issues": every label scored by what k folds say of it."""

from __future__ import annotations

import time

import numpy as np

from core.cache import Arrays
from core.evaluation.predictions import save_predictions
from core.quality.evidence import N_NEIGHBOURS, Evidence, save_evidence
from core.quality.label_issues import label_issues, save_issues
from core.worker import Job, Outcome
from core.worker.folds import FoldTrainer


def find(job: Job) -> Outcome:
    """Train the folds, put their judgements together, and score every label.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    trainer = FoldTrainer(job)
    evidence = evidence_of(trainer, trainer.all())
    save_evidence(job.run, evidence)
    save_predictions(job.run.predictions_file, trainer.predictions(evidence.pred_probs))
    found = label_issues(evidence, n_folds=trainer.n_folds)
    save_issues(job.run, found)
    return Outcome(
        "finished",
        {
            "n_labels": len(found),
            "n_flagged": int(found.flagged.sum()),
            "seconds": round(time.monotonic() - began, 2),
        },
    )


def evidence_of(trainer: FoldTrainer, folds: list[Arrays]) -> Evidence:
    """The judgements of all folds, put together."""
    neighbours = np.full((len(trainer.dataset), N_NEIGHBOURS), -1, np.int32)
    for number, fold in enumerate(folds):
        held = trainer.held(number)
        neighbours[held] = fold["neighbours"][: len(held)]
    neighbours[trainer.rest] = folds[0]["neighbours"][len(trainer.held(0)) :]
    with np.errstate(invalid="ignore"):
        area = sum(fold["total"] for fold in folds) / sum(fold["count"] for fold in folds)
    return Evidence(
        labels=trainer.labels,
        pred_probs=trainer.pred_probs(folds),
        neighbours=neighbours,
        area=np.asarray(area, np.float32),
        run=trainer.job.run.id,
        label_version=trainer.job.run.label_version,
    )
