"""Images by words, and images like an image: cosines of CLIP vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.embeddings.clip import Encoder, kept_features
from core.embeddings.clip_models import CURATED, ClipModel, find_model
from core.embeddings.zero_shot import request_of, validation_positions, zero_shot_runs
from core.errors import BadInput
from core.workspace import Workspace

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Query:
    """What is looked for: exactly one of these.

    Attributes:
        text: A sentence.
        like: Item id of an image of the data set.
        picture: Path of a picture file.
    """

    text: str = ""
    like: str = ""
    picture: str = ""


@dataclass(frozen=True, eq=False)
class Hits:
    """The best images, best first.

    Attributes:
        positions: (n,) int64, in the data set.
        scores: (n,) float32, cosine.
        n_searched: How many images were looked at.
    """

    positions: Ints
    scores: Floats
    n_searched: int


def model_for(workspace: Workspace, dataset: Dataset, name: str) -> ClipModel:
    """The model of that key; "" for the one used last on this data set, else the first of the list."""
    if name:
        return find_model(workspace, name)
    runs = zero_shot_runs(workspace, dataset)
    return request_of(runs[0]).model if runs else CURATED[0].model


def kept_images(
    workspace: Workspace, dataset: Dataset, model: ClipModel, split: str | None = None
) -> tuple[Ints, Floats]:
    """(positions (n,), features (n, D)) of the splits whose features are in the cache, and, where none is
    asked for, of the images that prompts are tuned on. Loads no model.
    """
    found: list[tuple[Ints, Floats]] = []
    wanted = [dataset.in_split(name) for name in (dataset.splits if split is None else (split,))]
    if split is None:
        wanted.append(validation_positions(dataset))
    for positions in wanted:
        known = any(np.isin(positions, there).all() for there, _ in found)
        features = None if known else kept_features(workspace, dataset, model, positions)
        if features is not None:
            found.append((positions, features))
    if not found:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])


def search(
    workspace: Workspace,
    dataset: Dataset,
    model: ClipModel,
    query: Query,
    *,
    split: str | None = None,
    top: int = 9,
    on_progress: Progress | None = None,
) -> Hits:
    """The ``top`` images that fit the query best; features that are not kept yet are computed.

    Where some splits are kept and none is asked for, those are searched.

    Raises:
        BadInput: Not exactly one thing to look for, or a text with too many tokens.
        NotFound: No such item.
    """
    if sum(bool(part) for part in (query.text.strip(), query.like, query.picture)) != 1:
        raise BadInput("There is not one thing to look for.", "Give a sentence, --like or --picture.")
    encoder = Encoder(workspace, model, on_progress)
    positions, features = kept_images(workspace, dataset, model, split)
    if not len(positions):
        positions = dataset.in_split(split or ("test" if "test" in dataset.splits else dataset.splits[0]))
        features = encoder.images(dataset, positions)
    vector = _vector(dataset, query, encoder)
    return nearest(
        positions, features, vector, top, leave_out=query.like and int(dataset.positions([query.like])[0])
    )


def _vector(dataset: Dataset, query: Query, encoder: Encoder) -> Floats:
    if query.text.strip():
        return np.asarray(encoder.texts((query.text.strip(),))[0])
    if query.like:
        return np.asarray(encoder.images(dataset, dataset.positions([query.like]))[0])
    from core.data.images import decode

    return encoder.towers.encode_picture(decode(Path(query.picture)))


def nearest(positions: Ints, features: Floats, vector: Floats, top: int, leave_out: int | str = "") -> Hits:
    """The ``top`` of the given images by cosine, without the image that was asked with."""
    scores = np.asarray(features @ vector, np.float32)
    if leave_out != "":
        scores = np.where(positions == leave_out, -np.inf, scores).astype(np.float32)
    top = min(top, int(np.isfinite(scores).sum()))
    best = np.argsort(-scores, kind="stable")[:top]
    return Hits(positions[best], scores[best], len(positions))


def as_rows(dataset: Dataset, hits: Hits) -> list[dict[str, Any]]:
    """The hits as JSON: item, split, given labels and score."""
    return [
        {
            "item": str(dataset.item_ids[p]),
            "split": SPLITS[dataset.split[p]],
            "labels": given_words(dataset, int(p)),
            "score": round(float(score), 4),
        }
        for p, score in zip(hits.positions, hits.scores, strict=True)
    ]


def given_words(dataset: Dataset, position: int) -> list[str]:
    """The given labels of one image, in words."""
    value = dataset.labels[position]
    if dataset.task is Task.MULTI_LABEL:
        return [dataset.classes[k] for k in np.flatnonzero(np.asarray(value) == 1)]
    return [] if int(value) == UNLABELLED else [dataset.classes[int(value)]]
