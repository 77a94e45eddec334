"""The images of a data set that are most like one of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.data.images import as_channels, resize
from core.embeddings.features import (
    Features,
    FeatureSource,
    Progress,
    features_of,
    mapped_features,
)
from core.embeddings.makers import pixel_shape
from core.embeddings.neighbours import comparable, index_of, most_similar, search
from core.errors import BadInput, NotFound
from core.runs.store import RunState, list_runs, status
from core.workspace import Workspace

EXACT_UP_TO = 200_000
"""So many vectors are compared in some tens of milliseconds; more are looked up in an index."""


@dataclass(frozen=True, eq=False)
class Similar:
    """The most similar images, best first, without the image itself.

    Attributes:
        positions: (k,) int64, items of the data set.
        similarity: (k,) float32 cosine, -1 to 1.
        is_exact: Whether all images were compared, or those of the nearest clusters only.
    """

    positions: NDArray[np.int64]
    similarity: NDArray[np.float32]
    is_exact: bool


def default_source(workspace: Workspace, dataset: Dataset) -> FeatureSource:
    """The features at hand: of the newest finished training on this data, else the pixels."""
    for run in list_runs(workspace, dataset=dataset.name):
        if run.fingerprint == dataset.fingerprint and status(run).state is RunState.FINISHED:
            return FeatureSource("run", run.id)
    return FeatureSource("pixels")


def similar_items(
    workspace: Workspace,
    dataset: Dataset,
    item_id: str,
    source: FeatureSource,
    k: int = 10,
    *,
    on_progress: Progress | None = None,
) -> Similar:
    """The ``k`` images most like one.

    Raises:
        NotFound: No such item, or the source has no features of it.
        BadInput: k is below 1.
        TidysetError: As features_of raises.
    """
    position = int(dataset.positions([item_id])[0])
    return similar_to(
        workspace, features_of(workspace, dataset, source, on_progress=on_progress), position, k
    )


def similar_to_these(features: Features, positions: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """The ``k`` images most like the mean of some, by cosine, nearest first; without those. Exact.

    Raises:
        NotFound: None of them has features.
    """
    chosen = np.isin(features.positions, positions)
    if not chosen.any():
        raise NotFound("None of these images has features.", "Select others.")
    mean = comparable(np.asarray(features.values[chosen], np.float32), "cosine").mean(axis=0)
    rows, _ = most_similar(features.values, mean, k, rows=np.flatnonzero(~chosen))
    return np.asarray(features.positions[rows])


def similar_to_picture(
    workspace: Workspace, dataset: Dataset, picture: NDArray[np.uint8], k: int
) -> NDArray[np.int64]:
    """The ``k`` images most like a picture from elsewhere, nearest first, by their pixels alone.

    Args:
        picture: (H, W, C) uint8; scaled as the images are.
    """
    height, width, channels = pixel_shape(dataset)
    scaled = as_channels(resize(picture, height, width), channels)
    features = mapped_features(workspace, dataset, FeatureSource("pixels"))
    query = np.asarray(scaled.reshape(-1), np.float32)
    rows, _ = most_similar(features.values, query, k)
    return np.asarray(features.positions[rows])


def similar_to(workspace: Workspace, features: Features, position: int, k: int = 10) -> Similar:
    """The same for features that are at hand already."""
    if k < 1:
        raise BadInput(f"{k} similar images were asked for.", "Ask for 1 or more.")
    row = int(np.searchsorted(features.positions, position))
    if row == len(features) or features.positions[row] != position:
        raise NotFound(
            f"There are no features of that image from {features.source.title}.",
            "It was left out of that run; choose other features.",
        )
    query, is_exact = features.values[row], len(features) <= EXACT_UP_TO
    if is_exact:
        rows, distances = most_similar(features.values, query, k + 1)
    else:
        rows, distances = search(features.values, index_of(workspace, features), query, k + 1)
    others = rows != row
    rows, distances = rows[others][:k], distances[others][:k]
    return Similar(features.positions[rows], 1 - distances, is_exact)
