"""Which item of a data set an answer is about: by the image's content, its id, or the name of its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data.content import positions_of_content
from core.data.dataset import Dataset


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

    @property
    def has_path(self) -> bool:
        """Whether a name's folders count."""


T = TypeVar("T", bound=Named)


def matched(dataset: Dataset, answers: Sequence[T]) -> tuple[list[tuple[int, T]], list[str]]:
    """(position, answer) pairs, and a name of each image that cannot be told."""
    names = _Names(dataset)
    hashes = [answer.image or "" for answer in answers]
    holders = positions_of_content(dataset, hashes) if any(hashes) else [np.empty(0, np.int64)] * len(hashes)
    found, unmatched = [], []
    for answer, same in zip(answers, holders, strict=True):
        position = _position(names, answer, same)
        if position is None:
            unmatched.append(next((name for name in answer.names if name), f"row {answer.row}"))
        else:
            found.append((position, answer))
    return found, unmatched


def _position(names: _Names, answer: Named, same: NDArray[np.int64]) -> int | None:
    for candidates in names.of(answer):
        fit = [one for one in candidates if not answer.image or one in same]
        if len(fit) == 1:
            return fit[0]
    return int(same[0]) if len(same) == 1 else None


class _Names:
    """The items of a data set by their ids, and once that is needed by the names of their files."""

    def __init__(self, dataset: Dataset) -> None:
        self._ids: list[str] = dataset.item_ids.tolist()
        self._by_id = {item_id: position for position, item_id in enumerate(self._ids)}
        self._by_tail: dict[str, list[int]] | None = None

    def of(self, answer: Named) -> Iterator[list[int]]:
        """Positions that each name may mean, the surest name first: of an id one, of a file's name some."""
        for name in answer.names:
            if name in self._by_id:
                yield [self._by_id[name]]
            else:
                yield [one for one in self._tails(name) if not answer.has_path or self._is_below(name, one)]

    def _tails(self, name: str) -> list[int]:
        if self._by_tail is None:
            self._by_tail = {}
            for position, item_id in enumerate(self._ids):
                for tail in {tail_of(item_id), _stem(tail_of(item_id))}:
                    self._by_tail.setdefault(tail, []).append(position)
        tail = tail_of(name)
        return self._by_tail.get(tail, self._by_tail.get(_stem(tail), []))

    def _is_below(self, name: str, position: int) -> bool:
        """Whether the folders agree, as far as both name some."""
        folders, own = _folders(name), _folders(self._ids[position])
        n = min(len(folders), len(own))
        return n == 0 or folders[-n:] == own[-n:]


def tail_of(name: str) -> str:
    """The file's name at the end of a path."""
    return name.replace("\\", "/").rpartition("/")[2]


def _folders(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/")[:-1] if part not in ("", ".")]


def _stem(tail: str) -> str:
    return tail.rpartition(".")[0] or tail
