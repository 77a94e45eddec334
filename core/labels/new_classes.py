"""From proposals to classes: a data set is immutable, so new classes make a new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from core.data.dataset import Dataset, Task
from core.data.writer import write_relabelled
from core.errors import NotFound
from core.labels.versions import labels_at
from core.workspace import Workspace


def proposals(proposed: dict[int, str]) -> list[tuple[str, int]]:
    """(name, images) of each proposed class, the most wanted first; names that differ in case are one.

    Args:
        proposed: LabelState.proposed.
    """
    counts = Counter(_spelling(proposed).values())
    return sorted(counts.items(), key=lambda one: (-one[1], one[0].lower()))


def _spelling(proposed: dict[int, str]) -> dict[int, str]:
    """By position the name, in the spelling that came first."""
    first: dict[str, str] = {}
    return {at: first.setdefault(name.casefold(), name) for at, name in sorted(proposed.items())}


def with_new_classes(
    workspace: Workspace,
    dataset: Dataset,
    name: str,
    on_share: Callable[[float], None] = lambda share: None,
) -> Dataset:
    """A data set of the same images with the proposed classes added, labelled as in the newest version.

    Images that a class was proposed for have it as their given label; where images have several labels, it is
    unknown for all others. Images that are left out for another reason are as they are given.

    Args:
        on_share: As of ``write_relabelled``.

    Raises:
        NotFound: No class is proposed.
        NameTaken, StorageFailed: As for any new data set.
    """
    state = labels_at(workspace, dataset)
    spelled = _spelling(dict(state.proposed))
    added = [one for one, _ in proposals(dict(state.proposed))]
    if not added:
        raise NotFound(f"No new class is proposed for {dataset.name!r}.", "Propose one while you review.")
    classes = [*dataset.classes, *added]
    column = {one: len(dataset.classes) + k for k, one in enumerate(added)}
    if dataset.task is Task.SINGLE_LABEL:
        labels = np.array(state.labels, np.int64)
        for position, one in spelled.items():
            labels[position] = column[one]
    else:
        unknown = np.full((len(dataset), len(added)), np.nan, np.float32)
        labels = np.concatenate([np.asarray(state.labels, np.float32), unknown], axis=1)
        for position, one in spelled.items():
            labels[position, column[one]] = 1.0
    return write_relabelled(
        workspace,
        dataset,
        name,
        title=f"{dataset.title}, {len(classes)} classes",
        classes=classes,
        labels=labels,
        info={**dataset.info, "made from": f"{dataset.name}, label version {state.version}"},
        on_share=on_share,
    )
