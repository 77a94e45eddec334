"""Tar archives read as one stream, packed or not, in bounded memory.

Python's tarfile reads a long name or a pax header whole before anybody can look at its size, and a few
packed bytes can hold gigabytes. Here what comes out of the decompressor is counted, and a header's size is
looked at first.
"""

from __future__ import annotations

import bz2
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

MOST_HEADER_BYTES = 1 << 20
"""Of a long name or a pax header: a path has at most some thousand bytes."""
MOST_XZ_BYTES = 256 << 20
"""Memory that an .xz file may ask for; its strongest preset needs 65 MiB."""
_BLOCK, _CHUNK = tarfile.BLOCKSIZE, 1 << 16
_LONG_NAME, _LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_GLOBAL = tarfile.XGLTYPE
_DECOMPRESSORS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=MOST_XZ_BYTES),
}


class TooMuch(Exception):
    """More came out than the archive may hold."""


class Unpacked:
    """The bytes of a file, unpacked where it is packed; at most ``most_bytes`` of them come out.

    Raises:
        TooMuch: More than ``most_bytes`` came out.
        OSError, zlib.error, lzma.LZMAError, EOFError: The file is damaged or cannot be read.
    """

    def __init__(self, file: IO[bytes], most_bytes: float) -> None:
        self._file = file
        start = file.read(6)
        file.seek(0)
        self._new = next((new for magic, new in _DECOMPRESSORS.items() if start.startswith(magic)), None)
        self._decompressor = self._new() if self._new else None
        self._waiting = b""
        self._left = most_bytes

    def read(self, n: int) -> bytes:
        """The next ``n`` bytes, fewer at the end."""
        parts = []
        while n > 0 and (part := self._some(min(n, _CHUNK))):
            parts.append(part)
            n -= len(part)
            self._left -= len(part)
            if self._left < 0:
                raise TooMuch
        return b"".join(parts)

    def skip(self, n: int) -> None:
        """Pass ``n`` bytes over. Raises EOFError where there are fewer."""
        while n > 0:
            part = self.read(min(n, _CHUNK))
            if not part:
                raise EOFError("it is cut short")
            n -= len(part)

    def _some(self, n: int) -> bytes:
        if self._decompressor is None:
            return self._file.read(n)
        while True:
            if self._decompressor.eof and not self._begin_next():
                return b""
            packed = self._packed() if getattr(self._decompressor, "needs_input", True) else None
            part: bytes = self._decompressor.decompress(packed or b"", n)
            if self._decompressor.eof:
                self._waiting = self._decompressor.unused_data
            else:  # of zlib; the others keep what they did not look at
                self._waiting = getattr(self._decompressor, "unconsumed_tail", b"")
            if part:
                return part
            if packed == b"" and not self._decompressor.eof:
                raise EOFError("it is cut short")

    def _packed(self) -> bytes:
        packed, self._waiting = self._waiting or self._file.read(_CHUNK), b""
        return packed

    def _begin_next(self) -> bool:
        """Whether another packed stream follows, not padding or the end; it is begun."""
        packed = self._packed()
        if not packed.strip(b"\0"):
            return False
        assert self._new is not None
        self._decompressor, self._waiting = self._new(), packed
        return True


@dataclass(frozen=True, slots=True)
class TarMember:
    """One entry of a tar archive; ``read`` is good until the next entry is asked for."""

    name: str
    size: int
    is_file: bool
    is_folder: bool
    read: Callable[[int], bytes]


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, packed or not: its first 512 bytes are a header with a right sum."""
    try:
        with path.open("rb") as file:
            start = Unpacked(file, 1 << 20).read(_BLOCK)
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except (*DAMAGED, TooMuch):
        return False
    return True


DAMAGED = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, tarfile.TarError)
"""What reading a damaged archive raises."""


def tar_members(file: IO[bytes], most_bytes: float) -> Iterator[TarMember]:
    """The entries of a tar archive in their order.

    Raises:
        TooMuch: More than ``most_bytes`` come out, headers and padding too.
        tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError: It is damaged.
    """
    stream = Unpacked(file, most_bytes)
    shared: dict[str, str] = {}
    while (header := _next_header(stream, shared)) is not None:
        content = _Content(stream, header.size if header.isreg() or header.type not in _WITHOUT else 0)
        yield TarMember(
            header.name, content.left, header.isreg() and not header.issparse(), header.isdir(), content.read
        )
        stream.skip(content.left + content.padding)


_WITHOUT = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
"""Entries without content, whatever size they name."""


class _Content:
    """The bytes of one entry."""

    def __init__(self, stream: Unpacked, size: int) -> None:
        self._stream = stream
        self.left = size
        self.padding = -size % _BLOCK

    def read(self, n: int) -> bytes:
        part = self._stream.read(min(n, self.left))
        self.left -= len(part)
        return part


def _next_header(stream: Unpacked, shared: dict[str, str]) -> tarfile.TarInfo | None:
    """The header of the next real entry, with what the entries before it say of it; None at the end."""
    own: dict[str, str] = {}
    while True:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK or not block.strip(b"\0"):
            return None  # what follows the end, none or padding, is not looked at
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if header.size < 0:
            raise tarfile.ReadError("an entry has a negative size")
        if header.type in (_LONG_NAME, _LONG_LINK):
            name = _extended(stream, header).partition(b"\0")[0]
            if header.type == _LONG_NAME:
                own["path"] = os.fsdecode(name)
        elif header.type == _GLOBAL:
            shared.update(_pax_records(_extended(stream, header)))
        elif header.type in _PAX:
            own.update(_pax_records(_extended(stream, header)))
        else:
            return _completed(header, {**shared, **own})


def _extended(stream: Unpacked, header: tarfile.TarInfo) -> bytes:
    if header.size > MOST_HEADER_BYTES:
        raise tarfile.ReadError(f"a header of {header.size:,} bytes, where names have some thousand")
    content = stream.read(header.size)
    stream.skip(-header.size % _BLOCK)
    return content


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    """(key, value) of records "LENGTH KEY=VALUE" with a line end, by POSIX.1-2001."""
    while content.strip(b"\0"):
        digits, blank, _ = content[:12].partition(b" ")
        if not blank or not digits.isdigit() or not len(digits) + 2 < int(digits) <= len(content):
            raise tarfile.ReadError("a pax header that cannot be read")
        key, _, value = content[len(digits) + 1 : int(digits) - 1].partition(b"=")
        yield key.decode("utf-8", "replace"), os.fsdecode(value)
        content = content[int(digits) :]


def _completed(header: tarfile.TarInfo, said: dict[str, str]) -> tarfile.TarInfo:
    if "path" in said:
        header.name = said["path"].rstrip("/")
    if said.get("size", "").isdecimal() and len(said["size"]) < 20:
        header.size = int(said["size"])
    if any(key.startswith("GNU.sparse.") for key in said):
        header.type = tarfile.GNUTYPE_SPARSE
    return header
