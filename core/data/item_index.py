"""Finding items by id: sixteen bytes an item, where a dictionary of strings takes some two hundred."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 16
Ids = Sequence[str] | NDArray[np.str_]


class ItemIndex:
    """Where each of N ids stands. Built in one pass and a sort of N 64-bit hashes.

    Args:
        item_ids: (N,) str, unique; kept, not copied, since a memory map needs no memory.
    """

    def __init__(self, item_ids: NDArray[np.str_]) -> None:
        self._item_ids = item_ids
        hashes = np.concatenate([np.empty(0, np.uint64), *(_hashes(part) for part in _blocks(item_ids))])
        self._order = np.argsort(hashes)
        self._sorted = hashes[self._order]

    def find(self, wanted: Ids) -> NDArray[np.int64]:
        """(M,) the position of each of M ids, -1 for one that is not there."""
        parts = [self._find(part) for part in _blocks(np.asarray(wanted, np.str_))]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def _find(self, wanted: NDArray[np.str_]) -> NDArray[np.int64]:
        hashes = _hashes(wanted)
        at = np.searchsorted(self._sorted, hashes)
        end = np.searchsorted(self._sorted, hashes, side="right")
        found = np.full(len(wanted), -1, np.int64)
        open_rows = np.flatnonzero(at < end)
        while len(open_rows):  # once, unless two ids share a hash
            positions = self._order[at[open_rows]]
            same = self._item_ids[positions] == wanted[open_rows]
            found[open_rows[same]] = positions[same]
            at[open_rows] += 1
            open_rows = open_rows[~same & (at[open_rows] < end[open_rows])]
        return found


def _blocks(item_ids: NDArray[np.str_]) -> list[NDArray[np.str_]]:
    return [item_ids[start : start + BLOCK] for start in range(0, len(item_ids), BLOCK)]


def _hashes(item_ids: NDArray[np.str_]) -> NDArray[np.uint64]:
    """(n,) multilinear hashes of the code points (Lemire and Kaser 2014); padding does not count."""
    width = item_ids.dtype.itemsize // 4
    if not width:
        return np.zeros(len(item_ids), np.uint64)
    codes = np.ascontiguousarray(item_ids).view(np.uint32).reshape(len(item_ids), width)
    weights = np.random.PCG64(0).random_raw(width)  # the same beginning for every width
    total = np.zeros(len(item_ids), np.uint64)
    for column in range(width):
        total += codes[:, column] * weights[column]
    return total
