"""What an image is, apart from its name: a hash of its decoded pixels, to find it again in another data set.

A data set keeps these hashes since its import (core.data.writer), so nothing is decoded or cached here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset

HEX_DIGITS = 32
_IS_HASH = re.compile(rf"[0-9a-f]{{{HEX_DIGITS}}}")


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
    own = np.ascontiguousarray(dataset.content_hashes[:, :8]).view(np.uint64)[:, 0]
    order = np.argsort(own, kind="stable")
    own = own[order]
    found = []
    for text in hashes:
        content = np.frombuffer(bytes.fromhex(text) if _IS_HASH.fullmatch(text) else b"", np.uint8)
        begins = content[:8].view(np.uint64)  # one number, or none for what is no hash
        start, stop = np.searchsorted(own, begins), np.searchsorted(own, begins, "right")
        alike = order[start[0] : stop[0]] if len(begins) else order[:0]
        found.append(alike[(dataset.content_hashes[alike] == content).all(axis=1)] if len(alike) else alike)
    return found
