"""Images that occur more than once: the same pixels, or nearly; across splits, or under different labels.

Two images are nearly the same when their standardised vectors (core.quality.pictures) are much nearer to each
other than is usual around there: 0.4 of the distance to about the twentieth neighbour, and between 0.03 (what
recompression does) and 0.2 (what a narrow crop does). So trousers that all look alike do not chain together,
and a bag of which there is no other may differ a little more. Every member is near its group's centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import cache_path, cached_arrays
from core.data.dataset import SPLITS, Dataset
from core.data.statistics import image_statistics
from core.labels.versions import LabelState
from core.quality import pictures
from core.quality.pictures import Floats, Positions, Progress
from core.workspace import Workspace

RELATIVE_RADIUS = 0.4
LEAST_RADIUS, GREATEST_RADIUS = 0.03, 0.2
REACH = 2.0
"""A group's members are within so many radii of its centre."""
_KIND = "duplicates-1"


@dataclass(frozen=True, eq=False)
class SimilarImages:
    """All groups of (nearly) identical images of a data set; depends on the pixels only.

    Attributes:
        members: (M,) int64 positions, group after group, the centre of each group first.
        starts: (G + 1,) int64, where each group starts in ``members``, and M.
        distance: (M,) float32, how far each member is from its group's centre; 0 for an exact copy.
        content: (M,) int64, equal for members with the same pixels.
    """

    members: Positions
    starts: Positions
    distance: Floats
    content: Positions

    def __len__(self) -> int:
        return len(self.starts) - 1


@dataclass(frozen=True, slots=True)
class Group:
    """Images that are nearly the same, as they are labelled and split now.

    Attributes:
        positions: Two or more, the centre first.
        exact: All have the same pixels.
        distance: The farthest member's distance from the centre; 0.1 is a correlation of 0.995.
        leak: Members are in more than one split.
        conflict: Their labels contradict each other, so that at most one is right.
    """

    positions: tuple[int, ...]
    exact: bool
    distance: float
    leak: bool
    conflict: bool

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The groups of a data set, the contradicting and the leaking ones first, then the nearest.

    Attributes:
        groups: All of them.
    """

    groups: tuple[Group, ...] = field(default=())

    @property
    def exact(self) -> tuple[Group, ...]:
        """Those of identical pixels."""
        return tuple(group for group in self.groups if group.exact)

    @property
    def near(self) -> tuple[Group, ...]:
        """Those of which at least one member differs a little."""
        return tuple(group for group in self.groups if not group.exact)

    @property
    def leaks(self) -> tuple[Group, ...]:
        """Those with members in more than one split."""
        return tuple(group for group in self.groups if group.leak)

    @property
    def conflicts(self) -> tuple[Group, ...]:
        """Those whose labels contradict each other."""
        return tuple(group for group in self.groups if group.conflict)


def similar_images(
    workspace: Workspace, dataset: Dataset, on_progress: Progress = lambda share: None
) -> SimilarImages:
    """The groups of (nearly) identical images, from the cache or computed and kept there.

    The full Fashion-MNIST takes about ten seconds on two cores and 0.5 GB.

    Args:
        workspace: Whose cache to use.
        dataset: The data set, of any kind of images.
        on_progress: Called with the share done, 0 to 1, while it computes.
    """

    def compute() -> dict[str, NDArray[Any]]:
        found = _compute(workspace, dataset, on_progress)
        return {name: getattr(found, name) for name in SimilarImages.__dataclass_fields__}

    return SimilarImages(**cached_arrays(workspace, _KIND, {"fingerprint": dataset.fingerprint}, compute))


def is_known(workspace: Workspace, dataset: Dataset) -> bool:
    """Whether similar_images would answer at once."""
    return cache_path(workspace, _KIND, {"fingerprint": dataset.fingerprint}).exists()


def _compute(workspace: Workspace, dataset: Dataset, on_progress: Progress) -> SimilarImages:
    reading = 0.1 if dataset.images.uniform else 0.8  # of the time: images in files must be decoded
    statistics = image_statistics(workspace, dataset, lambda share: on_progress(reading * share))
    content = contents(dataset)
    _, first = np.unique(content, return_index=True)
    seen, vectors = pictures.vectors_of(workspace, dataset, statistics)
    once = np.isin(seen, first)
    seen, vectors = seen[once], vectors[once]
    radius = np.clip(RELATIVE_RADIUS * pictures.spacing(vectors), LEAST_RADIUS, GREATEST_RADIUS)
    half_way = (1 + reading) / 2
    on_progress(half_way)
    pairs = pictures.near_pairs(vectors, radius, lambda share: on_progress(half_way + (1 - half_way) * share))
    near = _tight_groups(pictures.components(len(seen), pairs), vectors, radius)
    return _with_copies(near, seen, content)


def contents(dataset: Dataset) -> Positions:
    """(N,) int64, equal for items with the same pixels."""
    hashes = np.ascontiguousarray(dataset.content_hashes).view(np.uint64)
    _, content = np.unique(hashes, axis=0, return_inverse=True)
    return np.asarray(content.reshape(-1), np.int64)


Near = tuple[Positions, Floats]
"""Rows of a group, its centre first, and their distances from it."""


def _tight_groups(label: Positions, vectors: Floats, radius: Floats) -> list[Near]:
    """Components cut into groups of which every member is near the centre."""
    order = np.argsort(label, kind="stable")
    found: list[Near] = []
    for rows in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        while len(rows) > 1:
            middle = vectors[rows].mean(axis=0)
            centre = rows[np.linalg.norm(vectors[rows] - middle, axis=1).argmin()]
            distance = np.linalg.norm(vectors[rows] - vectors[centre], axis=1)
            near = distance <= REACH * np.minimum(radius[centre], radius[rows])
            if near.sum() > 1:
                by_distance = np.argsort(distance[near], kind="stable")
                found.append((rows[near][by_distance], distance[near][by_distance]))
            rows = rows[~near]
    return found


def _with_copies(near: list[Near], seen: Positions, content: Positions) -> SimilarImages:
    """Groups of all items, from groups of one item for each content; and the groups of identical items."""
    order = np.argsort(content, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(content[order])) + 1) if len(order) else []
    groups = [
        (
            np.concatenate([parts[k] for k in content[seen[rows]]]),
            np.concatenate(
                [np.full(len(parts[k]), d) for k, d in zip(content[seen[rows]], distance, strict=True)]
            ),
        )
        for rows, distance in near
    ]
    grouped = {int(content[seen[row]]) for rows, _ in near for row in rows}
    groups += [
        (part, np.zeros(len(part))) for k, part in enumerate(parts) if len(part) > 1 and k not in grouped
    ]
    members = np.concatenate([np.zeros(0, np.int64), *[positions for positions, _ in groups]])
    distances = np.concatenate([np.zeros(0), *[distance for _, distance in groups]])
    starts = np.cumsum([0, *[len(positions) for positions, _ in groups]])
    return SimilarImages(members, starts.astype(np.int64), distances.astype(np.float32), content[members])


def duplicates(dataset: Dataset, similar: SimilarImages, state: LabelState) -> Duplicates:
    """The groups under the labels of ``state``; images that a person left out no longer count."""
    found = []
    for start, stop in zip(similar.starts[:-1], similar.starts[1:], strict=True):
        rows = np.arange(start, stop)
        rows = rows[~state.excluded[similar.members[rows]]]
        if len(rows) < 2:
            continue
        positions = similar.members[rows]
        found.append(
            Group(
                positions=tuple(positions.tolist()),
                exact=len(np.unique(similar.content[rows])) == 1,
                distance=float(similar.distance[rows].max()),
                leak=len(np.unique(dataset.split[positions])) > 1,
                conflict=bool(state.current.take(positions).contradicting(np.zeros(1, np.int64))[0]),
            )
        )
    found.sort(key=lambda one: (not one.conflict, not one.leak, one.distance, one.positions))
    return Duplicates(tuple(found))


def to_leave_out(dataset: Dataset, groups: Iterable[Group]) -> Positions:
    """Copies that training can do without, ascending: all but one of each group, and no test image.

    A leak thus costs training its copy, and the score is taken on the same test images as before. Groups
    whose labels contradict each other are for a person, and left as they are.
    """
    left: list[int] = []
    for group in groups:
        if group.conflict:
            continue
        test = [one for one in group.positions if dataset.split[one] == SPLITS.index("test")]
        kept = test[:1] or sorted(group.positions, key=lambda one: (-int(dataset.split[one]), one))[:1]
        left += [one for one in group.positions if one not in kept and one not in test]
    return np.array(sorted(left), np.int64)


def exclusions(dataset: Dataset, groups: Sequence[Group], positions: Positions) -> dict[int, str]:
    """Why each of ``positions`` is left out: of which other item it is a copy."""
    left = set(positions.tolist())
    reasons = {}
    for group in groups:
        kept = next((one for one in group.positions if one not in left), group.positions[0])
        how = "the same pixels as" if group.exact else "nearly the same as"
        for position in left.intersection(group.positions):
            reasons[position] = f"{how} {dataset.item_ids[kept]}"
    return reasons
