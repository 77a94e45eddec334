"""Two label versions held against each other, and versions found by their name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.errors import NotFound
from core.labels.journal import LabelJournal
from core.labels.patch import label_text
from core.labels.versions import LabelState, current_version
from core.workspace import Workspace

Pair = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, eq=False)
class VersionDifference:
    """What differs between two versions of one data set's labels.

    Attributes:
        changed: (n,) positions of the items with another label, ascending.
        pairs: (class, before, after) and how many times, most first. The class is None where an image has one
            label; before and after are then class names, else yes, no or unknown. None for unlabelled.
        left_out, taken_in: Positions of the items left out, and taken in again, in between.
        confirmed: Positions of the items whose label was found right in between.
    """

    before: int
    after: int
    changed: NDArray[np.int64]
    pairs: list[tuple[Pair, int]]
    left_out: NDArray[np.int64]
    taken_in: NDArray[np.int64]
    confirmed: NDArray[np.int64]


def compare_versions(dataset: Dataset, before: LabelState, after: LabelState) -> VersionDifference:
    """What changed from one version to another, which may also be the older one."""
    differs = after.current.differs(before.current)
    counts: Counter[Pair] = Counter()
    is_single = dataset.task is Task.SINGLE_LABEL
    for position, *column in np.argwhere(differs).tolist():
        name = None if is_single else dataset.classes[column[0]]
        old, new = (label_text(dataset, one.labels, position, name) for one in (before, after))
        counts[name, old, new] += 1
    return VersionDifference(
        before=before.version,
        after=after.version,
        changed=np.flatnonzero(after.current.any_cell(differs)),
        pairs=sorted(counts.items(), key=lambda found: (-found[1], str(found[0]))),
        left_out=np.flatnonzero(after.excluded & ~before.excluded),
        taken_in=np.flatnonzero(before.excluded & ~after.excluded),
        confirmed=np.flatnonzero(after.confirmed & ~before.confirmed),
    )


def version_number(workspace: Workspace, dataset_name: str, wanted: str) -> int:
    """The number of a version that is given by number, by name, or as "newest". Raises NotFound."""
    newest = current_version(workspace, dataset_name)
    if wanted == "newest":
        return newest
    if wanted.isdecimal():
        if int(wanted) <= newest:
            return int(wanted)
    else:
        named = LabelJournal(workspace).named_versions(dataset_name) if newest else []
        for one in named:
            if one.name == wanted:
                return one.version
    raise NotFound(
        f"{dataset_name!r} has no label version {wanted!r}.",
        f"Choose a number from 0 (as given) to {newest}, or a name that `tidyset labels versions` lists.",
    )
