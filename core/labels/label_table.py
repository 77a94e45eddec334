"""Labels in a table: CSV, TSV or Parquet with a column that names the image and one that says its label.

It is what a spreadsheet or pandas writes, and what ``tidyset labels export --output labels.csv`` has written.
A row without a label says nothing. A table of ours says only what somebody has changed in it: beside each
label it has the one that was exported.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import BadInput
from core.labels.journal import ANSWERS, NO, UNKNOWN, YES

ITEM = ("item_id", "item", "path", "file", "file_name", "filename", "image", "image_id", "name", "id")
"""Columns that name the image, the surest first: a bare number may be anything."""
LABEL = ("current", "corrected_label", "new_label", "corrected", "new", "label", "class", "category")
LABELS = ("labels", "tags", "classes", "categories")
ONE_OF_SEVERAL = "label "
"""What a column for one class of several begins with; the name of the class follows."""
EXPORTED = "exported"
"""The column of our tables with the label as it was exported; of several, the cells joined by ``JOINT``."""
JOINT = "|"
MOST_ROWS, MOST_BYTES, MOST_CHARACTERS = 5_000_000, 512 << 20, 100_000
"""Of a Parquet table when it is unpacked: rows, bytes of the columns that are read, characters of a cell."""
PARQUET = b"PAR1"
_BESIDE = ("given", EXPORTED, "content_hash", "who", "when")
_HEADER, _BATCH = 1 << 16, 8_192
_WORDS = {"1": YES, "0": NO, "1.0": YES, "0.0": NO, "true": YES, "false": NO, "?": UNKNOWN, "": UNKNOWN}
_QUOTED = re.compile(r'"[^"]*"')
_BYTE_ORDERS = (b"\xff\xfe", b"\xfe\xff")

Rows = Iterator[tuple[int, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class TableRow:
    """What one row says of one image.

    Attributes:
        row: Its last line in the file, the header being 1; of Parquet, its number after the header.
        names: What may name the image, the surest first.
        classes: Names of the classes it is given; () where ``answers`` say it class by class.
        answers: (class, yes, no or unknown) where the table has a column for each class.
        was: The label as it was exported: the name of its class, or one word for each of ``answers``; None
            where the table does not say.
    """

    row: int
    names: tuple[str, ...]
    image: str | None
    classes: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    was: tuple[str, ...] | None
    who: str
    when: str


def is_table(content: bytes) -> bool:
    """Whether a file holds a table of labels, as far as its first line tells."""
    if content.startswith(PARQUET):
        return True
    head = content[:_HEADER]
    text = head.decode("utf-16" if head[:2] in _BYTE_ORDERS else "utf-8-sig", "replace")
    try:
        names: list[str] = next(_reader(*_without_preamble(text)), [])
    except csv.Error:
        return False
    return len(names) > 1 and any(name.strip().lower() in ITEM for name in names)


def read_rows(name: str, content: bytes, classes: Sequence[str] = ()) -> list[TableRow]:
    """The rows that say something.

    Args:
        name: Of the file, for messages.
        classes: Of the data set: a cell that is one of them is not taken for a list.

    Raises:
        BadInput: It cannot be read as a table, or lacks a column.
    """
    columns, rows = _parquet(name, content) if content.startswith(PARQUET) else _text(name, content)
    form = _Form.of(name, columns, frozenset(classes))
    return [row for number, cells in rows if (row := form.read(name, number, cells)) is not None]


@dataclass(frozen=True)
class _Form:
    """Which column says what."""

    items: tuple[str, ...]
    label: str
    is_list: bool
    several: tuple[str, ...]
    beside: Mapping[str, str]
    classes: frozenset[str]

    @classmethod
    def of(cls, file: str, columns: Sequence[str], classes: frozenset[str]) -> _Form:
        twice = next((name for k, name in enumerate(columns) if name in columns[:k]), None)
        if twice is not None:
            raise BadInput(f"{file} has two columns {twice[:60]!r}.", "Leave one of them out.")
        lower = {name.lower(): name for name in columns}
        items = tuple(lower[name] for name in ITEM if name in lower)
        one = next((lower[name] for name in LABEL if name in lower), "")
        many = next((lower[name] for name in LABELS if name in lower), "")
        several = () if one or many else tuple(n for n in columns if n.startswith(ONE_OF_SEVERAL))
        if not items or not (one or many or several):
            found = ", ".join(name[:40] for name in columns[:20])
            raise BadInput(
                f"{file} lacks a column for the image or one for its label: it has {found}.",
                f"Name them item_id and label, or {ONE_OF_SEVERAL}CLASS for each class.",
            )
        beside = {name: lower[name] for name in _BESIDE if name in lower}
        return cls(items, one or many, not one and bool(many), several, beside, classes)

    def read(self, file: str, number: int, cells: Mapping[str, str]) -> TableRow | None:
        was = self._was(file, number, cells)
        answers = tuple(self._answers(cells, was))
        said = cells.get(self.label, "")
        classes = tuple(dict.fromkeys(self._listed(said) if self.is_list else [said] if said else []))
        if was is not None and not self.several and classes == was:
            return None  # as it was exported
        if was is None and classes and "given" in self.beside and classes == (self._beside(cells, "given"),):
            return None  # repeats the given label beside it
        if not classes and not answers:
            return None
        return TableRow(
            number,
            tuple(dict.fromkeys(cells[name] for name in self.items if cells.get(name))),
            self._beside(cells, "content_hash") or None,
            classes,
            answers,
            tuple(word for _, word in self._pairs(was, answers)) if self.several and was else was,
            self._beside(cells, "who"),
            self._beside(cells, "when"),
        )

    def _beside(self, cells: Mapping[str, str], name: str) -> str:
        return cells.get(self.beside.get(name, ""), "")

    def _was(self, file: str, number: int, cells: Mapping[str, str]) -> tuple[str, ...] | None:
        if EXPORTED not in self.beside:
            return None
        text = self._beside(cells, EXPORTED)
        if not self.several:
            return (text,) if text else ()
        words = tuple(_WORDS.get(word, word) for word in text.split(JOINT))
        if len(words) != len(self.several):
            raise BadInput(
                f"{file}, line {number}: its column {EXPORTED} tells of {len(words)} classes, and there are "
                f"{len(self.several)} columns for classes.",
                f"Put the columns back, or delete {EXPORTED}: then every cell counts as said.",
            )
        return words

    def _answers(self, cells: Mapping[str, str], was: tuple[str, ...] | None) -> Iterator[tuple[str, str]]:
        for k, column in enumerate(self.several):
            cell = cells.get(column, "").lower()
            word = _WORDS.get(cell, cell)
            if word != was[k] if was is not None else cell:
                yield column.removeprefix(ONE_OF_SEVERAL), word

    def _pairs(
        self, was: tuple[str, ...] | None, answers: tuple[tuple[str, str], ...]
    ) -> Iterator[tuple[str, str]]:
        before = dict(zip((c.removeprefix(ONE_OF_SEVERAL) for c in self.several), was or (), strict=True))
        return ((name, before[name]) for name, _ in answers)

    def _listed(self, cell: str) -> list[str]:
        if cell in self.classes:
            return [cell]
        mark = next((one for one in (JOINT, ";") if one in cell), ",")
        return [name for part in cell.split(mark) if (name := part.strip())]


def wrong_answer(answers: Sequence[tuple[str, str]]) -> str:
    """The first answer that is none, or ""."""
    return next((said for _, said in answers if said not in ANSWERS), "")


# ---------------------------------------------------------------- text


def _without_preamble(text: str) -> tuple[str, str]:
    """(the table, its delimiter): blank lines before it are skipped, and the ``sep=;`` of a spreadsheet."""
    text = text.lstrip("\r\n")
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if first.lower().startswith("sep=") and len(first) == 5:
        return text[5:].lstrip("\r\n"), first[4]
    return text, max(",\t;", key=_QUOTED.sub("", first).count)


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _text(name: str, content: bytes) -> tuple[list[str], Rows]:
    try:
        text = content.decode("utf-16" if content[:2] in _BYTE_ORDERS else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = f"{name} is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}."
        raise BadInput(said, "Save the table as UTF-8.") from None
    table, delimiter = _without_preamble(text)
    reader = _reader(table, delimiter)
    skipped = len(text[: len(text) - len(table)].splitlines())
    columns = [column.strip() for column in next(reader, [])]
    return columns, _records(name, reader, columns, skipped)


def _records(name: str, reader: Any, columns: Sequence[str], skipped: int) -> Rows:
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            row = reader.line_num + skipped
            raise BadInput(f"{name}, line {row}: {error}.", "Mend its quotes; nothing was used.") from None
        if cells is None:
            return
        row = reader.line_num + skipped
        if cells and len(cells) != len(columns):
            raise BadInput(
                f"{name}, line {row}, has {len(cells)} cells; the header has {len(columns)}.",
                "Put text with commas into quotes; nothing was used.",
            )
        if cells:
            yield row, {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}


# ---------------------------------------------------------------- Parquet


def _parquet(name: str, content: bytes) -> tuple[list[str], Rows]:
    """Its columns, and the rows of those that are looked at; nothing else of it is unpacked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(pa.BufferReader(content))
        columns = [str(column) for column in schema.names]
        known = {*ITEM, *LABEL, *LABELS, *_BESIDE}
        wanted = [c for c in columns if c.lower() in known or c.startswith(ONE_OF_SEVERAL)]
        # A value that occurs a million times is kept once in the file; it is to be so in memory, too.
        texts = [c for c in wanted if pa.types.is_string(schema.field(c).type)]
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts)
    except _FAULTS as error:
        raise BadInput(f"{name} is no Parquet table ({error}).", "Write it again.") from None
    _check_size(name, file.metadata, set(wanted))
    return columns, _of_batches(name, file, wanted)


_FAULTS = (OSError, ValueError, TypeError, RuntimeError, MemoryError, NotImplementedError)
"""pyarrow's exceptions are among these."""


def _check_size(name: str, metadata: Any, wanted: set[str]) -> None:
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    columns = [group.column(k) for group in groups for k in range(group.num_columns)]
    read = [one for one in columns if one.path_in_schema.split(".")[0] in wanted]
    n_bytes = sum(one.total_uncompressed_size for one in read)
    if metadata.num_rows > MOST_ROWS or n_bytes > MOST_BYTES:
        raise BadInput(
            f"{name} has {metadata.num_rows:,} rows, {n_bytes:,} bytes unpacked.",
            f"At most {MOST_ROWS:,} rows and {MOST_BYTES:,} bytes are read: divide it.",
        )


def _of_batches(name: str, file: Any, wanted: Sequence[str]) -> Rows:
    number = 1
    batches = file.iter_batches(batch_size=_BATCH, columns=list(wanted))
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            parts = [_texts(name, column) for column in batch.columns]
        except _FAULTS as error:
            raise BadInput(f"{name} is no Parquet table ({error}).", "Write it again.") from None
        for cells in zip(*parts, strict=True):
            number += 1
            yield number, dict(zip(batch.schema.names, cells, strict=True))


def _texts(name: str, column: Any) -> list[str]:
    """The cells of a column of a batch, as texts; of a dictionary each value is one text, however often."""
    import pyarrow as pa

    if not isinstance(column, pa.DictionaryArray):
        return [_cell(value) for value in column.to_pylist()]
    texts = [_cell(value) for value in column.dictionary.to_pylist()]
    if max(map(len, texts), default=0) > MOST_CHARACTERS:
        raise BadInput(f"{name} has a cell of {max(map(len, texts)):,} characters.", "Shorten it.")
    return ["" if index is None else texts[index] for index in column.indices.to_pylist()]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return JOINT.join(_cell(one) for one in value)
    return "" if value is None else str(value).strip()
