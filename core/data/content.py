"""What an image is, apart from its name: a hash of its decoded pixels, to find it again in another data set.

A data set keeps these hashes since its import (core.data.writer), so nothing is decoded or cached here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset

HEX_DIGITS = 32


def content_hashes(
    dataset: Dataset, positions: NDArray[np.int64] | Sequence[int] | None = None
) -> NDArray[np.str_]:
    """(n,) strings of 32 hexadecimal characters, the BLAKE2b-128 of each image's pixels and their shape.

    Equal for images that are the same pixel by pixel, however they were named, ordered or stored; the
    same that the journal notes beside an edit.

    Args:
        dataset: Any data set, its images in an array or in files.
        positions: Which items, in this order; all when not given.
    """
    hashes = np.asarray(dataset.content_hashes)
    if positions is not None:
        hashes = hashes[np.asarray(positions, np.int64)]
    digits = np.ascontiguousarray(hashes).tobytes().hex()
    return np.frombuffer(digits.encode("ascii"), f"S{HEX_DIGITS}").astype(np.str_)


def positions_of_content(dataset: Dataset, hashes: Sequence[str]) -> list[NDArray[np.int64]]:
    """For each of ``hashes`` the positions of the items with that content, ascending; empty for none."""
    own = content_hashes(dataset)
    order = np.argsort(own, kind="stable")
    wanted = np.asarray(hashes, np.str_)
    first = np.searchsorted(own, wanted, "left", sorter=order)
    last = np.searchsorted(own, wanted, "right", sorter=order)
    return [order[start:stop] for start, stop in zip(first, last, strict=True)]
