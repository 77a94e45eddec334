"""Arrays in .npy files and in .npz archives, read in blocks of rows: memory does not grow with them.

Object arrays are pickles, and loading one can run any code: they are refused by their header, unread.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.files import READ_ERRORS

_MAGIC = b"\x93NUMPY"
_BLOCK_BYTES = 2 << 20
_LARGEST_WHOLE = 2 << 30
_BOMB_BYTES, _BOMB_RATIO = 64 << 20, 200
_MEND = "Save or fetch it again."


@dataclass(frozen=True, slots=True)
class StoredArray:
    """One array on disk, of which only the header has been read.

    Attributes:
        path: The .npy or .npz file.
        member: Its name in the .npz, e.g. "x_train.npy"; None for a .npy file.
        shape: As the header says.
        dtype: Never of objects.
        fortran: Whether columns lie together instead of rows.
    """

    path: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def key(self) -> str:
        """Its name without suffix: "x_train"."""
        return (self.member or self.path.name).removesuffix(".npy")

    @property
    def name(self) -> str:
        """Its name for messages: "x.npy", or "data.npz:x"."""
        return self.path.name if self.member is None else f"{self.path.name}:{self.key}"

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Its rows in order, some megabytes at a time; a file that is cut short just ends early.

        Raises:
            BadInput: The file cannot be read on.
        """
        if self.fortran:
            yield self.whole()
            return
        row_bytes = max(math.prod(self.shape[1:]) * self.dtype.itemsize, 1)
        n_left = self.shape[0]
        try:
            with self._after_header() as file:
                while n_left:
                    block = file.read(row_bytes * min(max(_BLOCK_BYTES // row_bytes, 1), n_left))
                    n_rows = len(block) // row_bytes
                    if n_rows == 0:
                        return
                    n_left -= n_rows
                    cells = np.frombuffer(block, self.dtype, n_rows * math.prod(self.shape[1:]))
                    yield cells.reshape(n_rows, *self.shape[1:])
        except READ_ERRORS as error:
            raise BadInput(f"{self.name} is damaged ({error}).", _MEND) from None

    def whole(self) -> NDArray[Any]:
        """All of it; for labels, which are small. Raises BadInput when it is damaged or too large."""
        n_bytes = math.prod(self.shape) * self.dtype.itemsize
        if n_bytes > _LARGEST_WHOLE:
            how = "lies column by column" if self.fortran else "is no array of labels"
            raise BadInput(f"{self.name} {how} and has {n_bytes:,} bytes.", "Save it with order='C'.")
        try:
            with self._after_header() as file:
                cells = np.frombuffer(file.read(n_bytes), self.dtype)
            return cells.reshape(self.shape, order="F" if self.fortran else "C")
        except READ_ERRORS as error:
            raise BadInput(f"{self.name} is damaged ({error}).", _MEND) from None

    def _after_header(self) -> IO[bytes]:
        file = _opened(self.path, self.member)
        _header(file)
        return file


def arrays_in(path: Path) -> list[StoredArray]:
    """The arrays in a .npy or .npz file, known by its content; none when it is neither.

    Raises:
        BadInput: It is damaged, a bomb, or holds pickled objects.
    """
    try:
        with path.open("rb") as file:
            start = file.read(6)
        if start == _MAGIC:
            return [_array(path, None)]
        if start[:1] == b"\x80" and path.suffix == ".npy":
            raise _pickled(path.name)
        if start[:2] != b"PK":
            return []
        with zipfile.ZipFile(path) as zipped:
            members = [info for info in zipped.infolist() if info.filename.endswith(".npy")]
        for info in members:
            if info.file_size > _BOMB_BYTES and info.file_size > _BOMB_RATIO * max(info.compress_size, 1):
                said = (
                    f"{path.name}:{info.filename} grows {info.file_size // max(info.compress_size, 1):,}-fold"
                )
                raise BadInput(f"{said} when unpacked: a zip bomb.", "Do not trust this file.")
        return [_array(path, info.filename) for info in members]
    except READ_ERRORS as error:
        raise BadInput(f"{path.name} is damaged ({error}).", _MEND) from None


def _array(path: Path, member: str | None) -> StoredArray:
    with _opened(path, member) as file:
        shape, fortran, dtype = _header(file)
    if dtype.hasobject:
        raise _pickled(path.name if member is None else f"{path.name}:{member}")
    return StoredArray(path, member, shape, dtype, fortran)


def _pickled(name: str) -> BadInput:
    return BadInput(
        f"{name} holds pickled objects; loading those can run any code, so it was not.",
        "Save plain arrays: np.save(file, array.astype('uint8')).",
    )


def _opened(path: Path, member: str | None) -> IO[bytes]:
    if member is None:
        return path.open("rb")
    # The member keeps the archive's file open until it is closed itself.
    with zipfile.ZipFile(path) as zipped:
        return zipped.open(member)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)
