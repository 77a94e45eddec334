"""Labels as a table that other tools read: CSV, Parquet or JSON lines, by the file's ending."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO

from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.errors import BadInput
from core.files import atomic_writer
from core.labels.versions import LabelState

COLUMNS = ("item_id", "split", "given", "current", "state")
Columns = dict[str, list[str | None]]


def label_columns(dataset: Dataset, state: LabelState) -> Columns:
    """The columns of the table, each of N values; a missing label is None.

    ``state`` is "excluded", "edited", "confirmed" or "given". Raises BadInput for several labels an image.
    """
    if dataset.task is not Task.SINGLE_LABEL:
        raise BadInput(
            f"Data set {dataset.name!r} has several labels an image.",
            "Export handles one label an image so far.",
        )
    names: list[str | None] = [*dataset.classes, None]  # the index -1, unlabelled, is the last one
    assert UNLABELLED == -1
    marks = zip(state.excluded.tolist(), state.edited.tolist(), state.confirmed.tolist(), strict=True)
    return {
        "item_id": dataset.item_ids.tolist(),
        "split": [SPLITS[index] for index in dataset.split.tolist()],
        "given": [names[index] for index in dataset.labels.tolist()],
        "current": [names[index] for index in state.labels.tolist()],
        "state": [
            "excluded" if excluded else "edited" if edited else "confirmed" if confirmed else "given"
            for excluded, edited, confirmed in marks
        ],
    }


def export_labels(dataset: Dataset, state: LabelState, path: Path) -> int:
    """Write the labels of every item to ``path``; returns the number of rows.

    Raises:
        BadInput: The ending is none of .csv, .parquet and .jsonl, or there are several labels an image.
        StorageFailed: The file cannot be written.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise BadInput(
            f"{path.name!r} does not say in which format to write.",
            f"Let it end in {', '.join(_WRITERS)}.",
        )
    columns = label_columns(dataset, state)
    with atomic_writer(path) as file:
        write(columns, file)
    return len(dataset)


def _write_csv(columns: Columns, file: IO[bytes]) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    text.flush()
    text.detach()


def _write_json_lines(columns: Columns, file: IO[bytes]) -> None:
    for row in zip(*columns.values(), strict=True):
        line = json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)
        file.write(line.encode() + b"\n")


def _write_parquet(columns: Columns, file: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), file)


_WRITERS: dict[str, Callable[[Columns, IO[bytes]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": _write_json_lines,
}
