"""The job of a run of kind "embed": features, principal components at once, then the map and its quality."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from core.cache import Arrays, cached_arrays
from core.data.catalog import open_dataset
from core.data.dataset import Dataset, Task
from core.embeddings import maps
from core.embeddings.features import Features, Floats, features_of
from core.embeddings.layout import fuzzy_graph, lay_out, place
from core.embeddings.maps import MapRequest, in_unit_square, request_of
from core.embeddings.neighbours import nearest, neighbour_graph
from core.embeddings.projection import principal_components, umap_reference
from core.embeddings.quality import map_quality
from core.embeddings.shards import are_computed, maker_of
from core.errors import BadInput
from core.files import write_array, write_json
from core.labels.versions import labels_at
from core.worker import Job, Outcome, Stopped
from core.worker.sharing import compute_shard, spread_shards

REPORT_SECONDS = 0.5
FEATURES, NEIGHBOURS, LAYOUT = 0.3, 0.5, 0.9
"""Shares of the whole after which the features, the neighbours and the layout are done."""
FEWEST = 5
"""Fewer images need no layout: they are shown at their principal components."""


class _Stage:
    """Reports one part of the job as a stretch of the whole, now and then, and ends the job when asked to."""

    def __init__(self, job: Job, low: float, high: float) -> None:
        self._job, self._low, self._high = job, low, high
        self._began = self._told = time.monotonic()

    def __call__(self, share: float, text: str) -> None:
        now = time.monotonic()
        if now - self._told < REPORT_SECONDS and share < 1:
            return
        self._told = now
        if self._job.should_stop():
            raise Stopped
        left = (now - self._began) * (1 - share) / share if share > 0 else None
        whole = self._low + (self._high - self._low) * share
        self._job.on_event("progress", share=whole, seconds_left=left, text=text)


def embed(job: Job) -> Outcome:
    """Make the map that the run asks for; ``finished`` has how many points it has and its quality.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    run, request = job.run, request_of(job.run)
    job.on_event("started")
    dataset = _dataset(job)
    _spread_features(job, dataset, request)
    features = features_of(job.workspace, dataset, request.source, on_progress=_Stage(job, 0, FEATURES))
    _check(job, features)
    write_array(run.folder / maps.POSITIONS, features.positions)
    components = principal_components(features.values)
    write_array(run.folder / maps.PCA, in_unit_square(components))
    job.on_event("progress", share=FEATURES, seconds_left=None, text="principal components are there")
    neighbours = _neighbours(job, request, features)
    write_array(run.folder / maps.NEIGHBOURS, neighbours["rows"])
    xy = _coordinates(job, request, features, components, neighbours)
    if not request.onto:
        xy = in_unit_square(xy)
    write_array(run.folder / maps.XY, xy)
    job.on_event("progress", share=LAYOUT, seconds_left=None, text="how far the map can be trusted")
    quality = _quality(job, dataset, request, features, xy)
    facts: dict[str, Any] = {"n_items": len(features), "method": request.method, **quality}
    return Outcome("finished", {**facts, "seconds": round(time.monotonic() - began, 2)})


def do_shard(job: Job, part: str) -> None:
    """Do the part "blocks-8-12" of a map: put those features into the cache. Raises Stopped."""
    maker = maker_of(job.workspace, request_of(job.run).source)
    compute_shard(job, _dataset(job), maker, part, _Stage(job, 0, 1))


def _spread_features(job: Job, dataset: Dataset, request: MapRequest) -> None:
    """Have the job's engine compute the features that are missing. Raises Stopped, TidysetError."""
    if not are_computed(job.workspace, dataset, request.source):
        return

    def on_event(type_: str, **fields: Any) -> None:
        if type_ == "progress":
            fields["share"] *= FEATURES
        job.on_event(type_, **fields)

    make = partial(maker_of, job.workspace, request.source)
    spread_shards(replace(job, on_event=on_event), dataset, make)


def _dataset(job: Job) -> Dataset:
    dataset = open_dataset(job.workspace, job.run.dataset)
    if dataset.fingerprint != job.run.fingerprint:
        raise BadInput(
            f"Data set {job.run.dataset!r} was replaced after this map was asked for.",
            "Make a new map of the data as it is now.",
        )
    return dataset


def _check(job: Job, features: Features) -> None:
    """A note on what was left out. Raises BadInput where no map can be made."""
    if features.n_left_out:
        job.on_event(
            "note", text=f"{features.n_left_out:,} images are left out: their features are not finite."
        )
    if len(features) < 2 or not (features.values != features.values[0]).any():
        raise BadInput(
            f"All {len(features):,} images have the same features ({features.source.title}): "
            "there is nothing to tell them apart by.",
            "Choose other features.",
        )


def _neighbours(job: Job, request: MapRequest, features: Features) -> Arrays:
    """``rows`` and ``distances`` (n, k) of each image's nearest others, from the cache or kept there."""
    k = min(request.n_neighbors, len(features)) - 1
    if request.n_neighbors > len(features):
        job.on_event(
            "note",
            text=f"{request.n_neighbors} neighbours were asked for, but there are only {len(features):,} "
            "images.",
        )
    key = {"features": features.digest, "k": k, "metric": request.metric, "seed": request.seed}
    stage = _Stage(job, FEATURES, NEIGHBOURS)

    def compute() -> Arrays:
        rows, distances = neighbour_graph(
            features.values, k, metric=request.metric, seed=request.seed, report=stage
        )
        return {"rows": rows, "distances": distances}

    return cached_arrays(job.workspace, "neighbours-1", key, compute)


def _coordinates(
    job: Job, request: MapRequest, features: Features, components: Floats, neighbours: Arrays
) -> Floats:
    """(n, 2) by the method asked for, from the cache where it was made before."""
    if request.onto:
        return _placed(job, request, features)
    if request.method == "pca" or len(features) < FEWEST:
        return components
    key = {**request.to_json(), "source": features.digest}
    stage = _Stage(job, NEIGHBOURS, LAYOUT)

    def compute() -> Arrays:
        if request.method == "fast-umap":
            graph = fuzzy_graph(neighbours["rows"], neighbours["distances"])
            layout = lay_out(graph, components, min_dist=request.min_dist, seed=request.seed, report=stage)
            return {"xy": layout}
        return {"xy": umap_reference(features.values, request, report=stage)}

    return cached_arrays(job.workspace, "map-1", key, compute)["xy"]


def _placed(job: Job, request: MapRequest, features: Features) -> Floats:
    """(n, 2) among the images of another map that are like these, in its coordinates; it stays as it is.

    Raises:
        BadInput: The features cannot be compared, such as pixels of another number.
    """
    base = maps.find_map(job.workspace, request.onto)
    known = maps.load_map(base)
    origin = open_dataset(job.workspace, base.dataset)
    if origin.fingerprint != base.fingerprint:
        raise BadInput(
            f"Data set {base.dataset!r} was replaced after map {base.name!r} was made.", "Make that map anew."
        )
    theirs = features_of(job.workspace, origin, request.source, on_progress=_Stage(job, NEIGHBOURS, LAYOUT))
    if theirs.values.shape[1] != features.values.shape[1] or len(theirs) != len(known):
        raise BadInput(
            f"The images cannot be placed on {base.name!r}: its features are {theirs.values.shape[1]:,} "
            f"numbers for each of {len(known):,} images, these {features.values.shape[1]:,}.",
            "Choose a map of a run's, CLIP's or a network's features.",
        )
    k = min(request.n_neighbors, len(theirs))
    rows, distances = nearest(theirs.values, features.values, k, metric=request.metric)
    return place(rows, distances, known.xy)


def _quality(
    job: Job, dataset: Dataset, request: MapRequest, features: Features, xy: Floats
) -> dict[str, Any]:
    """Its figures, kept in the run's folder; empty where there are too few points."""
    labels = None
    if dataset.task is Task.SINGLE_LABEL:
        state = labels_at(job.workspace, dataset, job.run.label_version)
        labels = np.asarray(state.labels, np.int64)[features.positions]
    found = map_quality(features.values, xy, labels, len(dataset.classes), metric=request.metric)
    if found is None:
        return {}
    write_json(job.run.folder / maps.QUALITY, asdict(found))
    return asdict(found)
