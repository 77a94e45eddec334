"""Zip and tar archives, unpacked with bounds: no path out of the folder, no links, no bomb."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from core.data.problems import ProblemLog
from core.errors import NotAllowed
from core.files import confined


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an archive may hold.

    Attributes:
        n_files: Members at most.
        total_bytes: Of all members, unpacked.
        ratio: Unpacked to packed size, for members above a megabyte.
    """

    n_files: int = 5_000_000
    total_bytes: int = 200 << 30
    ratio: float = 200.0


def is_archive(path: Path) -> bool:
    """Whether a file is a zip (but no .npz) or tar archive, judged by its content."""
    if not path.is_file() or path.suffix == ".npz":
        return False
    return zipfile.is_zipfile(path) or (not _is_gzipped_single(path) and tarfile.is_tarfile(path))


def _is_gzipped_single(path: Path) -> bool:
    return path.suffix == ".gz" and not path.name.endswith((".tar.gz", ".tgz"))


def unpack(archive: Path, folder: Path, log: ProblemLog, bounds: Bounds = Bounds()) -> Path:
    """Unpack into ``folder``; what may not come out is noted and left packed. Returns the folder to read.

    A single top folder that wraps everything is stepped into.
    """
    n_files = total = 0
    try:
        for name, packed, size, regular, open_member in _members(archive):
            n_files += 1
            if n_files > bounds.n_files or total + size > bounds.total_bytes:
                limit = f"more than {bounds.n_files:,} files or {bounds.total_bytes >> 30} GiB"
                log.add(
                    archive.name,
                    None,
                    f"It unpacks to {limit}.",
                    "Unpack it yourself, and import the folder.",
                )
                break
            if size > 1 << 20 and size > bounds.ratio * max(packed, 1):
                said = f"{name} grows {size / max(packed, 1):,.0f}-fold when unpacked: a zip bomb."
                log.add(archive.name, n_files, said, "Do not trust this archive.")
                continue
            if not regular:
                log.add(archive.name, n_files, f"{name} is a link or a device.", "Pack the file itself.")
                continue
            try:
                target = confined(folder, name)
            except (NotAllowed, ValueError):
                log.add(
                    archive.name, n_files, f"{name} leads out of the folder.", "Do not trust this archive."
                )
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_member() as source, target.open("wb") as out:
                total += _copy_at_most(source, out, size)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
    ) as error:
        log.add(archive.name, n_files, f"The archive is damaged from here on ({error}).", "Fetch it again.")
    inside = [path for path in folder.iterdir() if not path.name.startswith(("__MACOSX", "."))]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


Member = tuple[str, int, int, bool, Callable[[], IO[bytes]]]


def _members(archive: Path) -> Iterator[Member]:
    """(name, packed bytes, unpacked bytes, whether a regular file, opens its content)."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if not info.is_dir():
                    link = (info.external_attr >> 16) & 0o170000 == 0o120000
                    yield (
                        info.filename,
                        info.compress_size,
                        info.file_size,
                        not link,
                        partial(zipped.open, info),
                    )
        return
    packed = archive.stat().st_size
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isdir():
                yield member.name, packed, member.size, member.isfile(), partial(_opened, tar, member)


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{member.name} is no regular file")
    return content


def _copy_at_most(source: IO[bytes], out: IO[bytes], size: int) -> int:
    """Copy; a member longer than it announced is an error."""
    shutil.copyfileobj(source, out, 1 << 20)
    if out.tell() > size:
        raise zipfile.BadZipFile("a member is longer than announced")
    return out.tell()
