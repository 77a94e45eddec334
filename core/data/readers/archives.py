"""Zip and tar archives, unpacked with bounds: no path out of the folder, no links, no bomb."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from core.data.problems import ProblemLog
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
        open: Opens its content.
    """

    name: str
    packed: int
    size: int
    regular: bool
    open: Callable[[], IO[bytes]]


_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
)
_UNPACK_MEND = "Unpack it yourself, and import the folder."
_LEAVE = "Fetch the archive again, or leave the file out."


def is_archive(path: Path) -> bool:
    """Whether a file is a zip (but no .npz) or tar archive, judged by its content."""
    if not path.is_file() or path.suffix == ".npz":
        return False
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except _DAMAGED:  # packed, and cut short before it says whether it is a tar
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
        for member in members(archive):
            n_files += 1
            total += member.size
            problem = _whole_problem(n_files, total, largest_total, most_unpacked, bounds)
            if problem is not None:
                log.add(archive.name, n_files, *problem)
                break
            problem = _member_problem(member, bounds)
            if problem is not None:
                log.add(archive.name, n_files, *problem)
            elif wanted(member):
                _extract(member, folder, log, archive.name, n_files)
    except _DAMAGED as error:
        said = f"The archive is damaged from here on ({error})."
        log.add(archive.name, n_files + 1, said, "Fetch it again.")
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _whole_problem(
    n_files: int, total: int, largest_total: int, most_unpacked: float, bounds: Bounds
) -> tuple[str, str] | None:
    if n_files > bounds.n_files:
        return f"It holds more than {bounds.n_files:,} files.", _UNPACK_MEND
    if total > most_unpacked:
        return (
            f"It grows more than {bounds.ratio:.0f}-fold when unpacked: a zip bomb.",
            "Do not trust this archive.",
        )
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
    if target.exists():
        log.add(archive, number, f"{member.name} occurs twice.", "Keep one of them.")
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            try:
                with member.open() as content:
                    _copy(content, out, member.size)
                return
            except (*_DAMAGED, RuntimeError) as error:  # RuntimeError: it needs a password
                log.add(archive, number, f"{member.name} cannot be unpacked ({error}).", _LEAVE)
        target.unlink()
    except (FileExistsError, NotADirectoryError):
        log.add(archive, number, f"{member.name} lies below a file.", _LEAVE)
    except OSError as error:
        raise storage_failed(target, error) from error


def _copy(content: IO[bytes], out: IO[bytes], size: int) -> None:
    """Copy; a member that is longer or shorter than it announced is an error."""
    left = size
    while block := content.read(1 << 20):
        left -= len(block)
        if left < 0:
            raise zipfile.BadZipFile("it is longer than announced")
        out.write(block)
    if left:
        raise zipfile.BadZipFile("it is shorter than announced")


def members(archive: Path) -> Iterator[Member]:
    """The files in an archive, without folders and what macOS adds for itself."""
    found = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
    for member in found:
        parts = PurePosixPath(member.name).parts
        if parts and "__MACOSX" not in parts and not parts[-1].startswith("._") and parts[-1] != ".DS_Store":
            yield member


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            if not info.is_dir():
                link = (info.external_attr >> 16) & 0o170000 == 0o120000
                opens = partial(zipped.open, info)
                yield Member(info.filename, info.compress_size, info.file_size, not link, opens)


def _tar_members(archive: Path) -> Iterator[Member]:
    packed = archive.stat().st_size
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isdir():
                opens = partial(_opened, tar, member)
                yield Member(member.name, packed, member.size, member.isfile(), opens)


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{member.name} is no regular file")
    return content
