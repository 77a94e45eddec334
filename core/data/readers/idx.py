"""idx files (LeCun, Cortes and Burges: the MNIST database), gzipped or not: a pair of images and labels."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from core.data.problems import ProblemLog
from core.data.readers.base import Hints, Recognised, Record, reader, split_of
from core.errors import BadInput

_BLOCK_BYTES = 4 << 20
_LARGEST_IMAGE = 64_000_000
_MOST_GROWTH, _SMALL = 200, 64 << 20
_MOST_LABELS = 1 << 28
_NAME = re.compile(r"(images|labels)[-_.]idx[1-4][-_.]ubyte")
_MEND = "Fetch the file again: it is cut short or altered."


class _Bounded(gzip.GzipFile):
    """A gzip file that stops being read where it has grown beyond belief: a zip bomb."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._most = _MOST_GROWTH * path.stat().st_size + _SMALL

    def read(self, size: int | None = -1) -> bytes:
        return self._checked(super().read(self._most + 1 if size is None or size < 0 else size))

    def readline(self, size: int | None = -1) -> bytes:
        return self._checked(super().readline(self._most + 1 if size is None or size < 0 else size))

    def _checked(self, block: bytes) -> bytes:
        if self.tell() > self._most:
            raise OSError(f"it grows more than {_MOST_GROWTH}-fold when unpacked: a zip bomb")
        return block


def opened(path: Path) -> IO[bytes]:
    """The file, unzipped on the way (as far as that is no bomb) when its first bytes say gzip."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return _Bounded(path) if zipped else path.open("rb")  # type: ignore[return-value]


def header(path: Path) -> tuple[int, ...] | None:
    """The dimensions that an idx file of unsigned bytes announces; None when it is no such file."""
    try:
        with opened(path) as file:
            start = file.read(4)
            if len(start) < 4 or start[:3] != b"\x00\x00\x08" or not 1 <= start[3] <= 4:
                return None
            sizes = file.read(4 * start[3])
            return struct.unpack(f">{start[3]}I", sizes) if len(sizes) == 4 * start[3] else None
    except (OSError, EOFError, zlib.error):
        return None


@reader("idx", "idx files", rank=10)
def recognise(source: Path, hints: Hints) -> Recognised | None:
    """A folder with pairs of idx files, or one of a pair."""
    if source.is_file() and header(source) is None and not _NAME.search(source.name):
        return None
    folder = source if source.is_dir() else source.parent
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if source.is_file():
        files = [path for path in files if path == source or (_stem(path) == _stem(source) and _is_idx(path))]
    names = {path.name for path in files}
    files = [path for path in files if path.suffix != ".gz" or path.stem not in names]  # kept in both forms
    shapes = {path: shape for path in files if (shape := header(path)) is not None}
    for path in files:
        if path not in shapes and _NAME.search(path.name):
            raise BadInput(f"{path.name} {_why_no_idx(path)}.", _MEND)
    pairs = []
    for path, shape in shapes.items():
        if len(shape) >= 3:
            labels = [p for p, s in shapes.items() if len(s) == 1 and _stem(p) == _stem(path)]
            pairs.append((path, labels[0] if labels else None))
    if not pairs:
        return None
    for path, _ in pairs:
        shape = shapes[path]
        if not 0 < math.prod(shape[1:]) <= _LARGEST_IMAGE or (len(shape) == 4 and shape[3] not in (1, 3)):
            size = " x ".join(str(n) for n in shapes[path][1:])
            raise BadInput(f"{path.name} announces images of {size} pixels.", _MEND)
    height, width = shapes[pairs[0][0]][1:3]
    return Recognised(
        format=f"idx, {height} x {width}",
        records=lambda log: (record for images, labels in pairs for record in _pair(images, labels, log)),
        classes=hints.classes,
        n_items=sum(shapes[images][0] for images, _ in pairs),
    )


def _stem(path: Path) -> str:
    """What a pair's names begin with: "train" of train-images-idx3-ubyte.gz."""
    return re.split(r"[-_.](?:images|labels)", path.name)[0]


def _is_idx(path: Path) -> bool:
    return header(path) is not None or _NAME.search(path.name) is not None


def _why_no_idx(path: Path) -> str:
    try:
        with opened(path) as file:
            start = file.read(4)
    except (OSError, EOFError, zlib.error) as error:
        return f"cannot be read ({error})"
    return (
        f"begins with the bytes {start.hex(' ')}; an idx file of bytes begins with 00 00 08 01 to 00 00 08 04"
    )


def _pair(images: Path, labels: Path | None, log: ProblemLog) -> Iterator[Record]:
    shape = header(images)
    assert shape is not None
    codes = _labels(labels, log) if labels is not None else None
    if codes is not None and len(codes) != shape[0]:
        log.add(
            str(labels and labels.name),
            None,
            f"{len(codes):,} labels for the {shape[0]:,} images of {images.name}.",
            "Give the two files that belong together; only the first ones of both can be used.",
        )
    split = split_of(images.name)
    prefix = split or images.name.split(".")[0]
    n_wanted = shape[0] if codes is None else min(shape[0], len(codes))
    pixels_each = math.prod(shape[1:])
    n_read = 0
    try:
        with opened(images) as file:
            file.read(4 + 4 * len(shape))
            while n_read < n_wanted:
                n_block = min(max(_BLOCK_BYTES // pixels_each, 1), n_wanted - n_read)
                block = file.read(pixels_each * n_block)
                n_whole = len(block) // pixels_each
                if not n_whole:
                    break
                whole = np.frombuffer(block, np.uint8, n_whole * pixels_each)
                for image in whole.reshape(n_whole, shape[1], shape[2], -1):
                    label = None if codes is None else int(codes[n_read])
                    yield Record(f"{prefix}-{n_read:05d}", label, image, images.name, n_read + 1, split)
                    n_read += 1
                if n_whole * pixels_each < len(block):
                    break
            file.read(1)  # a gzip file is checked where it ends
    except (OSError, EOFError, zlib.error) as error:
        log.add(images.name, n_read + 1, f"The file ends in the middle ({error}).", _MEND)
        return
    if n_read < n_wanted:
        log.add(images.name, n_read + 1, f"It announces {shape[0]:,} images and holds {n_read:,}.", _MEND)


def _labels(path: Path, log: ProblemLog) -> bytes:
    try:
        with opened(path) as file:
            (n,) = struct.unpack(">I", file.read(8)[4:])
            codes = file.read(min(n, _MOST_LABELS) + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        log.add(path.name, None, f"It cannot be read ({error}).", _MEND)
        return b""
    if len(codes) != n:
        log.add(path.name, len(codes) + 1, f"It announces {n:,} labels and holds {len(codes):,}.", _MEND)
    return codes
