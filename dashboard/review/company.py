"""What to hold an image against: the images most like it, and typical ones of the classes in question."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.data.dataset import Dataset, Task
from core.data.portraits import portraits
from core.data.statistics import image_statistics
from core.errors import NotFound
from core.evaluation.nearest import nearest_training_items
from core.quality import evidence
from core.runs.store import Run, find_run
from core.workspace import Workspace
from dashboard.memo import predictions, remembered

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
        near = _judged(run).neighbours[position]
        positions = [int(one) for one in near[:N_NEAR] if one >= 0]
    else:
        found = nearest_training_items(run, predictions(run), str(dataset.item_ids[position]), N_NEAR)
        positions = dataset.positions(found.item_ids).tolist()
    single = dataset.task is Task.SINGLE_LABEL
    return [[one, int(dataset.labels[one]) if single else NO_ONE_LABEL] for one in positions]


@remembered(by_content=True)
def _typical(workspace: Workspace, dataset: Dataset) -> dict[str, list[int]]:
    """By class, the positions of the images nearest to its mean, by the given labels."""
    everything = np.arange(len(dataset))
    drawn = portraits(workspace, dataset, image_statistics(workspace, dataset), everything, dataset.given)
    rows = drawn.examples["typical"]
    return {str(k): [int(one) for one in row if one >= 0] for k, row in enumerate(rows)}


@remembered()
def _judged(run: Run) -> evidence.Evidence:
    return evidence.load_evidence(run)
