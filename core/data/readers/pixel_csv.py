"""CSV files of pixels: a label and H x W columns a row, with a header or without, gzipped or not.

Read in blocks of lines by pyarrow; only a block in which something is wrong is looked at cell by cell.
"""

from __future__ import annotations

import csv
import io
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.problems import ProblemLog
from core.data.readers.base import (
    Choice,
    Hints,
    Question,
    Recognised,
    Record,
    cells_of,
    natural,
    reader,
    split_of,
    tidy_name,
)
from core.data.readers.idx import opened

_BLOCK_BYTES = 16 << 20
_LONGEST_LINE, _LONGEST_START = 64 << 20, 4 << 20
_LABEL_NAMES = {"label", "labels", "class", "y", "target"}
_NO_LABEL = {"", "na", "nan", "n/a", "null", "none"}


_PIXEL_NAME = re.compile(r"([a-z_. -]*?)[_. -]?\d+([x_. -]\d+)*", re.IGNORECASE)
_FEWEST, _SAMPLED_BYTES, _SAMPLED_ROWS = 16, 8 << 20, 2_000


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is what.

    Attributes:
        n_columns: Of each row.
        label: Index of the label's column, or None for pixels only.
        shape: (height, width).
        header: Whether the first line names the columns.
        pixels: Indices of the pixels' columns in the order of the image.
        scale: What brings the pixels to 0 to 255: 255 where the first rows are fractions from 0 to 1.
        numbers: Whether labels are numbers, so that a word for a missing value is no class.
        whole: Whether all of them are written as 3.0.
        names: The names of the columns that are neither label nor pixels, and of the label.
        question: Where two columns may be the label.
    """

    n_columns: int
    label: int | None
    shape: tuple[int, int]
    header: bool
    pixels: tuple[int, ...]
    scale: float = 1.0
    numbers: bool = False
    whole: bool = False
    label_name: str = ""
    rest: tuple[str, ...] = ()
    question: Question | None = None


@reader("pixel-csv", "a pixel CSV (a label and H x W columns)", rank=50)
def recognise(source: Path, hints: Hints) -> Recognised | None:
    """One such file, or a folder of them (train.csv and test.csv, say)."""
    files = [source] if source.is_file() else sorted([*source.glob("*.csv"), *source.glob("*.csv.gz")])
    layouts = {path: layout for path in files if (layout := layout_of(path, hints)) is not None}
    if not layouts:
        return None
    first = next(iter(layouts.values()))
    height, width = first.shape
    rest = {name: "columns are not kept yet" for layout in layouts.values() for name in layout.rest}
    columns = {first.label_name: "label"} if first.label is not None else {}
    return Recognised(
        format=f"pixel CSV, {height} x {width}",
        records=lambda log: (r for path, layout in layouts.items() for r in _rows(path, layout, log)),
        classes=hints.classes,
        columns={**columns, f"{len(first.pixels):,} columns": "pixels"},
        unused=(
            *(f"{name}: {why}" for name, why in rest.items()),
            *(f"{path.name}: no table of pixels" for path in files if path not in layouts),
        ),
        questions=tuple(dict.fromkeys(one.question for one in layouts.values() if one.question is not None)),
        weight=sum(_n_rows(path) for path in layouts),
    )


def layout_of(path: Path, hints: Hints) -> Layout | None:
    """The layout, judged by the names of columns and the first rows; None when the file is no pixel CSV."""
    lines = _first_lines(path, 3)
    if not lines or len(lines[0]) < 5:
        return None
    header = not all(_is_number(cell) for cell in lines[0][1:-1])
    if header and (len(lines) < 2 or not _mostly_numbers(lines[1])):
        return None
    rows = _first_lines(path, _SAMPLED_ROWS)[header:]
    names = [cell.strip() for cell in lines[0]] if header else [str(i + 1) for i in range(len(lines[0]))]
    pixels = _named_pixels(names, hints) if header else list(range(len(names)))
    if pixels is None:
        return None
    layout = _with_label(path, names, pixels, rows, hints, header=header)
    return None if layout is None or _is_one_hot(layout, rows) else layout


def _n_rows(path: Path) -> int:
    """About how many rows a file has, from its size and a line of it."""
    try:
        with opened(path) as file:
            file.readline(_LONGEST_START)
            length = len(file.readline(_LONGEST_START))
    except (OSError, EOFError, zlib.error):
        return 1
    return max(1, path.stat().st_size // max(1, length))


def _first_lines(path: Path, n: int) -> list[list[str]]:
    """The cells of the first lines; none where the file is no text."""
    cells: list[list[str]] = []
    n_bytes = 0
    try:
        with opened(path) as file:
            while len(cells) < n and n_bytes < _SAMPLED_BYTES and (line := file.readline(_LONGEST_START)):
                n_bytes += len(line)
                text = line.decode(
                    "utf-8-sig" if not cells else "utf-8", errors="strict" if len(cells) < 2 else "replace"
                )
                if text.strip():
                    cells.append(cells_of(text))
    except (UnicodeDecodeError, csv.Error):
        return []
    except (OSError, EOFError, zlib.error):  # reading on says it
        return cells
    return cells


def _mostly_numbers(cells: Sequence[str]) -> bool:
    return (
        sum(_is_number(cell) for cell in cells) >= len(cells) - 4
        and sum(map(_is_number, cells)) > len(cells) / 2
    )


def _named_pixels(names: Sequence[str], hints: Hints) -> list[int] | None:
    """The columns of pixels in the order of the image, from names such as pixel0, p_12, 28x28 or 783."""
    told = {name.lower() for name in (*hints.label, hints.group, hints.split, hints.id) if name}
    stems: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        match = _PIXEL_NAME.fullmatch(name)
        if match and name.lower() not in told:
            stems.setdefault(match[1].lower(), []).append(i)
    pixels = max(stems.values(), key=len, default=[])
    if len(pixels) < 4 or len(pixels) < len(names) - 8:
        return None
    return sorted(pixels, key=lambda i: (natural(names[i]), i))


def _with_label(
    path: Path, names: Sequence[str], pixels: list[int], rows: list[list[str]], hints: Hints, *, header: bool
) -> Layout | None:
    whole_rows = [row for row in rows if len(row) == len(names)] or rows[:1]
    question = None
    rest = [i for i in range(len(names)) if i not in set(pixels)]
    label = _told_label(names, hints)
    if label is None and header:
        label, question = _label_of_rest(path, names, rest, whole_rows)
    elif label is None:
        if side_of(len(names), hints) and not side_of(len(names) - 1, hints):
            label = None
        else:
            label, question = _first_or_last(path, len(names), whole_rows)
    pixels = [i for i in pixels if i != label]
    shape = side_of(len(pixels), hints)
    if shape is None or (not header and len(pixels) < _FEWEST):
        return None
    cells = [row[label].strip() for row in whole_rows if label is not None and len(row) > label]
    said = [cell for cell in cells if cell.lower() not in _NO_LABEL]
    values = [row[i] for row in whole_rows[:256] for i in pixels if i < len(row)]
    return Layout(
        n_columns=len(names),
        label=label,
        shape=shape,
        header=header,
        pixels=tuple(pixels),
        scale=_scale(values),
        numbers=bool(said) and sum(_is_number(cell) for cell in said) > len(said) / 2,
        whole=bool(said) and all(re.fullmatch(r"-?\d+\.0+", cell) for cell in said if _is_number(cell)),
        label_name=names[label] if label is not None else "",
        rest=tuple(names[i] for i in rest if i != label),
        question=question,
    )


def _told_label(names: Sequence[str], hints: Hints) -> int | None:
    if not hints.label:
        return None
    word = hints.label[0].strip().lower()
    lower = [name.lower() for name in names]
    ends = {"first": 0, "last": len(names) - 1}
    return lower.index(word) if word in lower else ends.get(word)


def _label_of_rest(
    path: Path, names: Sequence[str], rest: Sequence[int], rows: Sequence[Sequence[str]]
) -> tuple[int | None, Question | None]:
    """The label's column beside the named pixels."""
    named = [i for i in rest if names[i].lower() in _LABEL_NAMES]
    if named or not rest:
        return (named[0] if named else None), None
    likely = [
        i for i in rest if not re.fullmatch(r"(.*_)?(id|idx|index)|unnamed: ?0|", names[i].lower())
    ] or list(rest)
    if len(likely) == 1:
        return likely[0], None
    return likely[0], _which_label(
        path, [(names[i], [row[i] for row in rows if len(row) > i]) for i in likely]
    )


def _which_label(path: Path, columns: Sequence[tuple[str, Sequence[str]]]) -> Question:
    choices = []
    for name, cells in columns:
        some = ", ".join(sorted(set(cells), key=natural)[:5])
        choices.append(Choice(f"{name}: {some}", {"label": (name,)}, f'--label "{name}"'))
    return Question(f"Which column of {path.name} is the label?", tuple(choices))


def _first_or_last(path: Path, n: int, rows: Sequence[Sequence[str]]) -> tuple[int, Question | None]:
    """The label's column of a table without a header: the first, or the last where that looks like one."""
    first, last, second, one_before = (
        [row[i].strip() for row in rows if len(row) == n] for i in (0, n - 1, 1, n - 2)
    )
    scores = _label_score(first, second), _label_score(last, one_before)
    if scores[1] <= scores[0] - 1 or scores[1] <= 1:
        return 0, None
    if scores[0] <= 1:
        return n - 1, None
    return 0, _which_label(path, [("1", first), (str(n), last)])


def _label_score(cells: Sequence[str], beside: Sequence[str]) -> int:
    """How much a column looks like labels: words 3, a few numbers without a gap 2, other few numbers 1.

    Args:
        beside: The column next to it; what says nearly the same as that is a pixel of the margin.
    """
    values = set(cells) - {""}
    if any(not _is_number(value) and value.lower() not in _NO_LABEL for value in values):
        return 3
    if len(values) < 2 or not all(re.fullmatch(r"-?\d+(\.0+)?", value) for value in values):
        return 0
    numbers = sorted({int(float(value)) for value in values})
    if sum(one == other for one, other in zip(cells, beside, strict=True)) >= 0.9 * len(cells):
        return 0
    often = len(cells) >= 2 * len(values)
    if often and numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1:
        return 2
    return 1 if often else 0


def _is_one_hot(layout: Layout, rows: Sequence[Sequence[str]]) -> bool:
    """Whether the columns are classes of which each row has one, and each row has another "label"."""
    if layout.label is None or len(layout.pixels) > 1_000:
        return False
    labels = [row[layout.label] for row in rows if len(row) == layout.n_columns]
    if len(set(labels)) < len(labels) or layout.numbers:
        return False
    values = {row[i].strip() for row in rows if len(row) == layout.n_columns for i in layout.pixels}
    return values <= {"0", "1", "0.0", "1.0"}


def _scale(cells: Sequence[str]) -> float:
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
        rest, begun = b"", header
        while block := file.read(_BLOCK_BYTES):
            block = rest + (block if begun else block.removeprefix(b"\xef\xbb\xbf"))
            begun = True
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
        values = np.stack([table.column(str(i)).to_numpy() for i in layout.pixels], axis=1)
        labels: list[int | str | None] = [None] * len(values)
        if layout.label is not None:
            labels = [_as_label(value, layout) for value in table.column(str(layout.label)).to_pylist()]
            if any(label is None for label in labels):
                return None
        if values.dtype == np.uint8:
            return labels, values
        values = values * np.float32(layout.scale)
        sound = bool(((values >= 0) & (values <= 255)).all())  # NaN is neither
        return (labels, np.rint(values).astype(np.uint8)) if sound else None
    return None


def _read(block: bytes, layout: Layout, cell_type: Any) -> Any:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    pixels = set(layout.pixels)
    wanted = [*layout.pixels, *([layout.label] if layout.label is not None else [])]
    names = [str(i) for i in range(layout.n_columns)]
    return arrow_csv.read_csv(
        io.BytesIO(block),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(block) + 1),
        parse_options=arrow_csv.ParseOptions(ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: cell_type if i in pixels else pa.string() for i, name in enumerate(names)},
            include_columns=[str(i) for i in wanted],
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
        label = _as_label(cells[layout.label], layout) if layout.label is not None else None
        cells = [cells[i] for i in layout.pixels]
        if label is None and layout.label is not None:
            log.add(file, at, "The label is missing.", "Fill it in, or leave the row out.")
            continue
        pixels = _pixels(cells, layout.scale, at, file, log)
        if pixels is not None:
            yield at, label, pixels.reshape(*layout.shape, 1)


def _as_label(cell: object, layout: Layout) -> int | str | None:
    """The label as it is written ("007" is not "7"); None when there is none."""
    text = tidy_name(str(cell))
    if not text or (layout.numbers and text.lower() in _NO_LABEL):
        return None
    if layout.whole and re.fullmatch(r"-?\d+\.0+", text):
        text = text.partition(".")[0]
    return int(text) if re.fullmatch(r"-\d+", text) else text


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
