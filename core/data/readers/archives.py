"""Zip and tar archives, unpacked with bounds: no path out of the folder, no links, no bomb."""

from __future__ import annotations

import errno
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from core.data.problems import ProblemLog
from core.data.readers.tar_stream import DAMAGED, TarMember, TooMuch, is_tar, tar_members
from core.errors import NotAllowed
from core.files import confined, storage_failed


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an archive may hold.

    Attributes:
        n_files: Members at most.
        total_bytes: Of all members, unpacked; the free space of the disk is a bound too.
        ratio: Unpacked to packed size, of a member above ``ratio_from_bytes`` and of the whole.
        ratio_from_bytes: Below this size nothing counts as a bomb.
    """

    n_files: int = 5_000_000
    total_bytes: int = 200 << 30
    ratio: float = 200.0
    ratio_from_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive that is no folder.

    Attributes:
        packed: Bytes it takes in the archive; for tar, which packs all together, those of the archive.
        size: Bytes it announces to have unpacked.
        regular: Whether it is a file, not a link or a device.
        open: Opens its content; good until the next member is asked for.
    """

    name: str
    packed: int
    size: int
    regular: bool
    open: Callable[[], Content]


class Content(Protocol):
    """What is read of a member."""

    def read(self, n: int, /) -> bytes:
        """The next ``n`` bytes, fewer at the end."""


_DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, *(e for e in DAMAGED if e is not OSError))
"""RuntimeError: it needs a password. OSError is of the disk, or of the archive where that is read."""
_UNPACK_MEND = "Unpack it yourself, and import the folder."
_LEAVE = "Fetch the archive again, or leave the file out."


def is_archive(path: Path) -> bool:
    """Whether a file is a zip (but no .npz) or tar archive, judged by its first bytes alone."""
    if not path.is_file() or path.suffix == ".npz":
        return False
    return _is_zip(path) or is_tar(path)


def _is_zip(path: Path) -> bool:
    """Whether it begins as a zip: a picture with a zip behind it is a picture."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\3\4", b"PK\5\6")
    except OSError:
        return False


def unpack(
    archive: Path,
    folder: Path,
    log: ProblemLog,
    bounds: Bounds = Bounds(),
    wanted: Callable[[Member], bool] = lambda member: True,
) -> Path:
    """Unpack into ``folder``; what may not come out is noted and left packed. Returns the folder to read.

    A single top folder that wraps everything is stepped into.

    Args:
        wanted: Which members to unpack.

    Raises:
        StorageFailed: The disk is full.
    """
    n_files = total = 0
    largest_total = min(bounds.total_bytes, shutil.disk_usage(folder).free)
    most_unpacked = bounds.ratio * archive.stat().st_size + 64 * bounds.ratio_from_bytes
    try:
        with _members(archive, most_unpacked, bounds) as found:
            for member in found:
                n_files += 1
                total += member.size
                problem = _whole_problem(n_files, total, largest_total, most_unpacked, bounds)
                if problem is not None:
                    log.add(archive.name, n_files, *problem)
                    break
                if _is_litter(member.name) or not wanted(member):
                    continue
                problem = _member_problem(member, bounds)
                if problem is not None:
                    log.add(archive.name, n_files, *problem)
                else:
                    _extract(member, folder, log, archive.name, n_files)
    except TooMuch:
        log.add(archive.name, n_files + 1, *_bomb(bounds))
    except (*_DAMAGED, _UnknownNames) as error:
        said = f"The archive is damaged from here on ({error})."
        mend = "Fetch it again."
        if isinstance(error, _UnknownNames):
            said, mend = str(error), f"Pack it with UTF-8 names. {_UNPACK_MEND}"
        log.add(archive.name, n_files + 1, said, mend)
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _is_litter(name: str) -> bool:
    """Whether macOS added it for itself; it counts for all bounds, and is not unpacked."""
    parts = PurePosixPath(name).parts
    return not parts or "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store"


def _bomb(bounds: Bounds) -> tuple[str, str]:
    return (
        f"It grows more than {bounds.ratio:.0f}-fold when unpacked: a zip bomb.",
        "Do not trust this archive.",
    )


def _whole_problem(
    n_files: int, total: int, largest_total: int, most_unpacked: float, bounds: Bounds
) -> tuple[str, str] | None:
    if n_files > bounds.n_files:
        return f"It holds more than {bounds.n_files:,} files.", _UNPACK_MEND
    if total > most_unpacked:
        return _bomb(bounds)
    if total > largest_total:
        return f"It unpacks to more than {largest_total / (1 << 30):.1f} GiB.", _UNPACK_MEND
    return None


def _member_problem(member: Member, bounds: Bounds) -> tuple[str, str] | None:
    if not member.regular:
        return f"{member.name} is a link or a device.", "Pack the file itself."
    growth = member.size / max(member.packed, 1)
    if member.size > bounds.ratio_from_bytes and growth > bounds.ratio:
        return (
            f"{member.name} grows {growth:,.0f}-fold when unpacked: a zip bomb.",
            "Do not trust this archive.",
        )
    return None


def _extract(member: Member, folder: Path, log: ProblemLog, archive: str, number: int) -> None:
    """Write one member below ``folder``, or note why not."""
    try:
        target = confined(folder, member.name)
    except (NotAllowed, ValueError):
        log.add(archive, number, f"{member.name} leads out of the folder.", "Do not trust this archive.")
        return
    try:
        if target.exists():
            log.add(archive, number, f"{member.name} occurs twice.", "Keep one of them.")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            try:
                _copy(member.open(), out, member.size)
                return
            except TooMuch:
                target.unlink()
                raise
            except _DAMAGED as error:
                log.add(archive, number, f"{member.name} cannot be unpacked ({error}).", _LEAVE)
        target.unlink()
    except (FileExistsError, NotADirectoryError):
        log.add(archive, number, f"{member.name} lies below a file.", _LEAVE)
    except (OSError, UnicodeEncodeError) as error:
        if not isinstance(error, OSError) or error.errno in _NAME_ERRORS:
            said = f"{_short(member.name)} cannot be the name of a file here."
            log.add(archive, number, said, "Give it a shorter or plainer name, or leave it out.")
            return
        raise storage_failed(target, error) from error


_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)


def _short(name: str) -> str:
    return repr(name if len(name) <= 120 else f"{name[:60]}...{name[-50:]}")


def _copy(content: Content, out: IO[bytes], size: int) -> None:
    """Copy; a member that is longer or shorter than it announced is an error."""
    left = size
    while block := content.read(1 << 20):
        left -= len(block)
        if left < 0:
            raise zipfile.BadZipFile("it is longer than announced")
        out.write(block)
    if left:
        raise zipfile.BadZipFile("it is shorter than announced")


@contextmanager
def _members(archive: Path, most_unpacked: float, bounds: Bounds) -> Iterator[Iterator[Member]]:
    """All files in an archive, without its folders."""
    if _is_zip(archive):
        _check_directory(archive, bounds)
        with zipfile.ZipFile(archive) as zipped:
            yield _zip_members(zipped)
        return
    packed = archive.stat().st_size
    with archive.open("rb") as file:
        yield (
            Member(found.name, packed, found.size, found.is_file, partial(_itself, found))
            for found in tar_members(file, most_unpacked)
            if not found.is_folder
        )


def _zip_members(zipped: zipfile.ZipFile) -> Iterator[Member]:
    listed = zipped.infolist()
    names = _zip_names(listed)
    for info, name in zip(listed, names, strict=True):
        if not name.endswith("/"):
            link = (info.external_attr >> 16) & 0o170000 == 0o120000
            yield Member(name, info.compress_size, info.file_size, not link, partial(_Opened, zipped, info))


def _itself(member: TarMember) -> Content:
    return member


class _Opened:
    """A member of a zip, opened once it is read and closed at its end."""

    def __init__(self, zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._file = zipped.open(info)

    def read(self, n: int) -> bytes:
        part = self._file.read(n)
        if not part:
            self._file.close()
        return part


MOST_ENTRY_BYTES = 64
"""Bytes of a zip's list of members per member that its bounds allow: an entry has 46 and its name."""


def _check_directory(archive: Path, bounds: Bounds) -> None:
    """Look at the size of a zip's list of members before it is read: each becomes an object in memory.

    Raises:
        zipfile.BadZipFile: It is longer than a sound one of so many files.
    """
    n_bytes = archive.stat().st_size
    with archive.open("rb") as file:
        file.seek(max(0, n_bytes - (1 << 16) - 22 - 76))
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    size = struct.unpack_from("<L", tail, at + 12)[0] if 0 <= at <= len(tail) - 22 else 0
    at_64 = tail.rfind(b"PK\6\6", 0, max(at, 0))
    if size == 0xFFFFFFFF and 0 <= at_64 <= len(tail) - 56:
        size = struct.unpack_from("<Q", tail, at_64 + 40)[0]
    if size > max(MOST_ENTRY_BYTES * bounds.n_files, 1 << 20):
        raise zipfile.BadZipFile(f"its list of members has {size:,} bytes")


class _UnknownNames(Exception):
    """Names of which nobody knows the encoding."""


_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
_LATIN_OF = {
    "cp437": frozenset(range(0x80, 0xA6)),
    "cp1252": frozenset({0x8A, 0x8C, 0x8E, 0x9A, 0x9C, 0x9E, 0x9F, *range(0xC0, 0x100)} - {0xD7, 0xF7}),
}
"""The bytes that are letters of Western languages; those of one are frames and signs in the other."""


def _zip_names(listed: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The members' names with / between folders, in the encoding that fits all of them.

    Where the flag for UTF-8 is not set the standard says cp437; most tools wrote UTF-8 or Windows' own.

    Raises:
        _UnknownNames: They may be of several encodings.
    """
    names: list[str | None] = [_told_name(info) for info in listed]
    untold = [
        info.orig_filename.encode("cp437") for info, name in zip(listed, names, strict=True) if name is None
    ]
    encoding = _encoding_of(untold)
    decoded = iter(untold)
    found = [next(decoded).decode(encoding) if name is None else name for name in names]
    if not any("/" in name for name in found):  # old Windows tools
        found = [name.replace("\\", "/") for name in found]
    return [name.partition("\0")[0] for name in found]


def _told_name(info: zipfile.ZipInfo) -> str | None:
    """A member's name where its encoding is known; None where it is not."""
    if info.flag_bits & _UTF8_FLAG or info.orig_filename.isascii():
        return info.orig_filename
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == _UNICODE_PATH and 5 < length <= len(extra) - 4:
            with_name = extra[9 : 4 + length]
            return with_name.decode("utf-8", "replace")
        extra = extra[4 + length :]
    return None


def _encoding_of(names: Sequence[bytes]) -> str:
    try:
        for name in names:
            name.decode("utf-8")
    except UnicodeDecodeError:
        used = {byte for name in names for byte in name if byte >= 0x80}
        fits = [encoding for encoding, letters in _LATIN_OF.items() if used <= letters]
        if len(fits) != 1:
            example = names[0].decode("ascii", "backslashreplace")
            raise _UnknownNames(f"Its names are in an encoding that it does not name: {example!r}.") from None
        return fits[0]
    return "utf-8"
