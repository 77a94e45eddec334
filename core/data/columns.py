"""What an import gathers of each item beside its pixels, in bytes instead of objects: there may be millions.

A Python string takes some sixty bytes and its place in a set thirty more; here an id takes its own length and
eight bytes, and the check that ids are unique happens on disk.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from core.errors import StorageFailed
from core.files import atomic_writer, begin_array

BLOCK = 1 << 16
_CACHE_KILOBYTES = 65_536


class Texts(Sequence[str]):
    """Strings to which more are added, as one piece of UTF-8."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])
        self.has_words = False

    def append(self, text: str) -> None:
        """Add one."""
        self._bytes += text.encode()
        self._ends.append(len(self._bytes))
        self.has_words = self.has_words or bool(text)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            ends = self._ends[start : stop + 1]
            return [self._bytes[low:high].decode() for low, high in pairwise(ends)][::step]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return self._bytes[self._ends[index] : self._ends[index + 1]].decode()


def write_texts(path: Path, texts: Sequence[str]) -> None:
    """Write strings as an .npy array of fixed width, a block at a time. Raises StorageFailed."""
    width = max((max(map(len, part)) for part in _blocks(texts)), default=1)
    form = f"<U{max(width, 1)}"
    with atomic_writer(path) as file:
        begin_array(file, form, (len(texts),))
        for part in _blocks(texts):
            file.write(np.array(part, form).tobytes())


def joined(texts: NDArray[np.str_]) -> Iterator[bytes]:
    """The UTF-8 of the strings with newlines between them, a block at a time."""
    for start in range(0, len(texts), BLOCK):
        between = b"\n" if start else b""
        yield between + "\n".join(texts[start : start + BLOCK].tolist()).encode()


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK))


class Seen:
    """Which ids there were, kept on disk.

    Args:
        folder: Where; in memory when None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._place = str(folder / "ids.db") if folder is not None else ":memory:"
        self._database = sqlite3.connect(self._place, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            f"PRAGMA cache_size = -{_CACHE_KILOBYTES}",
            "CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID",
            "BEGIN",
        ):
            self._execute(statement)

    def add(self, item_id: str) -> bool:
        """Note an id; False when it was there before. Raises StorageFailed."""
        return self._execute("INSERT OR IGNORE INTO seen VALUES (?)", item_id).rowcount == 1

    def _execute(self, statement: str, *values: str) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageFailed(
                f"{self._place} could not be written ({error}).", "Free some space and try again."
            ) from error

    def close(self) -> None:
        """Give back the file and the memory."""
        self._database.close()
