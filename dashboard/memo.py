"""Results that the server remembers, shared by all sessions: ``@remembered()`` on the function of each.

They share one budget in bytes, and the least recently used goes first: ``st.cache_resource`` bounds the
number of entries only, and one entry here may be a hundred bytes or a hundred megabytes. Knows no Streamlit,
so that routes may use it too.
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
from enum import Enum
from pathlib import Path
from typing import Any, ParamSpec, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.data import catalog
from core.data.dataset import Dataset, dataset_folder
from core.data.findings import Duplicates, find_duplicates
from core.evaluation.of_run import predictions_of
from core.evaluation.predictions import Predictions
from core.labels.versions import LabelState, LabelVersion, labels_at, newest_version
from core.runs.store import Run
from core.workspace import Workspace, check_name

P = ParamSpec("P")
R = TypeVar("R")

MOST_BYTES = int(float(os.environ.get("TIDYSET_MEMORY_MB", 400)) * 2**20)
_LOOKED_AT = 64
"""Of a long list so many members, evenly spread, are measured, and the rest taken to be alike."""


class Memory:
    """Results by key, in no more than some bytes together; a result larger than that is kept alone.

    Each key is computed by one thread at a time, the others wait for it. An error is not kept, nor is None.
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
                if found is not None:
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


def remembered(*, by_content: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Remember what a function returns, by all of its arguments.

    An argument counts with its ``cache_key``; numbers, words, paths and tuples count as they are. Those named
    ``on_...`` are only told of the progress and do not count. All that the result depends on must be an
    argument, or be read from one whose ``cache_key`` tells of it: a result read from the journal takes a
    LabelVersion. None ("not there yet") and errors are not remembered; nobody may change what is.

    Args:
        by_content: Data sets count with their ``content_key``: those of equal content share the result,
            whatever their names. Only for what follows from the pixels and the labels as given.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            counted = {name: one for name, one in given.arguments.items() if not name.startswith("on_")}
            keys = (_key_of(one, name, by_content=by_content) for name, one in counted.items())
            return MEMORY.get(
                (function.__module__, function.__qualname__, *keys), lambda: function(*args, **kwargs)
            )

        return wrapper

    return decorate


def _key_of(value: object, name: str, *, by_content: bool) -> Hashable:
    """What an argument counts as. Raises TypeError for one that cannot tell what it depends on."""
    if by_content and isinstance(value, Dataset):
        return Dataset, value.content_key
    if isinstance(value, tuple):
        return tuple, *(_key_of(one, name, by_content=by_content) for one in value)
    if isinstance(value, str | bytes | int | float | Path | Enum | None):
        return type(value), value  # 1, 1.0 and True are equal, and different arguments
    if not hasattr(value, "cache_key"):
        raise TypeError(f"{name!r} has no cache_key, so nothing can be remembered by {type(value).__name__}.")
    return type(value), _key_of(value.cache_key, name, by_content=by_content)


_opening = threading.Lock()


def opened(workspace: Workspace, name: str) -> Dataset:
    """The data set of that name, opened once until its folder is written anew.

    Raises NotFound, DamagedFile or BadInput, as core.data.catalog.open_dataset does.
    """
    check_name(name, "data set")
    if not _written(workspace, name):
        with _opening:  # two first visitors must not both put a built-in set into the workspace
            catalog.open_dataset(workspace, name)
    return _open(workspace, name, _written(workspace, name))


def _written(workspace: Workspace, name: str) -> tuple[int, ...]:
    try:
        about = (dataset_folder(workspace, name) / "dataset.json").stat()
    except OSError:
        return ()
    return about.st_mtime_ns, about.st_size, about.st_ino


@remembered()
def _open(workspace: Workspace, name: str, written: tuple[int, ...]) -> Dataset:
    return catalog.open_dataset(workspace, name)


def labels(workspace: Workspace, dataset: Dataset) -> LabelState:
    """The newest labels, until the next edit."""
    return _labels(workspace, dataset, newest_version(workspace, dataset))


@remembered()
def _labels(workspace: Workspace, dataset: Dataset, version: LabelVersion) -> LabelState:
    return labels_at(workspace, dataset, version.number)


@remembered()
def duplicates(dataset: Dataset, state: LabelState) -> Duplicates:
    """Exact duplicates in the whole set, under its labels."""
    return find_duplicates(dataset, np.arange(len(dataset)), state.current)


@remembered()
def predictions(run: Run) -> Predictions:
    """All of a run's predictions, read once until they are written anew. Raises NotFound or DamagedFile."""
    return predictions_of(run)


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
