"""What the Embeddings page does and looks up: bulk edits, and searches by likeness, words and pictures."""

from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.embeddings.clip_models import ClipModel
from core.embeddings.features import FeatureSource, mapped_features
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import memo, zero_shot_view
from dashboard.memo import predictions

Ints = NDArray[np.int64]

N_SIMILAR = 60


def relabel(
    workspace: Workspace,
    dataset: Dataset,
    positions: Ints,
    label: str,
    *,
    who: str,
    why: str,
    run: Run | None,
) -> list[int]:
    """Give all the images one label, in one commit; those that have it are left as they are.

    Args:
        run: Whose opinion was on the screen; it is kept as evidence.

    Returns:
        The numbers of the edits, for ``issues_view.take_back``.
    """
    from core.labels.journal import EditKind, LabelJournal, NewEdit

    state = memo.labels(workspace, dataset)
    changed = positions[np.asarray(state.labels)[positions] != dataset.classes.index(label)]
    evidence = {"selection": "embedding map", **({"run": run.id} if run else {})}
    new = [
        NewEdit(str(dataset.item_ids[k]), EditKind.LABEL, label, who=who, why=why, evidence=evidence)
        for k in changed.tolist()
    ]
    return [edit.number for edit in LabelJournal(workspace).append(dataset, new)]


def like_these(workspace: Workspace, dataset: Dataset, source: FeatureSource, positions: Ints) -> Ints:
    """The images most like the mean of some, by the map's own features, nearest first; without those."""
    from core.embeddings.similar import similar_to_these

    features = mapped_features(workspace, dataset, source, predictions)
    return similar_to_these(features, positions, N_SIMILAR)


def clip_of(workspace: Workspace, dataset: Dataset, source: FeatureSource) -> ClipModel | None:
    """The CLIP model to search with: the map's own, else the last one used; None without kept features."""
    from core.embeddings.text_search import model_for

    model = model_for(workspace, dataset, source.name if source.kind == "clip" else "")
    return model if len(zero_shot_view.all_kept(workspace, dataset, model)[0]) else None


def in_words(workspace: Workspace, dataset: Dataset, model: ClipModel, words: str) -> Ints:
    """The images that fit a sentence best. Raises BadInput, TidysetError."""
    from core.embeddings.resident import resident

    return _nearest(workspace, dataset, model, resident(workspace, model).texts((words,))[0])


def like_picture(
    workspace: Workspace, dataset: Dataset, model: ClipModel | None, name: str, content: bytes
) -> Ints:
    """The images most like a picture file: for CLIP, or by pixels without it. Raises DamagedFile."""
    from core.data.images import decode
    from core.embeddings.resident import resident
    from core.embeddings.similar import similar_to_picture

    pixels = decode(content)
    if model is None:
        return similar_to_picture(workspace, dataset, pixels, N_SIMILAR)
    with NamedTemporaryFile(suffix=Path(name).suffix) as file:
        file.write(content)
        file.flush()
        return _nearest(workspace, dataset, model, resident(workspace, model).picture(Path(file.name)))


def _nearest(workspace: Workspace, dataset: Dataset, model: ClipModel, vector: NDArray[np.float32]) -> Ints:
    from core.embeddings.text_search import nearest

    positions, features = zero_shot_view.all_kept(workspace, dataset, model)
    return nearest(positions, features, vector, N_SIMILAR).positions
