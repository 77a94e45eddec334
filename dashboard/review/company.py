"""What to hold an image against: the images most like it, and typical ones of the classes in question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.data.dataset import Dataset, Task
from core.data.portraits import portraits
from core.data.statistics import image_statistics
from core.errors import NotFound
from core.evaluation.nearest import nearest_training_items
from core.labels.filters import Filter
from core.quality import evidence
from core.runs.store import find_run, load_run
from core.workspace import Workspace
from dashboard.kept import kept
from dashboard.opened import predictions

N_NEAR, N_TYPICAL = 6, 6
NO_ONE_LABEL = -1


def company(workspace: Workspace, dataset: Dataset, position: int, run_id: str | None) -> dict[str, Any]:
    """The company of one image, as the review component takes it.

    Args:
        run_id: Whose features say what is alike; None for no neighbours.

    Returns:
        near: [[position, given label], ...], training images, the most alike first; NO_ONE_LABEL where images
            have several.
        typical: By class, positions of the images nearest to its mean image, by the given labels.

    Raises:
        NotFound: No such item or run.
    """
    if not 0 <= position < len(dataset):
        raise NotFound(f"{dataset.name!r} has no item {position}.", "Reload the page.")
    return {
        "near": _near(workspace, dataset, position, run_id) if run_id else [],
        "typical": {
            k: [one for one in examples if one != position][:N_TYPICAL]
            for k, examples in _typical(workspace, dataset).items()
        },
    }


def _near(workspace: Workspace, dataset: Dataset, position: int, run_id: str) -> list[list[int]]:
    run = find_run(workspace, run_id)
    if run.kind == evidence.KIND:
        near = _judged(run.folder, (run.folder / "run.json").stat().st_mtime_ns).neighbours[position]
        positions = [int(one) for one in near[:N_NEAR] if one >= 0]
    else:
        found = nearest_training_items(run, predictions(run), str(dataset.item_ids[position]), N_NEAR)
        positions = dataset.positions(found.item_ids).tolist()
    single = dataset.task is Task.SINGLE_LABEL
    return [[one, int(dataset.labels[one]) if single else NO_ONE_LABEL] for one in positions]


def _typical(workspace: Workspace, dataset: Dataset) -> dict[str, list[int]]:
    """By class, the positions of the images nearest to its mean; computed once for each content."""
    return _typical_of(str(workspace.root), dataset.fingerprint, workspace, dataset)


@kept
def _typical_of(
    root: str, fingerprint: str, _workspace: Workspace, _dataset: Dataset
) -> dict[str, list[int]]:
    drawn = portraits(
        _workspace,
        image_statistics(_workspace, _dataset),
        np.arange(len(_dataset)),
        _dataset.given,
        {"fingerprint": _dataset.fingerprint, "version": 0, "filter": Filter().key()},
    )
    rows = drawn.examples["typical"]
    return {str(k): [int(one) for one in row if one >= 0] for k, row in enumerate(rows)}


@kept
def _judged(folder: Path, written: int) -> evidence.Evidence:
    return evidence.load_evidence(load_run(folder))
