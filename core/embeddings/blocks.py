"""What networks say of images, in blocks of BLOCK images, each a file of the cache named by what went in.

So what broke off goes on, several processes can share the blocks of one data set, and images that are in two
data sets at the same place are looked at once. Reading what is there needs no torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cache import cache_path, kept_array, prune_now_and_then
from core.data.dataset import Dataset
from core.errors import StorageFailed
from core.files import digest, write_array
from core.workspace import Workspace

Ints = NDArray[np.int64]
Progress = Callable[[float, str], None]
Encode = Callable[[Ints], Iterable[NDArray[Any]]]
"""Rows of the images at some positions, some at a time, in their order."""
BLOCK = 512


@dataclass(frozen=True, eq=False)
class Block:
    """Some images of a data set.

    Attributes:
        path: Of the file with their rows.
        positions: (n,) in the data set.
    """

    path: Path
    positions: Ints

    def kept(self) -> NDArray[Any] | None:
        """(n, ...) as it is kept; None where it is missing or damaged."""
        return kept_array(self.path, len(self.positions))


def blocks_of(
    workspace: Workspace, kind: str, key: Mapping[str, object], dataset: Dataset, positions: Ints
) -> list[Block]:
    """The images at ``positions`` in blocks.

    Args:
        kind: As of ``cache_path``.
        key: All that the rows depend on but for the images' content, and their order in the block.
    """
    hashes = np.asarray(dataset.content_hashes)[positions]
    found = []
    for start in range(0, len(positions), BLOCK):
        images = digest(hashes[start : start + BLOCK])
        path = cache_path(workspace, kind, {**key, "images": images}, ".npy")
        found.append(Block(path, positions[start : start + BLOCK]))
    return found


def missing(blocks: Sequence[Block]) -> list[Block]:
    """Those that have to be computed."""
    return [block for block in blocks if block.kept() is None]


def gathered(blocks: Sequence[Block], encode: Encode, report: Progress) -> NDArray[Any] | None:
    """(n, ...) the rows of all blocks; those that are missing are computed and kept. None of no blocks.

    A full or read-only disk costs only the keeping.
    """
    parts = [block.kept() for block in blocks]
    wanted = [number for number, rows in enumerate(parts) if rows is None]
    progress = _Progress(report, [blocks[number] for number in wanted])
    for number in wanted:
        rows = parts[number] = progress.watched(encode(blocks[number].positions))
        with contextlib.suppress(StorageFailed):
            write_array(blocks[number].path, rows)
    return np.concatenate([rows for rows in parts if rows is not None]) if parts else None


def compute(workspace: Workspace, blocks: Sequence[Block], encode: Encode, report: Progress) -> None:
    """Compute those of ``blocks`` that are missing, for another process that reads them.

    Raises:
        StorageFailed: One cannot be kept.
    """
    wanted = missing(blocks)
    progress = _Progress(report, wanted)
    for block in wanted:
        write_array(block.path, progress.watched(encode(block.positions)))
    prune_now_and_then(workspace)


class _Progress:
    def __init__(self, report: Progress, wanted: Sequence[Block]) -> None:
        self._report, self._n_done = report, 0
        self._n = sum(len(block.positions) for block in wanted)

    def watched(self, rows: Iterable[NDArray[Any]]) -> NDArray[Any]:
        """All rows in one, told as they come."""
        found = []
        for some in rows:
            found.append(some)
            self._n_done += len(some)
            self._report(self._n_done / self._n, f"images {self._n_done:,} of {self._n:,}")
        return np.concatenate(found)
