"""A folder of images with a table of labels: one class a row, a list of classes, or a column per class.

The table is CSV, TSV or columns parted by blanks, with a header or (file name first) without one; it may
have columns for captions and splits.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Task
from core.data.problems import ProblemLog
from core.data.readers.base import (
    IMAGE_SUFFIXES,
    SPLIT_NAMES,
    Hints,
    Label,
    Recognised,
    Record,
    cells_of,
    split_of,
)
from core.data.readers.class_folders import is_image
from core.errors import BadInput, NotAllowed
from core.files import confined, read_limited

_FILE_NAMES = {
    "file",
    "filename",
    "file_name",
    "id",
    "image",
    "imageid",
    "image_id",
    "image_name",
    "img",
    "path",
    "name",
}
_LABEL_NAMES = {"label", "class", "category", "target"}
_LIST_NAMES = {"labels", "tags", "classes", "categories"}
_CAPTION_NAMES = {"caption", "captions", "text", "description"}
_SPLIT_COLUMNS = {"split", "subset", "set", "fold"}
_YES_NO = {"1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
_UNKNOWN = {"", "na", "nan", "n/a", "null", "none", "?", "-1", "unknown"}
_LIST_MARKS = re.compile(r"[\s,;|\[\]'\"]+")
LARGEST_TABLE = 256 << 20
"""Bytes; a million rows with captions have less, and a table is held in memory several times over."""
YES_NO_SHARE = 0.9
_TABLE_SUFFIXES = {".csv", ".tsv", ".txt"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of labels and what its columns are.

    Attributes:
        rows: (line number, cells) of each record.
        file: Index of the column that names the image file.
        labels: Indices of the label columns.
        is_list: Whether the one label column holds lists.
        caption: Index of the caption column, or None.
        split: Index of the split column, or None.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    file: int
    labels: tuple[int, ...]
    is_list: bool
    caption: int | None
    split: int | None

    @property
    def task(self) -> Task:
        """Multi-label for a column per class or lists, else single-label."""
        return Task.MULTI_LABEL if self.is_list or len(self.labels) > 1 else Task.SINGLE_LABEL


def recognise(source: Path, hints: Hints) -> Recognised | None:
    """A table beside or above its images, or a folder that holds both."""
    tables = _tables(source)
    if not tables:
        return None
    first = tables[0]
    if any(table.labels != first.labels or table.is_list != first.is_list for table in tables):
        raise BadInput(
            f"{first.path.name} and {tables[1].path.name} have different columns.", "Import them one by one."
        )
    folder = hints.image_folder or (source if source.is_dir() else source.parent)
    classes = hints.classes
    if len(first.labels) > 1 and not classes:
        classes = tuple(first.header[i] for i in first.labels)
    elif first.is_list and not classes:
        classes = _listed_classes(tables)
    if len(first.labels) > 1 and len(classes) != len(first.labels):
        raise BadInput(
            f"{len(classes)} class names were given for {len(first.labels)} label columns.",
            "Give one name a column.",
        )
    captions = " with captions" if first.caption is not None else ""
    return Recognised(
        format=f"images with a table of labels{captions}",
        records=lambda log: (r for table in tables for r in _records(table, folder, classes, log)),
        task=first.task,
        classes=classes,
        n_items=sum(len(table.rows) for table in tables),
    )


def _tables(source: Path) -> list[Table]:
    candidates = [source] if source.is_file() else sorted(source.iterdir())
    files = [p for p in candidates if p.is_file() and p.suffix.lower() in _TABLE_SUFFIXES]
    return [table for path in files if (table := read_table(path)) is not None]


def lacks_images(source: Path) -> bool:
    """Whether a source is a table (or a folder with one) that has no image file around it."""
    folder = source if source.is_dir() else source.parent
    return not _index(folder) and bool(_tables(source))


def read_table(path: Path) -> Table | None:
    """The table in a file; None when no column names image files. Raises BadInput for another encoding."""
    content = read_limited(path, LARGEST_TABLE)
    if b"\0" in content[:1_000] and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return None
    text = _decoded(content, path.name)
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in (",", "\t", ";") if mark in first), " ")
    rows = _parse(text, delimiter)
    if not rows:
        return None
    header: tuple[str, ...]
    if any(_names_image(cell) for cell in rows[0][1]):
        n = len(rows[0][1])
        file = next(i for i, cell in enumerate(rows[0][1]) if _names_image(cell))
        header = tuple("file" if i == file else f"label {i}" for i in range(n))
    else:
        header, rows = tuple(cell.strip() for cell in rows[0][1]), rows[1:]
        sample = [cells for _, cells in rows[:50]]
        named = [i for i, name in enumerate(header) if name.lower() in _FILE_NAMES]
        fits = [
            i
            for i in range(len(header))
            if sample and sum(len(cells) > i and _names_image(cells[i]) for cells in sample) > len(sample) / 2
        ]
        file_columns = fits or named
        if not file_columns:
            return None
        file = file_columns[0]
    return _with_columns(path, header, tuple(rows), file)


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = f"{name} is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}."
        raise BadInput(said, "Save the table as UTF-8.") from None


def _with_columns(
    path: Path, header: tuple[str, ...], rows: tuple[tuple[int, tuple[str, ...]], ...], file: int
) -> Table | None:
    lower = [name.lower() for name in header]
    caption = next((i for i, name in enumerate(lower) if name in _CAPTION_NAMES and i != file), None)
    split = next(
        (
            i
            for i, name in enumerate(lower)
            if name in _SPLIT_COLUMNS and i != file and _names_splits(rows, i)
        ),
        None,
    )
    rest = [i for i in range(len(header)) if i not in (file, caption, split)]
    named = [i for i in rest if lower[i] in _LABEL_NAMES | _LIST_NAMES]
    labels = tuple(named[:1] or [i for i in rest if _is_yes_no(rows, i)] or rest[:1])
    is_list = len(labels) == 1 and lower[labels[0]] in _LIST_NAMES and _has_lists(rows, labels[0])
    return Table(path, header, rows, file, labels, is_list, caption, split)


def _names_image(cell: str) -> bool:
    return os.path.splitext(cell.strip())[1].lower() in IMAGE_SUFFIXES


def _names_splits(rows: tuple[tuple[int, tuple[str, ...]], ...], column: int) -> bool:
    values = {cells[column].strip().lower() for _, cells in rows[:200] if len(cells) > column}
    return bool(values & SPLIT_NAMES.keys())


def _is_yes_no(rows: tuple[tuple[int, tuple[str, ...]], ...], column: int) -> bool:
    values = [cells[column].strip().lower() for _, cells in rows[:200] if len(cells) > column]
    known = [value in _YES_NO or value in _UNKNOWN for value in values]
    # A slip in one cell must not turn the column into one of another kind: it is noted when its row is read.
    return bool(known) and sum(known) >= YES_NO_SHARE * len(known)


def _has_lists(rows: tuple[tuple[int, tuple[str, ...]], ...], column: int) -> bool:
    return any(len(_listed(cells[column])) > 1 for _, cells in rows if len(cells) > column)


def _listed(cell: str) -> list[str]:
    return [part for part in _LIST_MARKS.split(cell) if part]


def _listed_classes(tables: list[Table]) -> tuple[str, ...]:
    found = {
        part
        for table in tables
        for _, cells in table.rows
        if len(cells) > table.labels[0]
        for part in _listed(cells[table.labels[0]])
    }
    return tuple(
        sorted(found, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
    )


def _parse(text: str, delimiter: str) -> list[tuple[int, tuple[str, ...]]]:
    """(1-based line, cells) of each record.

    Quotes inside quoted text are often left unescaped in captions, and a strict reader then glues records
    together. When fewer records come out than lines that begin with an image file's name, the last column
    is read as free text up to the next such line.
    """
    if delimiter == " ":
        lines = enumerate(text.splitlines(), 1)
        return [(number, tuple(line.split())) for number, line in lines if line.strip()]
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    records: list[tuple[int, tuple[str, ...]]] = []
    line = 1
    try:
        for cells in reader:
            if cells:
                records.append((line, tuple(cells)))
            line = reader.line_num + 1
    except csv.Error:
        records = []
    starts = re.compile(rf"^[^{re.escape(delimiter)}\"\n]+\.\w{{2,5}}{re.escape(delimiter)}", re.MULTILINE)
    n_starts = sum(_names_image(match.group()[:-1]) for match in starts.finditer(text))
    n_named = sum(_names_image(cells[0]) for _, cells in records)
    return records if n_named >= n_starts else _parse_free_text(text, delimiter, starts)


def _parse_free_text(text: str, delimiter: str, starts: re.Pattern[str]) -> list[tuple[int, tuple[str, ...]]]:
    first, _, _ = text.partition("\n")
    n_columns = len(cells_of(first, delimiter))
    marks = [match.start() for match in starts.finditer(text) if _names_image(match.group()[:-1])]
    records: list[tuple[int, tuple[str, ...]]] = []
    if marks and marks[0] > 0:
        records.append((1, tuple(cells_of(first, delimiter))))
    line = 1
    for start, end in zip(marks, [*marks[1:], len(text)], strict=True):
        line = text.count("\n", 0, start) + 1 if start == marks[0] else line
        cells = text[start:end].rstrip("\r\n").split(delimiter, n_columns - 1)
        last = cells[-1].strip()
        if len(last) >= 2 and last[0] == last[-1] == '"':
            last = last[1:-1]
        records.append((line, (*cells[:-1], " ".join(last.replace('""', '"').split()))))
        line += text.count("\n", start, end)
    return records


def _records(table: Table, folder: Path, classes: tuple[str, ...], log: ProblemLog) -> Iterator[Record]:
    index = _index(folder)
    split_of_file = split_of(table.path.name)
    for row, cells in table.rows:
        if len(cells) != len(table.header):
            said = f"It has {len(cells)} columns; {len(table.header)} were expected."
            log.add(table.path.name, row, said, "Complete the row, or put text with commas into quotes.")
            continue
        name = cells[table.file].strip()
        image = _find(name, folder, index, table.path.name, row, log)
        label = _label(table, cells, classes, row, log)
        split = _split(table, cells, split_of_file, row, log)
        if image is None or isinstance(label, _Bad) or isinstance(split, _Bad):
            continue
        caption = cells[table.caption].strip() if table.caption is not None else None
        yield Record(name, label, image, table.path.name, row, split, caption)


class _Bad:
    """Marks a cell about which a problem was noted."""


def _index(folder: Path) -> dict[str, Path]:
    """Image files by name, and by name without suffix, for tables that leave their folder or suffix out."""
    found: dict[str, Path] = {}
    for where, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if is_image(Path(name)):
                found.setdefault(name, Path(where) / name)
                found.setdefault(Path(name).stem, Path(where) / name)
    return found


def _find(
    name: str, folder: Path, index: dict[str, Path], table: str, row: int, log: ProblemLog
) -> Path | None:
    try:
        path = confined(folder, name)
    except (NotAllowed, ValueError):
        log.add(table, row, f"{name!r} leads out of the folder.", "Use paths inside it.")
        return None
    if path.is_file():
        return path
    found = index.get(Path(name).name)
    if found is None or not found.resolve().is_relative_to(folder.resolve()):
        log.add(table, row, f"There is no image {name!r}.", "Add the file, or leave the row out.")
        return None
    return found


def _label(
    table: Table, cells: tuple[str, ...], classes: tuple[str, ...], row: int, log: ProblemLog
) -> Label | _Bad:
    if len(table.labels) > 1:
        values = [cells[i].strip().lower() for i in table.labels]
        wrong = [v for v in values if v not in _YES_NO and v not in _UNKNOWN]
        if wrong:
            log.add(table.path.name, row, f"{wrong[0]!r} is neither 1, 0 nor NA.", "Correct the cell.")
            return _Bad()
        return np.array([_YES_NO.get(v, np.nan) for v in values], np.float32)
    cell = cells[table.labels[0]].strip() if table.labels else ""
    if not table.is_list:
        return None if cell.lower() in _UNKNOWN else cell
    return _marked(table, _listed(cell), classes, row, log)


def _marked(
    table: Table, names: list[str], classes: tuple[str, ...], row: int, log: ProblemLog
) -> NDArray[np.float32] | _Bad:
    marked = np.zeros(len(classes), np.float32)
    for name in names:
        if name not in classes:
            known = ", ".join(classes[:20])
            log.add(table.path.name, row, f"The class {name!r} is none of: {known}.", "Correct the list.")
            return _Bad()
        marked[classes.index(name)] = 1
    return marked


def _split(
    table: Table, cells: tuple[str, ...], split_of_file: str | None, row: int, log: ProblemLog
) -> str | _Bad | None:
    if table.split is None:
        return split_of_file
    cell = cells[table.split].strip().lower()
    if cell and cell not in SPLIT_NAMES:
        log.add(table.path.name, row, f"The split is {cell!r}.", "Write train, val or test.")
        return _Bad()
    return SPLIT_NAMES.get(cell)
