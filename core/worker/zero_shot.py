"""The job of a run of kind "zero-shot": answers from words."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import open_dataset
from core.data.dataset import SPLITS, Dataset, Task
from core.embeddings import zero_shot as zs
from core.embeddings.clip import Encoder, model_facts
from core.embeddings.clip_models import ClipModel
from core.embeddings.makers import ClipMaker
from core.embeddings.prompts import class_vectors
from core.errors import BadInput
from core.evaluation.predictions import Predictions, save_predictions
from core.evaluation.report import metrics_of, text_report
from core.files import Json, write_array, write_bytes, write_json
from core.labels.versions import labels_at
from core.worker import Job, Outcome, Stopped
from core.worker.sharing import compute_shard, spread_shards

REPORT_SECONDS = 0.5


def zero_shot(job: Job) -> Outcome:
    """Answer for every image from the prompts, tune thresholds on validation, and keep predictions.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    job.on_event("started")
    request = zs.request_of(job.run)
    dataset = open_as_asked(job)
    encoder = Encoder(job.workspace, request.model, Reporter(job))
    vectors = class_vectors(request.prompts, encoder.texts)  # before the images: a bad prompt fails now
    spread_shards(job, dataset, partial(_maker, job, dataset))
    answers = _answers(job, dataset, request, encoder, vectors)
    save_predictions(job.run.predictions_file, answers.predictions)
    write_array(job.run.folder / zs.SCORES, answers.similarity)
    value = _figures(dataset, answers)
    metrics = [metrics_of(answers.predictions, split) for split in answers.splits]
    write_json(job.run.metrics_file, {"run": job.run.name, **_as_a_run(value), "splits": metrics})
    facts = {"model": request.model.key, "label version": job.run.label_version}
    heading = f"Run {job.run.name} on {dataset.name}"
    write_bytes(job.run.report_file, text_report(metrics, heading=heading, facts=facts).encode())
    write_json(job.run.folder / zs.THRESHOLDS, {"figures": value})
    shown = "test" if "test" in value else next(iter(value))
    summary: Json = {
        name: value[shown][name]
        for name in ("n", "n_single", "accuracy", "balanced_accuracy", "macro_f1", "map", "macro_f1_marks")
        if name in value[shown]
    }
    return Outcome(
        "finished",
        {
            "split": shown,
            **summary,
            **_as_a_run(value),
            **_rate(job, request.model),
            "seconds": round(time.monotonic() - began, 2),
        },
    )


def do_shard(job: Job, part: str) -> None:
    """Do the part "blocks-8-12": put those images' features into the cache. Raises Stopped, TidysetError."""
    dataset = open_as_asked(job)
    compute_shard(job, dataset, _maker(job, dataset), part, Reporter(job))


def _maker(job: Job, dataset: Dataset) -> ClipMaker:
    request = zs.request_of(job.run)
    return ClipMaker(job.workspace, request.model, _parts(dataset, request.splits))


@dataclass(frozen=True, eq=False)
class _Answers:
    positions: NDArray[np.int64]
    similarity: NDArray[np.float32]
    marks: NDArray[np.float32]
    thresholds: NDArray[np.float32] | None
    predictions: Predictions

    @property
    def splits(self) -> list[str]:
        present = set(self.predictions.split.tolist())
        return [split for split in SPLITS if split in present]


def _answers(
    job: Job,
    dataset: Dataset,
    request: zs.ZeroShotRequest,
    encoder: Encoder,
    vectors: NDArray[np.float32],
) -> _Answers:
    multi = dataset.task is Task.MULTI_LABEL
    parts = _parts(dataset, request.splits)
    positions = np.concatenate(parts)
    images = np.concatenate([encoder.images(dataset, part) for part in parts])
    state = labels_at(job.workspace, dataset, job.run.label_version)
    similarity = zs.cosines(images, vectors)
    all_marks = zs.marks(dataset, state.labels)
    split = zs.split_names(dataset, positions, zs.validation_positions(dataset))
    thresholds = None
    if multi:
        rows = split == "val"
        thresholds = zs.best_thresholds(all_marks[positions[rows]], similarity[rows])
    predictions = Predictions(
        dataset.item_ids[positions],
        split,
        zs.single_labels(dataset, state.labels)[positions],
        zs.softmax(similarity, encoder.facts().logit_scale),
        dataset.classes,
        job.run.id,
        job.run.label_version,
        dataset.fingerprint,
    )
    return _Answers(positions, similarity, all_marks[positions], thresholds, predictions)


def _parts(dataset: Dataset, splits: tuple[str, ...]) -> list[NDArray[np.int64]]:
    """Positions of the splits, then of what is tuned on and not among them."""
    parts = [dataset.in_split(split) for split in splits]
    known = np.concatenate(parts) if parts else np.empty(0, np.int64)
    rest = np.setdiff1d(zs.validation_positions(dataset), known)
    return [*parts, rest] if len(rest) else parts


def _figures(dataset: Dataset, answers: _Answers) -> dict[str, Json]:
    found = {}
    for split in answers.splits:
        rows = np.flatnonzero(answers.predictions.split == split)
        found[split] = zs.figures(
            answers.predictions.labels[rows],
            answers.marks[rows],
            answers.similarity[rows],
            answers.thresholds,
            dataset.classes,
        )
    return found


def _as_a_run(value: dict[str, Json]) -> dict[str, Any]:
    """The fields that lists of runs show of any model."""
    names = (("test", "test"), ("val", "valid"))
    return {
        f"{prefix}_{name}": value[split][name]
        for split, prefix in names
        if split in value
        for name in ("accuracy", "macro_f1")
    }


def _rate(job: Job, model: ClipModel) -> dict[str, Any]:
    facts = model_facts(job.workspace, model)
    return {"images_per_second": facts.images_per_second if facts else None}


def open_as_asked(job: Job) -> Dataset:
    """The run's data set. Raises BadInput when it was replaced since."""
    dataset = open_dataset(job.workspace, job.run.dataset)
    if dataset.fingerprint != job.run.fingerprint:
        raise BadInput(f"Data set {job.run.dataset!r} was replaced after this was asked for.", "Ask again.")
    return dataset


class Reporter:
    """Reports how far the job is, with the time left, now and then; ends it when asked to."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._began = self._told = time.monotonic()

    def __call__(self, share: float, text: str) -> None:
        """Tell it, or keep quiet. Raises Stopped."""
        if self._job.should_stop():
            raise Stopped
        now = time.monotonic()
        if share == 0:
            self._began = now
        elif now - self._told < REPORT_SECONDS:
            return
        self._told = now
        left = (now - self._began) * (1 - share) / share if share > 0 else None
        self._job.on_event("progress", share=share, seconds_left=left, text=text)
