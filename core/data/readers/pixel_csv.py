"""CSV files of pixels: a label and H x W columns a row, with a header or without, gzipped or not.

Read in blocks of lines by pyarrow; only a block in which something is wrong is looked at cell by cell.
"""

from __future__ import annotations

import csv
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.problems import ProblemLog
from core.data.readers.base import Hints, Recognised, Record, split_of
from core.data.readers.idx import opened

_BLOCK_BYTES = 16 << 20
_LABEL_NAMES = {"label", "labels", "class", "y", "target"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is what.

    Attributes:
        n_columns: Of each row.
        label: Index of the label's column, or None for pixels only.
        shape: (height, width).
        header: Whether the first line names the columns.
    """

    n_columns: int
    label: int | None
    shape: tuple[int, int]
    header: bool


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
            start = [file.readline(1 << 22).decode("utf-8-sig") for _ in range(2)]
    except (OSError, UnicodeDecodeError, EOFError, zlib.error):
        return None
    lines = [next(csv.reader([line]), []) for line in start if line.strip()]
    if not lines or len(lines[0]) < 5:
        return None
    header = not _is_number(lines[0][1])
    if header and (len(lines) < 2 or not _is_number(lines[1][1])):
        return None
    n = len(lines[0])
    label: int | None = 0
    if header:
        named = [i for i, name in enumerate(lines[0]) if name.strip().lower() in _LABEL_NAMES]
        label = named[0] if named else (None if _side(n, hints) else 0)
    elif _side(n, hints) and not _side(n - 1, hints):
        label = None
    shape = _side(n - (label is not None), hints)
    if shape is None:
        return None
    return Layout(n, label, shape, header)


def _side(n_pixels: int, hints: Hints) -> tuple[int, int] | None:
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
        log.add(path.name, row, f"The file ends in the middle ({error}).", "Fetch it again: it is cut short.")


def _blocks(path: Path, header: bool) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole lines, and how many lines each has."""
    with opened(path) as file:
        if header:
            file.readline()
        rest = b""
        while block := file.read(_BLOCK_BYTES):
            block = rest + block
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            if end:
                yield block[:end], block.count(b"\n", 0, end)
        if rest.strip():
            yield rest, 1


Parsed = tuple[int, int | str | None, NDArray[np.uint8]]


def _parse(block: bytes, row: int, file: str, layout: Layout, log: ProblemLog) -> Iterator[Parsed]:
    """The rows of a block: all at once when it is sound, else one by one."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [str(i) for i in range(layout.n_columns)]
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(block),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(block) + 1),
            parse_options=arrow_csv.ParseOptions(ignore_empty_lines=False),
        )
        columns = [i for i in range(layout.n_columns) if i != layout.label]
        sound = all(
            pa.types.is_integer(table.column(i).type) and not table.column(i).null_count for i in columns
        )
        if not sound:
            raise pa.ArrowInvalid("cells that are no whole numbers")
        values = np.stack([table.column(i).to_numpy() for i in columns], axis=1)
        if values.min() < 0 or values.max() > 255:
            raise pa.ArrowInvalid("values out of range")
        labels = table.column(layout.label).to_pylist() if layout.label is not None else [None] * len(values)
        if layout.label is not None and not all(isinstance(x, int | str) and x != "" for x in labels):
            raise pa.ArrowInvalid("labels missing")
    except pa.ArrowInvalid:
        yield from _parse_slowly(block, row, file, layout, log)
        return
    images = values.astype(np.uint8).reshape(-1, *layout.shape, 1)
    for offset, (label, image) in enumerate(zip(labels, images, strict=True)):
        yield row + offset, label, image


def _parse_slowly(block: bytes, row: int, file: str, layout: Layout, log: ProblemLog) -> Iterator[Parsed]:
    for offset, line in enumerate(block.splitlines()):
        at = row + offset
        if not line.strip():
            continue
        cells = next(csv.reader([line.decode("utf-8", errors="replace")]))
        if len(cells) != layout.n_columns:
            expected = f"{len(cells):,} columns, but {layout.n_columns:,} were expected"
            log.add(file, at, f"It has {expected}.", "Complete the row, or leave it out.")
            continue
        label = cells.pop(layout.label).strip() if layout.label is not None else None
        if label == "":
            log.add(file, at, "The label is missing.", "Fill it in, or leave the row out.")
            continue
        pixels = _pixels(cells, at, file, log)
        if pixels is not None:
            yield at, _as_label(label), pixels.reshape(*layout.shape, 1)


def _as_label(cell: str | None) -> int | str | None:
    if cell is None:
        return None
    try:
        number = float(cell)
    except ValueError:
        return cell
    return int(number) if number.is_integer() else cell


def _pixels(cells: list[str], row: int, file: str, log: ProblemLog) -> NDArray[np.uint8] | None:
    """(H * W,) uint8; values from 0 to 1 with a decimal point are scaled to 0 to 255."""
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
    bad = ~np.isfinite(values) | (values < 0) | (values > 255)
    if bad.any():
        column = int(np.flatnonzero(bad)[0])
        said = f"Pixel {column + 1} is {cells[column]}, not in 0 to 255."
        log.add(file, row, said, "Correct it, or leave the row out.")
        return None
    if values.max() <= 1 and any("." in cell for cell in cells):
        values = values * 255
    return np.rint(values).astype(np.uint8)
