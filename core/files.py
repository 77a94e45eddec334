"""Small file habits that everything on disk relies on: atomic writes, hashes, locks, confined paths."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import mmap
import os
import secrets
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.bounded import MOST_BYTES, parse_json, read_at_most, read_bytes
from core.errors import BadInput, DamagedFile, NotAllowed, StorageFailed
from core.json_text import json_text

Json = dict[str, Any]
READ_ERRORS = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, NotImplementedError),
    *(MemoryError, OverflowError, SyntaxError, tokenize.TokenError, zlib.error, zipfile.BadZipFile),
)
"""What NumPy and zipfile raise where the bytes of an .npy or .npz file make no sense."""


@contextlib.contextmanager
def atomic_writer(path: Path, *, private: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path``; on success it is fsynced and renamed over ``path``.

    A reader sees the old content or the new, never half of one. On an error the temporary file is
    removed and ``path`` is as it was.

    Args:
        private: Only the user whose process it is may read it; else who may is up to the umask, so that a
            team can share a workspace.

    Raises:
        StorageFailed: The disk is full, read-only or gone.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    except OSError as error:
        raise storage_failed(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise storage_failed(path, error) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Let a rename in it outlive a loss of power, where the system has that for folders.

    What is asked for is there already under its name, so a refusal is no failure of the write.
    """
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Say as StorageFailed that ``path`` could not be written, where the block meets an OSError."""
    try:
        yield
    except OSError as error:
        raise storage_failed(path, error) from error


def delete_file(path: Path) -> None:
    """Delete a file, if it is there. Raises StorageFailed."""
    with storing(path):
        path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those that it lies in, where they are not there. Raises StorageFailed."""
    with storing(path):
        path.mkdir(parents=True, exist_ok=True)


def storage_failed(path: Path, error: OSError) -> StorageFailed:
    """The error to raise when writing ``path`` failed with ``error``."""
    mends = {
        errno.ENOSPC: "The disk is full: free some space and try again.",
        errno.EDQUOT: "The disk quota is used up: free some space and try again.",
        errno.EFBIG: "Files may not grow that far here (ulimit -f, or the file system): raise that bound.",
        errno.EROFS: "The disk is read-only: set TIDYSET_WORKSPACE to a folder that can be written.",
        errno.EACCES: "Permission was denied: set TIDYSET_WORKSPACE to a folder you may write to.",
        errno.EPERM: "Permission was denied: set TIDYSET_WORKSPACE to a folder you may write to.",
    }
    mend = mends.get(error.errno or 0, "What was saved before is untouched.")
    return StorageFailed(f"{path} could not be written ({error.strerror or error}).", mend)


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write ``content`` atomically, as ``atomic_writer`` does. Raises StorageFailed."""
    with atomic_writer(path, private=private) as file:
        file.write(content)


def write_json(path: Path, value: Json, *, private: bool = False) -> None:
    """Write ``value`` as indented JSON, as ``atomic_writer`` does. Raises StorageFailed."""
    write_bytes(path, (json_text(value, indent=1) + "\n").encode(), private=private)


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Json:
    """Read a JSON object. Raises DamagedFile (which names the file) when it is none, or has more bytes."""
    try:
        value = parse_json(read_bytes(path, most_bytes))
    except (OSError, ValueError) as error:
        raise DamagedFile(
            f"{path} cannot be read ({error}).", "Restore it from a copy, or delete its folder."
        ) from error
    if not isinstance(value, dict):
        raise DamagedFile(f"{path} holds no JSON object.", "Restore it from a copy, or delete its folder.")
    return value


def read_result(path: Path, **kinds: type) -> Json:
    """What a job has written, a JSON object with a value of its kind under each of these names.

    Raises:
        DamagedFile: It is none; the message names the file and what it lacks.
    """
    value = read_json(path)
    wrong = [name for name, kind in kinds.items() if not isinstance(value.get(name), kind)]
    if wrong:
        raise DamagedFile(f"{path} lacks or garbles {', '.join(wrong)}.", "Run it again.")
    return value


def read_limited(path: Path, most_bytes: int) -> bytes:
    """The content of a person's file that is read as a whole, unless it is larger than makes sense.

    Raises:
        BadInput: It is larger: read whole it could take all memory.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = read_at_most(file, most_bytes + 1)
    if len(content) > most_bytes:
        raise BadInput(
            f"{path.name} has more than {most_bytes:,} bytes.",
            "Divide it, or check that it is the right file.",
        )
    return content


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as .npy, atomically; object arrays are refused, so nothing is ever pickled."""
    with atomic_writer(path) as file:
        np.save(file, array, allow_pickle=False)


def begin_array(file: IO[bytes], dtype: str, shape: tuple[int, ...]) -> None:
    """Write the head of an .npy file, whose rows then follow block by block, each as ``tobytes`` gives it."""
    about = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)


def read_array(path: Path, *, mmap: bool = True) -> NDArray[Any]:
    """Read a .npy file (as a read-only memory map by default). Raises DamagedFile."""
    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)  # type: ignore[no-any-return]
    except READ_ERRORS as error:
        raise DamagedFile(
            f"{path} cannot be read ({error}).", "Restore it from a copy, or import again."
        ) from error


def let_go(array: NDArray[Any]) -> None:
    """Take a mapped file's pages out of this process's memory after a pass over it; it can be read as before.

    The kernel would do so itself when memory is short, but until then a server seems to hold the whole file.
    """
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def read_arrays(
    path: Path, names: Sequence[str] | None = None, optional: Sequence[str] = (), mend: str = ""
) -> dict[str, NDArray[Any]]:
    """The named arrays of a .npz file, or all; of the optional those that are there. Raises DamagedFile."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            there = [name for name in optional if name in stored]
            found = {name: stored[name] for name in (stored.files if names is None else [*names, *there])}
        for name, array in found.items():
            if not isinstance(array, np.ndarray):  # NumPy gives the bytes of a member that is no array
                raise ValueError(f"{name} is no array")
        return found
    except READ_ERRORS as error:
        raise DamagedFile(f"{path} cannot be read ({error}).", mend or "Delete it.") from error


def digest(*parts: object) -> str:
    """A 32-character hexadecimal BLAKE2b hash of ``parts``: the key of everything derived.

    Arrays count with dtype, shape and content, bytes as they are, an iterator of bytes as those bytes in one;
    other values as canonical JSON. The order matters.
    """
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype.str}{part.shape}".encode())
            state.update(np.ascontiguousarray(part).data)
        elif isinstance(part, bytes):
            state.update(part)
        elif isinstance(part, Iterator):
            for piece in part:
                state.update(piece)
        else:
            state.update(json.dumps(part, sort_keys=True, ensure_ascii=False, default=str).encode())
        state.update(b"\x1f")
    return state.hexdigest()


def confined(root: Path, relative: str | Path) -> Path:
    """``root / relative``, resolved. Raises NotAllowed when it leads out of ``root``."""
    base = root.resolve()
    path = (base / relative).resolve()
    if path != base and base not in path.parents:
        raise NotAllowed(f"{relative} leads out of {root}.", "Use a path inside that folder.")
    return path
