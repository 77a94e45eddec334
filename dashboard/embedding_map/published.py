"""Arrays for the browser by their content: put down here by a page, fetched by the map over a route of ours.

An address means one content for ever, so the browser keeps what it has. The page that shows a map publishes
its arrays in every run of its script, so none is missed after a restart; the oldest go when memory is short.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import NotFound
from dashboard import links

KEPT_BYTES = 256 * 2**20


class Shelf:
    """The arrays that were used last, as bytes by their digest; safe to use from several threads."""

    def __init__(self, kept_bytes: int) -> None:
        self._kept_bytes = kept_bytes
        self._held = 0
        self._lock = threading.Lock()
        self._by_digest: OrderedDict[str, bytes] = OrderedDict()

    def put(self, array: NDArray[Any]) -> str:
        """Keep the bytes of ``array`` (little-endian, C order); returns their digest."""
        ordered = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        name = hashlib.blake2b(ordered.view(np.uint8).reshape(-1).data, digest_size=16).hexdigest()
        with self._lock:
            if name in self._by_digest:
                self._by_digest.move_to_end(name)
                return name
            self._by_digest[name] = ordered.tobytes()
            self._held += ordered.nbytes
            while self._held > self._kept_bytes and len(self._by_digest) > 1:
                _, old = self._by_digest.popitem(last=False)
                self._held -= len(old)
        return name

    def get(self, name: str) -> bytes:
        """The bytes of that digest. Raises NotFound."""
        with self._lock:
            content = self._by_digest.get(name)
            if content is not None:
                self._by_digest.move_to_end(name)
        if content is None:
            raise NotFound("These points are no longer kept.", "Reload the page.")
        return content


SHELF = Shelf(KEPT_BYTES)


def publish(array: NDArray[Any]) -> str:
    """Keep an array for the browser; returns its address, relative to any page."""
    return links.points(SHELF.put(array))
