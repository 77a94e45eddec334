"""The job of runs of kind "few-shot": how far a few labels a class bring CLIP."""

from __future__ import annotations

import time

import numpy as np

from core.embeddings import few_shot as fs
from core.embeddings import zero_shot as zs
from core.embeddings.clip import Encoder
from core.embeddings.few_shot import Labelled
from core.embeddings.prompts import class_vectors
from core.errors import BadInput
from core.files import write_json
from core.labels.versions import labels_at
from core.worker import Job, Outcome
from core.worker.zero_shot import Reporter, open_as_asked


def few_shot(job: Job) -> Outcome:
    """Draw the images of every seed, encode only those, and measure on test.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    job.on_event("started")
    request, dataset = zs.request_of(job.run), open_as_asked(job)
    shots, n_seeds = list(job.run.job["shots"]), int(job.run.job["n_seeds"])
    labels = zs.single_labels(dataset, labels_at(job.workspace, dataset, job.run.label_version).labels)
    reporter = Reporter(job)
    encoder = Encoder(job.workspace, request.model, reporter)
    candidates, held = fs.pools(dataset)
    test = dataset.in_split("test")
    if not all((labels[positions] >= 0).any() for positions in (candidates, held, test)):
        raise BadInput(
            f"{dataset.name!r} has too few labelled images to draw some, to choose on others and to measure.",
            "It takes two labelled training images of a class and a labelled test image, or more.",
        )
    drawn = {seed: fs.draw(labels, candidates, max(shots), seed) for seed in range(n_seeds)}
    wanted = np.unique(np.concatenate([*drawn.values()]))
    features = encoder.images(dataset, wanted)

    def pool(n_shots: int, seed: int) -> Labelled:
        positions = fs.draw(labels, candidates, n_shots, seed)
        return Labelled(features[np.searchsorted(wanted, positions)], labels[positions])

    parts = []
    for positions in (held, test):
        images = encoder.images(dataset, positions)
        known = labels[positions] >= 0
        parts.append(Labelled(images[known], labels[positions][known]))
    vectors = class_vectors(request.prompts, encoder.texts)
    found = fs.curve(
        pool,
        parts[0],
        parts[1],
        vectors,
        encoder.facts().logit_scale,
        shots=shots,
        n_seeds=n_seeds,
        report=reporter,
    )
    write_json(
        job.run.folder / fs.RESULT, {"model": request.model.key, "n_test": len(parts[1].labels), **found}
    )
    last = {row["method"]: round(row["mean"], 4) for row in found["rows"]}
    return Outcome(
        "finished",
        {"zero_shot": found["zero_shot"], **last, "seconds": round(time.monotonic() - began, 2)},
    )
