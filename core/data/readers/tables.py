"""Tables as they lie on a disk: CSV, TSV, columns between blanks, JSON and JSON lines, in many encodings."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.readers.base import IMAGE_SUFFIXES, cells_of, tidy_name
from core.errors import BadInput
from core.files import read_limited

LARGEST_TABLE = 256 << 20
"""Bytes; a million rows with captions have less, and a table is held in memory."""
SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".lst", ".tab", ".json", ".jsonl", ".ndjson"})
Row = tuple[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a table, all of them text.

    Attributes:
        name: For messages: the path below the source.
        header: The names of the columns; "file", "2", "3" ... where the file has none.
        rows: (line number, cells) of each record.
        has_header: Whether the file names its columns.
    """

    path: Path
    name: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    has_header: bool

    def column(self, index: int) -> list[str]:
        """The cells of a column, "" where a row is too short."""
        return [cells[index].strip() if len(cells) > index else "" for _, cells in self.rows]


def read_table(path: Path, name: str = "") -> Table | None:
    """The table in a file; None when it is none.

    Raises:
        BadInput: It is too large, or in an encoding that is not known.
    """
    content = read_limited(path, LARGEST_TABLE)
    if b"\0" in content[:1_000] and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return None
    text = _decoded(content, path.name)
    name = name or path.name
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        return _objects(path, name, text)
    delimiter, skipped = ",", 0
    told = re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)
    if told:  # what spreadsheets write for each other
        delimiter, skipped, text = told[1], 1, text[told.end() :]
    else:
        first = text.partition("\n")[0]
        delimiter = next((mark for mark in (",", "\t", ";", "|") if mark in first), " ")
    rows = [(line + skipped, cells) for line, cells in _parse(text, delimiter)]
    if not rows:
        return None
    if any(names_image(cell) for cell in rows[0][1]):
        file = next(i for i, cell in enumerate(rows[0][1]) if names_image(cell))
        header = tuple("file" if i == file else str(i + 1) for i in range(len(rows[0][1])))
        return Table(path, name, header, tuple(rows), has_header=False)
    header = tuple(cell.strip() for cell in rows[0][1])
    return Table(path, name, header, tuple(rows[1:]), has_header=True)


def names_image(cell: str) -> bool:
    """Whether a cell ends as the name of an image file does."""
    return os.path.splitext(cell.strip().partition("?")[0])[1].lower() in IMAGE_SUFFIXES


def _decoded(content: bytes, name: str) -> str:
    """The text: UTF-8, UTF-16 with its mark, or what Windows writes in western Europe."""
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = f"{name} is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}."
    high = [byte for byte in content if byte >= 0x80]
    letters = sum(byte >= 0xC0 for byte in high)
    if b"\n" not in content or b"\0" in content or letters < len(high) / 2:
        raise BadInput(said, "Save the table as UTF-8.")
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        raise BadInput(said, "Save the table as UTF-8.") from None


def _objects(path: Path, name: str, text: str) -> Table | None:
    """A table of JSON objects: one a line, or a list of them."""
    records = _json_records(text)
    if records is None:
        return None
    header = tuple(dict.fromkeys(key for _, record in records for key in record))
    rows = tuple((line, tuple(_cell(record.get(key)) for key in header)) for line, record in records)
    return Table(path, name, tuple(key.strip() for key in header), rows, has_header=True)


def _json_records(text: str) -> list[tuple[int, dict[str, Any]]] | None:
    records: list[tuple[int, dict[str, Any]]] = []
    try:
        if text.lstrip()[:1] == "[":
            records = list(enumerate(json.loads(text), 1))
        else:
            lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
            records = [(number, json.loads(line)) for number, line in lines]
    except (ValueError, RecursionError):
        return None
    return records if records and all(isinstance(record, dict) for _, record in records) else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parse(text: str, delimiter: str) -> list[Row]:
    """(1-based line, cells) of each record.

    Quotes inside quoted text are often left unescaped in captions, and a strict reader then glues records
    together. When fewer records come out than lines that begin with an image file's name, the last column
    is read as free text up to the next such line.
    """
    if delimiter == " ":
        lines = enumerate(text.splitlines(), 1)
        return [(number, _parted(line)) for number, line in lines if line.strip()]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[Row] = []
    line = 1
    try:
        for cells in reader:
            if cells:
                records.append((line, tuple(cells)))
            line = reader.line_num + 1
    except csv.Error:
        records = []
    starts = re.compile(rf"^[^{re.escape(delimiter)}\"\n]+\.\w{{2,5}}{re.escape(delimiter)}", re.MULTILINE)
    n_starts = sum(names_image(match.group()[:-1]) for match in starts.finditer(text))
    n_named = sum(names_image(cells[0]) for _, cells in records)
    if records and n_named >= n_starts:
        return records
    if n_starts:
        return _parse_free_text(text, delimiter, starts)
    lines = enumerate(text.splitlines(), 1)
    return [(number, tuple(cells_of(line, delimiter))) for number, line in lines if line.strip()]


def _parted(line: str) -> tuple[str, ...]:
    """The cells between blanks; blanks in the name of an image file stay in it."""
    line = line.strip()
    if names_image(line):
        words = line.split()
        before = words[:-1]
        if not any(names_image(word) for word in before):
            return tuple(words) if before and before[0].isdecimal() and len(words) == 2 else (line,)
    match = re.match(r"(.+?\.\w{2,5})\s+(\S.*)$", line)
    if match and names_image(match[1]):
        return match[1], *match[2].split()
    return tuple(line.split())


def _parse_free_text(text: str, delimiter: str, starts: re.Pattern[str]) -> list[Row]:
    first, _, _ = text.partition("\n")
    n_columns = len(cells_of(first, delimiter))
    marks = [match.start() for match in starts.finditer(text) if names_image(match.group()[:-1])]
    records: list[Row] = []
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


# ------------------------------------------------------------- lists in a cell

_MARKS = ("|", ";", ",")


def as_list(cell: str, separator: str) -> list[str]:
    """The names in a cell: a list in JSON or Python, or what ``separator`` parts."""
    cell = cell.strip()
    if cell[:1] in "[(" and cell[-1:] in "])" and len(cell) > 1:
        inner = cell[1:-1]
        quoted = re.findall(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", inner)
        parts = [a or b for a, b in quoted] if quoted else re.split(r"[,\s]+", inner)
        return list(dict.fromkeys(tidy_name(part) for part in parts if part.strip()))
    parts = cell.split() if separator == " " else cell.split(separator) if separator else [cell]
    return list(dict.fromkeys(name for part in parts if (name := tidy_name(part.strip().strip("\"'")))))


def separator_of(cells: Sequence[str], *, named_as_list: bool) -> tuple[str | None, bool]:
    """What parts the labels in the cells of a column.

    Returns:
        The separator ("" where only brackets do, None where each cell is one label), and whether another
        reading is as possible.
    """
    values = [cell for cell in cells if cell]
    if any(_is_bracketed(cell) for cell in values):
        return "", False
    for mark in _MARKS:
        parted = [cell for cell in values if mark in cell]
        if not parted:
            continue
        recombined = _recombined(parted, values, mark)
        if named_as_list:
            return mark, mark == "," and not recombined
        if recombined:
            return mark, True
    parted = [cell for cell in values if " " in cell]
    if not parted or not named_as_list:
        return None, False
    words = {word for cell in parted for word in cell.split()}
    if all(word.isdecimal() for word in words):
        return " ", False
    return None, _recombined(parted, values, " ")


def _is_bracketed(cell: str) -> bool:
    return len(cell) > 1 and cell[0] in "[(" and cell[-1] in "])"


def _recombined(parted: Sequence[str], values: Sequence[str], mark: str) -> bool:
    """Whether the parts of cells occur in other cells too, as the names in lists do."""
    cells = {cell: [part.strip() for part in cell.split(mark)] for cell in dict.fromkeys(values)}
    times: dict[str, int] = {}
    for parts in cells.values():
        for part in set(parts):
            times[part] = times.get(part, 0) + 1
    listed = {part for cell in dict.fromkeys(parted) for part in cells[cell]}
    return sum(times[part] > 1 for part in listed) >= len(listed) / 2
