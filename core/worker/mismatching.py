"""The job of a run of kind "mismatch": set the captions against the labels, or against the pictures."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from core.data.captions import words_of
from core.embeddings.clip import Encoder
from core.embeddings.clip_models import model_of
from core.labels.versions import labels_at
from core.quality.mismatch import (
    BY_LABELS,
    Mismatches,
    against_labels,
    against_pictures,
    save_mismatches,
    shortened,
)
from core.worker import Job, Outcome, Stopped
from core.worker.training import open_run_dataset

REPORT_SECONDS = 0.5


def mismatch(job: Job) -> Outcome:
    """Look, and keep the list with the run.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    job.on_event("started")
    found = _by_labels(job) if job.run.job["by"] == BY_LABELS else _by_picture(job)
    save_mismatches(job.run, found)
    return Outcome(
        "finished", {"by": found.by, "n": len(found), "seconds": round(time.monotonic() - began, 2)}
    )


def _by_labels(job: Job) -> Mismatches:
    dataset = open_run_dataset(job, any_task=True)
    labels = labels_at(job.workspace, dataset, job.run.label_version).in_use
    tell = _reporter(job)
    return against_labels(dataset.captions or (), labels, lambda share: tell(share, "reading captions"))


def _by_picture(job: Job) -> Mismatches:
    dataset = open_run_dataset(job, any_task=True)
    captions = dataset.captions or ()
    positions = np.flatnonzero([bool(words_of(one)) for one in captions])
    encoder = Encoder(job.workspace, model_of(job.run.job["model"]), _reporter(job))
    pictures = encoder.images(dataset, positions)
    texts = encoder.texts([shortened(captions[at]) for at in positions])
    return against_pictures(positions, pictures, texts)


def _reporter(job: Job) -> Callable[[float, str], None]:
    """Progress about twice a second, with the time left; ends the job when it is asked to stop."""
    began = last = time.monotonic()

    def tell(share: float, text: str) -> None:
        nonlocal last
        if job.should_stop():
            raise Stopped
        now = time.monotonic()
        if now - last >= REPORT_SECONDS:
            last = now
            left = (now - began) * (1 - share) / share if share > 0 else None
            job.on_event("progress", share=share, seconds_left=left, text=text)

    return tell
