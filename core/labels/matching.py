"""Which item of a data set an answer is about: by the image's content, its id, or the path of its file.

A path means that path: its folders agree with those of an id as far as both name some, or there is no image.
A bare file name means the one file of that name. Where two images fit, none is chosen, and both are listed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data.content import positions_of_content
from core.data.dataset import Dataset
from core.data.readers.base import IMAGE_SUFFIXES


class Named(Protocol):
    """Something said of one image."""

    @property
    def row(self) -> int:
        """Its number in the file."""

    @property
    def names(self) -> tuple[str, ...]:
        """What may name the image, the surest first."""

    @property
    def image(self) -> str | None:
        """Its content hash: an image of other pixels is another image, whatever its name."""


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True)
class Matched(Generic[T]):
    """Answers and the items that they are about.

    Attributes:
        items: (position, answer) of each answer that means one item.
        unmatched: A name of each image that the data set has not got.
        ambiguous: (name, ids of the items) of each that may be several items.
    """

    items: list[tuple[int, T]]
    unmatched: list[str]
    ambiguous: list[tuple[str, tuple[str, ...]]]


def matched(dataset: Dataset, answers: Sequence[T]) -> Matched[T]:
    """Find the item of each answer; one that may mean several is never given to the first of them."""
    names = _Names(dataset)
    hashes = [answer.image or "" for answer in answers]
    holders = positions_of_content(dataset, hashes) if any(hashes) else [np.empty(0, np.int64)] * len(hashes)
    result: Matched[T] = Matched([], [], [])
    for answer, same in zip(answers, holders, strict=True):
        candidates = _candidates(names, answer, same)
        name = next((name for name in answer.names if name), f"row {answer.row}")
        if len(candidates) == 1:
            result.items.append((candidates[0], answer))
        elif candidates:
            result.ambiguous.append((name, tuple(names.ids[one] for one in candidates)))
        else:
            result.unmatched.append(name)
    return result


def _candidates(names: _Names, answer: Named, same: NDArray[np.int64]) -> list[int]:
    """Positions that an answer may mean: one where its names or its content settle it."""
    found = names.meant_by(answer.names)
    if not answer.image:
        return found
    holders: list[int] = same.tolist()
    return [one for one in found if one in holders] or holders


class _Names:
    """The items of a data set by their ids, and once that is needed by the names of their files."""

    def __init__(self, dataset: Dataset) -> None:
        self.ids: list[str] = dataset.item_ids.tolist()
        self._by_id = {item_id: position for position, item_id in enumerate(self.ids)}

    def meant_by(self, names: Sequence[str]) -> list[int]:
        """Positions that the names may mean; a later name only chooses among those of the names before it.

        Where a name has folders, a bare name beside it counts as an id, and no longer as a file's name.
        """
        has_folders = any("/" in name.replace("\\", "/") for name in names)
        found: list[int] = []
        for name in names:
            fits = self._of(name, id_only=has_folders and len(_parts(name)) == 1)
            found = [one for one in found if one in fits] or found if found else fits
            if len(found) == 1:
                break
        return found

    def _of(self, name: str, *, id_only: bool) -> list[int]:
        if name in self._by_id:
            return [self._by_id[name]]
        parts = _parts(name)
        if id_only or not parts:
            return []
        alike = [one for one in self._by_stem.get(_stem(parts[-1]), []) if self._is_below(parts, one)]
        return _with_ending(parts[-1], [(one, _parts(self.ids[one])[-1]) for one in alike])

    @cached_property
    def _by_stem(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for position, item_id in enumerate(self.ids):
            if parts := _parts(item_id):
                found.setdefault(_stem(parts[-1]), []).append(position)
        return found

    @cached_property
    def _is_flat(self) -> bool:
        return not any("/" in item_id for item_id in self.ids)

    def _is_below(self, parts: list[str], position: int) -> bool:
        """Whether the folders agree; where ids have folders, one without lies at the top and nowhere else."""
        theirs, own = parts[:-1], _parts(self.ids[position])[:-1]
        n = min(len(theirs), len(own))
        return (not theirs or bool(own) or self._is_flat) and theirs[len(theirs) - n :] == own[len(own) - n :]


def _parts(name: str) -> list[str]:
    """The folders and the file of a path, written one way: a letter with its accent has two forms."""
    path = unicodedata.normalize("NFC", name).replace("\\", "/")
    return [part for part in path.split("/") if part not in ("", ".")]


def _stem(tail: str) -> str:
    return tail.removesuffix(_ending(tail))


def _ending(tail: str) -> str:
    stem, dot, ending = tail.rpartition(".")
    return dot + ending if stem and dot + ending.lower() in IMAGE_SUFFIXES else ""


def _with_ending(tail: str, files: list[tuple[int, str]]) -> list[int]:
    """Of files with one stem those of this name; else with its ending in other letters, or without one."""
    ending = _ending(tail)
    same = [one for one, file in files if file == tail]
    other_case = [one for one, file in files if _ending(file).lower() == ending.lower()]
    left_out = [one for one, file in files if not ending or not _ending(file)]
    return same or other_case or left_out
