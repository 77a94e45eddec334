"""What the server keeps in memory: one budget in bytes for all results; the least recently used goes first.

``st.cache_resource`` bounds the number of entries only, and one entry here may be a hundred bytes or a
hundred megabytes. Knows no Streamlit, so that routes may use it too.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import mmap
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, ParamSpec, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset

P = ParamSpec("P")
R = TypeVar("R")

MOST_BYTES = int(float(os.environ.get("TIDYSET_MEMORY_MB", 400)) * 2**20)
_LOOKED_AT = 64
"""Of a long list so many members, evenly spread, are measured, and the rest taken to be alike."""


class Memory:
    """Results by key, in no more than some bytes together; a result larger than that is kept alone.

    Each key is computed by one thread at a time, the others wait for it. An error is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._n_bytes = 0
        self._busy: dict[Hashable, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def n_bytes(self) -> int:
        """What is kept now, without what is only mapped from disk."""
        return self._n_bytes

    def get(self, key: Hashable, compute: Callable[[], R]) -> R:
        """The result of ``key``, kept or computed and kept."""
        missing = object()
        found = self._look_up(key, missing)
        if found is not missing:
            return found  # type: ignore[no-any-return]
        with self._alone(key):
            found = self._look_up(key, missing)  # another thread may have been faster
            if found is missing:
                found = compute()
                self._keep(key, found)
        return found  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._n_bytes = 0

    def _look_up(self, key: Hashable, missing: object) -> Any:
        with self._lock:
            if key not in self._kept:
                return missing
            value = self._kept[key][0]
        self._keep(key, value)  # measured anew: results compute parts of themselves when asked for them
        return value

    def _keep(self, key: Hashable, value: Any) -> None:
        n_bytes = size_of(value)
        with self._lock:
            self._n_bytes += n_bytes - self._kept.pop(key, (None, 0))[1]
            self._kept[key] = (value, n_bytes)
            while self._n_bytes > self._most and len(self._kept) > 1:
                _, (_, freed) = self._kept.popitem(last=False)
                self._n_bytes -= freed

    def _alone(self, key: Hashable) -> _Turn:
        return _Turn(self._busy, self._lock, key)


class _Turn:
    """One thread at a time for each key; nothing is left of a key that nobody waits for."""

    def __init__(
        self, busy: dict[Hashable, tuple[threading.Lock, int]], guard: threading.Lock, key: Hashable
    ) -> None:
        self._busy, self._guard, self._key = busy, guard, key

    def __enter__(self) -> None:
        with self._guard:
            turn, n = self._busy.get(self._key, (threading.Lock(), 0))
            self._busy[self._key] = (turn, n + 1)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            turn, n = self._busy.pop(self._key)
            if n > 1:
                self._busy[self._key] = (turn, n - 1)
        turn.release()


MEMORY = Memory(MOST_BYTES)
"""The server's."""


def kept(function: Callable[P, R]) -> Callable[P, R]:
    """Keep what a function returns, by its arguments; those that begin with ``_`` do not count.

    Give them so that a change of what they hold changes another argument: fingerprints, versions, times. The
    result is shared by all sessions, so nobody may change it.
    """
    signature = inspect.signature(function)
    counted = [name for name in signature.parameters if not name.startswith("_")]

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        key = (function.__module__, function.__qualname__, *(given.arguments[name] for name in counted))
        return MEMORY.get(key, lambda: function(*args, **kwargs))

    return wrapper


def size_of(value: object) -> int:
    """Bytes of memory that a result holds; what is mapped from disk, and data sets within it, are free."""
    seen: set[int] = set()

    def measure(one: object, *, is_root: bool = False) -> float:
        if isinstance(one, np.ndarray):
            one = _owner(one)
        if one is None or id(one) in seen or (isinstance(one, Dataset) and not is_root):
            return 0
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            return one.nbytes
        if isinstance(one, dict):
            return sys.getsizeof(one) + _together([*one.keys()]) + _together([*one.values()])
        if isinstance(one, list | tuple | set | frozenset):
            return sys.getsizeof(one) + _together(list(one))
        parts = [getattr(one, field.name, None) for field in dataclasses.fields(one)] if _is_data(one) else []
        return sys.getsizeof(one) + sum(map(measure, [*parts, *getattr(one, "__dict__", {}).values()]))

    def _together(members: list[Any]) -> float:
        looked_at = members[:: -(-len(members) // _LOOKED_AT) or 1]
        return sum(map(measure, looked_at)) * (len(members) / max(len(looked_at), 1))

    return int(measure(value, is_root=True))


def _is_data(one: object) -> TypeGuard[Any]:
    return dataclasses.is_dataclass(one) and not isinstance(one, type)


def _owner(array: NDArray[Any]) -> NDArray[Any] | None:
    """The array whose memory this one looks into; None where that is a file's."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return None if isinstance(array.base, mmap.mmap) else array
