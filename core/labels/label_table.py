"""Labels in a table: CSV, TSV or Parquet with a column that names the image and one that says its label.

It is what a spreadsheet or pandas writes, and what ``tidyset labels export --output labels.csv`` has written.
A row without a label says nothing, nor does one that only repeats the given label beside it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.errors import BadInput
from core.labels.journal import ANSWERS, NO, UNKNOWN, YES

ITEM = ("item_id", "item", "id", "image_id", "image", "file_name", "filename", "file", "path", "name")
LABEL = ("current", "corrected_label", "new_label", "corrected", "new", "label", "class", "category")
LABELS = ("labels", "tags", "classes", "categories")
ONE_OF_SEVERAL = "label "
"""What a column for one class of several begins with; the name of the class follows."""
_WORDS = {"1": YES, "0": NO, "1.0": YES, "0.0": NO, "true": YES, "false": NO, "?": UNKNOWN}
PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True)
class TableRow:
    """What one row says of one image.

    Attributes:
        row: Its line in the file, the header being 1.
        classes: Names of the classes it is given; () where ``answers`` say it class by class.
        answers: (class, yes, no or unknown) where the table has a column for each class.
        state: "excluded" and "confirmed" mean what they say; anything else says nothing.
    """

    row: int
    item: str
    image: str | None
    classes: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    state: str
    who: str
    when: str


def is_table(content: bytes) -> bool:
    """Whether a file holds a table of labels, as far as its first line tells."""
    if content.startswith(PARQUET):
        return True
    header = content.partition(b"\n")[0].decode("utf-8-sig", "replace")
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=_delimiter(header)), [])]
    return any(name in ITEM for name in names) and len(names) > 1


def read_rows(name: str, content: bytes) -> list[TableRow]:
    """The rows that say something.

    Raises:
        BadInput: It cannot be read as a table, or lacks a column.
    """
    names, rows = _parquet(name, content) if content.startswith(PARQUET) else _text(name, content)
    lower = {name.strip().lower(): name for name in reversed(names)}
    item = next((lower[name] for name in ITEM if name in lower), None)
    one = next((lower[name] for name in LABEL if name in lower), None)
    many = next((lower[name] for name in LABELS if name in lower), None)
    several = [name for name in names if name.startswith(ONE_OF_SEVERAL)]
    if item is None or not (one or many or several):
        raise BadInput(
            f"{name} lacks a column for the image or one for its label: it has {', '.join(names[:20])}.",
            f"Name them item_id and label, or {ONE_OF_SEVERAL}CLASS for each class.",
        )
    return list(_said(rows, lower, item, several, one or many or "", is_list=not one))


def _said(
    rows: Iterator[tuple[int, Mapping[str, str]]],
    lower: Mapping[str, str],
    item: str,
    several: Sequence[str],
    label: str,
    *,
    is_list: bool,
) -> Iterator[TableRow]:
    def cell(row: Mapping[str, str], name: str) -> str:
        return row.get(lower.get(name, ""), "").strip()

    for number, row in rows:
        said = row.get(label, "").strip()
        classes = tuple(dict.fromkeys(_listed(said) if is_list else [said] if said else []))
        answers = tuple(
            (name.removeprefix(ONE_OF_SEVERAL), _WORDS.get(word.lower(), word.lower()))
            for name in several
            if (word := row.get(name, "").strip())
        )
        state = cell(row, "state").lower()
        repeats = classes == (cell(row, "given"),) and state not in ("confirmed", "excluded")
        if (classes or answers or state == "excluded") and not repeats:
            yield TableRow(
                number,
                row.get(item, "").strip(),
                cell(row, "content_hash") or None,
                () if several else classes,
                answers,
                state,
                cell(row, "who"),
                cell(row, "when"),
            )


def wrong_answer(answers: Sequence[tuple[str, str]]) -> str:
    """The first answer that is none, or ""."""
    return next((said for _, said in answers if said not in ANSWERS), "")


def _listed(cell: str) -> list[str]:
    mark = next((one for one in "|;" if one in cell), ",")
    return [name for part in cell.split(mark) if (name := part.strip())]


def _delimiter(header: str) -> str:
    return max(",\t;", key=header.count)


def _text(name: str, content: bytes) -> tuple[list[str], Iterator[tuple[int, Mapping[str, str]]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = f"{name} is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}."
        raise BadInput(said, "Save the table as UTF-8.") from None
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]), strict=True
    )
    names = [name.strip() for name in next(reader, [])]
    return names, _records(name, reader, names)


def _records(
    name: str, reader: Iterator[list[str]], names: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    number = 2
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadInput(f"{name}, row {number}: {error}.", "Mend its quotes; nothing was used.") from None
        if cells is None:
            return
        if cells:
            if len(cells) != len(names):
                raise BadInput(
                    f"{name}, row {number}, has {len(cells)} cells; the header has {len(names)}.",
                    "Put text with commas into quotes; nothing was used.",
                )
            yield number, dict(zip(names, cells, strict=True))
        number += 1


def _parquet(name: str, content: bytes) -> tuple[list[str], Iterator[tuple[int, Mapping[str, str]]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(f"{name} is no Parquet table ({error}).", "Write it again.") from None
    texts = ({name: "" if value is None else str(value) for name, value in row.items()} for row in rows)
    return table.column_names, enumerate(texts, start=2)
