"""Who decided on which images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.labels.versions import current_version
from core.workspace import Workspace


def reviewers(workspace: Workspace, dataset: Dataset) -> list[str]:
    """Names of all who decided on an image of the data set, in alphabetical order."""
    return sorted(_deciders(workspace, dataset))


def decided_by(workspace: Workspace, dataset: Dataset, who: str) -> NDArray[np.bool_]:
    """(N,) bool, the images on which ``who`` decided, was not sure, or looked blind; undone edits aside."""
    found = np.zeros(len(dataset), bool)
    positions = dataset.find(sorted(_deciders(workspace, dataset).get(who, set())))
    found[positions[positions >= 0]] = True
    return found


def _deciders(workspace: Workspace, dataset: Dataset) -> dict[str, set[str]]:
    """By person, the ids of the items that they decided on."""
    if not current_version(workspace, dataset.name):
        return {}
    from core.labels.journal import LabelJournal  # SQLAlchemy: only where something was ever edited

    found: dict[str, set[str]] = {}
    for edit in LabelJournal(workspace).in_force(dataset.name):
        found.setdefault(edit.who, set()).add(edit.item_id)
    return found
