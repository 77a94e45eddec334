"""CSV files of pixels: a label and H x W columns a row, with a header or without, gzipped or not.

Read in blocks of lines by pyarrow; only a block in which something is wrong is looked at cell by cell.
"""

from __future__ import annotations

import contextlib
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.problems import ProblemLog
from core.data.readers.base import Hints, Recognised, Record, cells_of, split_of
from core.data.readers.idx import opened

_BLOCK_BYTES = 16 << 20
_LONGEST_LINE, _LONGEST_START = 64 << 20, 4 << 20
_LABEL_NAMES = {"label", "labels", "class", "y", "target"}
_NO_LABEL = {"", "na", "nan", "n/a", "null", "none"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is what.

    Attributes:
        n_columns: Of each row.
        label: Index of the label's column, or None for pixels only.
        shape: (height, width).
        header: Whether the first line names the columns.
        scale: What brings the pixels to 0 to 255: 255 where the first rows are fractions from 0 to 1.
    """

    n_columns: int
    label: int | None
    shape: tuple[int, int]
    header: bool
    scale: float = 1.0


def recognise(source: Path, hints: Hints) -> Recognised | None:
    """One such file, or a folder of them (train.csv and test.csv, say)."""
    files = [source] if source.is_file() else sorted([*source.glob("*.csv"), *source.glob("*.csv.gz")])
    layouts = {path: layout for path in files if (layout := layout_of(path, hints)) is not None}
    if not layouts or len(layouts) < len(files):
        return None
    height, width = next(iter(layouts.values())).shape
    return Recognised(
        format=f"pixel CSV, {height} x {width}",
        records=lambda log: (r for path, layout in layouts.items() for r in _rows(path, layout, log)),
        classes=hints.classes,
    )


def layout_of(path: Path, hints: Hints) -> Layout | None:
    """The layout, judged by the first two lines; None when the file is no pixel CSV."""
    try:
        with opened(path) as file:
            start = [file.readline(_LONGEST_START).decode("utf-8-sig") for _ in range(2)]
    except (OSError, UnicodeDecodeError, EOFError, zlib.error):
        return None
    lines = [cells_of(line) for line in start if line.strip()]
    if not lines or len(lines[0]) < 5:
        return None
    header = not _is_number(lines[0][1])
    if header and (len(lines) < 2 or not _is_number(lines[1][1])):
        return None
    n = len(lines[0])
    label: int | None = 0
    if header:
        named = [i for i, name in enumerate(lines[0]) if name.strip().lower() in _LABEL_NAMES]
        label = named[0] if named else (None if side_of(n, hints) else 0)
    elif side_of(n, hints) and not side_of(n - 1, hints):
        label = None
    shape = side_of(n - (label is not None), hints)
    if shape is None:
        return None
    return Layout(n, label, shape, header, _scale(path, label, header))


def _scale(path: Path, label: int | None, header: bool) -> float:
    lines: list[bytes] = []
    with contextlib.suppress(OSError, EOFError, zlib.error), opened(path) as file:  # reading on says it
        lines.extend(file.readline(_LONGEST_START) for _ in range(256 + header))
    lines = lines[header:]
    cells = [
        cell
        for line in lines
        for i, cell in enumerate(line.decode("utf-8", errors="replace").split(","))
        if i != label
    ]
    numbers = [float(cell) for cell in cells if _is_number(cell)]
    fractions = any("." in cell or "e" in cell.lower() for cell in cells)
    return 255.0 if fractions and max((x for x in numbers if x == x), default=2.0) <= 1 else 1.0


def side_of(n_pixels: int, hints: Hints) -> tuple[int, int] | None:
    """(height, width) of a row of pixels: what was told, else a square; None when neither fits."""
    if hints.shape is not None:
        return hints.shape if math.prod(hints.shape) == n_pixels else None
    side = math.isqrt(n_pixels)
    return (side, side) if side * side == n_pixels and side >= 2 else None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _rows(path: Path, layout: Layout, log: ProblemLog) -> Iterator[Record]:
    split = split_of(path.name)
    prefix = split or path.name.split(".")[0]
    row = 1 + layout.header
    try:
        for block, n_lines in _blocks(path, layout.header):
            for at, label, pixels in _parse(block, row, path.name, layout, log):
                item = f"{prefix}-{at - 1 - layout.header:05d}"
                yield Record(item, label, pixels, path.name, at, split)
            row += n_lines
    except (OSError, EOFError, zlib.error) as error:
        log.add(
            path.name, row, f"It cannot be read on ({error}).", "Fetch it again: it is cut short or altered."
        )


def _blocks(path: Path, header: bool) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole lines, and how many lines each has."""
    with opened(path) as file:
        if header:
            file.readline(_LONGEST_LINE)
        rest = b""
        while block := file.read(_BLOCK_BYTES):
            block = rest + block
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if len(rest) > _LONGEST_LINE:
                raise EOFError(f"a line is longer than {_LONGEST_LINE >> 20} MB")
            if end:
                yield block[:end], block.count(b"\n", 0, end)
        if rest.strip():
            yield rest, 1


Parsed = tuple[int, int | str | None, NDArray[np.uint8]]


def _parse(block: bytes, row: int, file: str, layout: Layout, log: ProblemLog) -> Iterator[Parsed]:
    """The rows of a block: all at once when it is sound, else one by one."""
    columns = _columns(block, layout)
    if columns is None:
        yield from _parse_slowly(block, row, file, layout, log)
        return
    labels, pixels = columns
    images = pixels.reshape(-1, *layout.shape, 1)
    for offset, (label, image) in enumerate(zip(labels, images, strict=True)):
        yield row + offset, label, image


def _columns(block: bytes, layout: Layout) -> tuple[list[Any], NDArray[np.uint8]] | None:
    """The labels and (N, H * W) uint8 pixels of a block in which all is well; None otherwise."""
    import pyarrow as pa

    whole = pa.uint8() if layout.scale == 1 else pa.float32()
    for cell_type in (whole, pa.float32()):
        try:
            table = _read(block, layout, cell_type)
        except pa.ArrowInvalid:
            continue
        pixels = [i for i in range(layout.n_columns) if i != layout.label]
        values = np.stack([table.column(i).to_numpy() for i in pixels], axis=1)
        labels: list[int | str | None] = [None] * len(values)
        if layout.label is not None:
            labels = [_as_label(value) for value in table.column(layout.label).to_pylist()]
            if any(label is None for label in labels):
                return None
        if values.dtype == np.uint8:
            return labels, values
        values = values * np.float32(layout.scale)
        sound = bool(((values >= 0) & (values <= 255)).all())  # NaN is neither
        return (labels, np.rint(values).astype(np.uint8)) if sound else None
    return None


def _read(block: bytes, layout: Layout, cell_type: Any) -> Any:
    from pyarrow import csv as arrow_csv

    names = [str(i) for i in range(layout.n_columns)]
    return arrow_csv.read_csv(
        io.BytesIO(block),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(block) + 1),
        parse_options=arrow_csv.ParseOptions(ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: cell_type for i, name in enumerate(names) if i != layout.label},
            null_values=[],
        ),
    )


def _parse_slowly(block: bytes, row: int, file: str, layout: Layout, log: ProblemLog) -> Iterator[Parsed]:
    for offset, line in enumerate(block.splitlines()):
        at = row + offset
        if not line.strip():
            continue
        cells = cells_of(line.decode("utf-8", errors="replace"))
        if len(cells) != layout.n_columns:
            expected = f"{len(cells):,} columns, but {layout.n_columns:,} were expected"
            log.add(file, at, f"It has {expected}.", "Complete the row, or leave it out.")
            continue
        label = _as_label(cells.pop(layout.label)) if layout.label is not None else None
        if label is None and layout.label is not None:
            log.add(file, at, "The label is missing.", "Fill it in, or leave the row out.")
            continue
        pixels = _pixels(cells, layout.scale, at, file, log)
        if pixels is not None:
            yield at, label, pixels.reshape(*layout.shape, 1)


def _as_label(cell: object) -> int | str | None:
    """A class number or name; None when there is none."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    text = str(cell).strip()
    if text.lower() in _NO_LABEL:
        return None
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else text


def _pixels(cells: list[str], scale: float, row: int, file: str, log: ProblemLog) -> NDArray[np.uint8] | None:
    """(H * W,) uint8."""
    try:
        values = np.array(cells, np.float64)
    except ValueError:
        column = next(i for i, cell in enumerate(cells) if not _is_number(cell))
        log.add(
            file,
            row,
            f"Pixel {column + 1} is {cells[column]!r}, no number.",
            "Correct it, or leave the row out.",
        )
        return None
    bad = ~np.isfinite(values) | (values < 0) | (values * scale > 255)
    if bad.any():
        column = int(np.flatnonzero(bad)[0])
        said = f"Pixel {column + 1} is {cells[column]}, not in 0 to {255 / scale:g}."
        log.add(file, row, said, "Correct it, or leave the row out.")
        return None
    return np.rint(values * scale).astype(np.uint8)
