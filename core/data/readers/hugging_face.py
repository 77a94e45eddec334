"""Hugging Face data sets: parquet files, a folder written by save_to_disk, or a name on the hub."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from core.bounded import parse_json
from core.data.dataset import Task
from core.data.problems import ProblemLog
from core.data.readers.base import (
    Choice,
    Hints,
    Question,
    Recognised,
    Record,
    natural,
    reader,
    split_of,
    tidy_name,
)
from core.errors import BadInput, NotFound, Offline
from core.files import read_limited

_IMAGE_COLUMNS = ("image", "img", "picture", "pixel_values", "jpg", "png")
_BOMB_BYTES, _BOMB_RATIO = 64 << 20, 200
_LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target")
_SPLIT_COLUMNS = ("split", "subset", "partition")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column of a file is what; None where there is none."""

    image: str
    label: str | None
    caption: str | None
    split: str | None
    id: str | None
    unknown: str | None

    @property
    def wanted(self) -> list[str]:
        found = (self.image, self.label, self.caption, self.split, self.id, self.unknown)
        return [name for name in dict.fromkeys(found) if name]


@reader("hugging-face", "a Hugging Face data set (folder, parquet or hub name)", rank=40)
def recognise(source: Path, hints: Hints) -> Recognised | None:
    """Parquet files or Arrow files with an image column of bytes."""
    files = [source] if source.is_file() else sorted([*source.rglob("*.parquet"), *source.rglob("*.arrow")])
    files = [path for path in files if _magic(path)]
    if not files:
        return None
    _check_growth(files)
    schema = _schema(files[0])
    image = _image_column(files[0], schema, hints)
    questions: list[Question] = []
    label = _label_column(files[0], schema, image, hints, questions)
    columns = _Columns(
        image,
        label,
        _named(schema, hints.caption, ("caption", "text")),
        None if hints.splits_from in ("none", "folders") else _named(schema, hints.split, _SPLIT_COLUMNS),
        _named(schema, hints.id, ("item_id",)),
        "unknown" if label == "labels" and "unknown" in schema.names else None,
    )
    names = {path: _class_names(path, _schema(path), label) for path in files}
    several = label is not None and _is_list(schema.field(label).type)
    classes = hints.classes or tuple(dict.fromkeys(name for path in files for name in names[path]))
    if several and not classes:
        classes = _listed_classes(files, str(label))
    roles = {
        "image": image,
        "label": label,
        "caption": columns.caption,
        "split": columns.split,
        "id": columns.id,
    }
    used = {name: role for role, name in roles.items() if name}

    def records(log: ProblemLog, *, labels_only: bool = False) -> Iterator[Record]:
        for path in files:
            own = names[path] or next((some for some in names.values() if some), ())
            said = classes if hints.classes else own
            form = _Form(columns, said, classes, several=several, labels_only=labels_only)
            yield from _rows(path, source, form, log)

    return Recognised(
        format="Hugging Face data set",
        records=records,
        task=Task.MULTI_LABEL if several else Task.SINGLE_LABEL,
        classes=classes,
        n_items=_n_rows(files),
        columns=used,
        unused=tuple(
            f"{name}: columns are not kept yet" for name in schema.names if name not in columns.wanted
        ),
        questions=tuple(questions),
        weight=_n_rows(files),
        peek=lambda log: records(log, labels_only=True),
    )


def _named(schema: Any, told: str, usual: tuple[str, ...]) -> str | None:
    """The column that was named, or one of the usual ones. Raises BadInput when it is not there."""
    if told and told not in schema.names:
        raise BadInput(f"There is no column {told!r} (but {', '.join(schema.names)}).", "Correct the option.")
    return told or next((name for name in usual if name in schema.names), None)


def _image_column(path: Path, schema: Any, hints: Hints) -> str:
    """The column of images. Raises BadInput where it cannot be told."""
    import pyarrow as pa

    image = _named(schema, hints.image, _IMAGE_COLUMNS)
    if image is not None:
        return image
    holds = [
        field.name
        for field in schema
        if pa.types.is_binary(field.type)
        or pa.types.is_large_binary(field.type)
        or (pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0)
    ]
    if len(holds) == 1:
        return str(holds[0])
    raise BadInput(
        f"{path.name} has no image column (its columns: {', '.join(schema.names)}).",
        f"Say which it is (--image), or name it one of: {', '.join(_IMAGE_COLUMNS)}.",
    )


def _label_column(path: Path, schema: Any, image: str, hints: Hints, questions: list[Question]) -> str | None:
    """The column of labels: by its name, else the one that has class names, else the only one that can be."""
    import pyarrow as pa

    if hints.label == ("none",):
        return None
    label = _named(schema, hints.label[0] if hints.label else "", _LABEL_COLUMNS)
    if label is not None:
        return label
    with_names = [name for name in schema.names if _class_names(path, schema, name)]
    others = [
        field.name
        for field in schema
        if field.name not in (image, "caption", "text", "item_id", *_SPLIT_COLUMNS)
        and (
            pa.types.is_integer(field.type)
            or pa.types.is_string(field.type)
            or pa.types.is_boolean(field.type)
        )
    ]
    likely = with_names or [name for name in others if _repeats(path, name)]
    if len(likely) > 1:
        choices = [Choice(name, {"label": (name,)}, f'--label "{name}"') for name in likely]
        choices.append(Choice("none of them", {"label": ("none",)}, "--label none"))
        questions.append(Question(f"Which column of {path.name} is the label?", tuple(choices)))
    return likely[0] if likely else None


def _repeats(path: Path, column: str) -> bool:
    """Whether the values of a column repeat, as those of classes do."""
    values: list[Any] = []
    for batch in _batches(path, [column]):
        values += batch.column(column).to_pylist()
        if len(values) > 20_000:
            break
    return 2 <= len(set(values)) <= max(2, len(values) // 2)


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _listed_classes(files: list[Path], label: str) -> tuple[str, ...]:
    """The classes that occur in lists of labels."""
    found: set[str] = set()
    for path in files:
        for batch in _batches(path, [label]):
            found |= {str(one) for row in batch.column(label).to_pylist() for one in row or ()}
    return tuple(sorted(found, key=natural))


def _check_growth(files: list[Path]) -> None:
    """Refuse parquet files that are small only because they unpack to something huge."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in files:
        try:
            about = pq.read_metadata(path)
        except (pa.ArrowException, OSError):
            continue  # an Arrow file is not packed; a damaged one is noticed when it is read
        unpacked = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        if unpacked > _BOMB_BYTES and unpacked > _BOMB_RATIO * path.stat().st_size:
            growth = unpacked // path.stat().st_size
            raise BadInput(f"{path.name} grows {growth:,}-fold when unpacked: a bomb.", "Do not trust it.")


def _n_rows(files: list[Path]) -> int | None:
    """How many rows parquet files say that they have; Arrow streams do not say."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return sum(int(pq.read_metadata(path).num_rows) for path in files)
    except (pa.ArrowException, OSError):
        return None


def from_hub(name: str, folder: Path) -> Path:
    """Fetch a data set of the hub as parquet files into ``folder``.

    Raises:
        NotFound: The hub has no such data set, or shows it only after a login.
        Offline: The hub cannot be reached.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    _ask_hub(name)
    import datasets

    try:
        loaded = datasets.load_dataset(name)
        for split, part in loaded.items():
            part.to_parquet(str(folder / f"{split}.parquet"))
    except Exception as error:  # the hub's client raises errors of many libraries
        raise _not_fetched(name, type(error).__name__) from error
    return folder


def _ask_hub(name: str) -> None:
    """Look first, for a few seconds, since the hub's client tries for minutes where there is no network."""
    offline = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("HF_DATASETS_OFFLINE")
    if offline and offline.lower() not in ("0", "false"):
        return  # only what the client has kept from before can be had, and it answers at once
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    try:
        with urllib.request.urlopen(f"{endpoint}/api/datasets/{quote(name)}", timeout=10):
            return
    except urllib.error.HTTPError as error:
        if error.code not in (401, 404):
            raise _not_fetched(name, f"the hub answered {error.code}") from None
        said = f"{name!r} is no file or folder here, and the hub shows no data set of that name."
        raise NotFound(
            said, "Check the name; data sets that need a login must be downloaded first."
        ) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _not_fetched(name, f"the hub cannot be reached: {error}") from None


def _not_fetched(name: str, why: str) -> Offline:
    return Offline(
        f"{name!r} is no file or folder here, and it could not be fetched from the hub ({why}).",
        "Check the name and the network, or give a local folder or parquet file.",
    )


def _magic(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError:
        return False
    return (
        start[:4] == b"PAR1"
        or start[:6] == b"ARROW1"
        or (path.suffix == ".arrow" and start[:4] == b"\xff" * 4)
    )


def _batches(path: Path, columns: list[str] | None = None) -> Iterator[Any]:
    """Record batches of a parquet, Arrow file or Arrow stream; of parquet these columns only."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        start = file.read(6)
    if start[:4] == b"PAR1":
        yield from pq.ParquetFile(path).iter_batches(batch_size=256, columns=columns)
        return
    with pa.memory_map(str(path)) as mapped:
        if start == b"ARROW1":
            reader = pa.ipc.open_file(mapped)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = pa.ipc.open_stream(mapped)
        for batch in batches:
            batch.validate(full=True)  # unchecked, offsets that lead out of the file end the process
            yield batch


def _schema(path: Path) -> Any:
    import pyarrow as pa

    try:
        first = next(_batches(path), None)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path.name} is damaged ({error}).", "Fetch it again.") from None
    if first is None:
        raise BadInput(f"{path.name} is empty.", "Give a file with rows.")
    return first.schema


def _class_names(path: Path, schema: Any, label: str | None) -> tuple[str, ...]:
    """The names that the file's metadata, or dataset_info.json beside it, gives to the label numbers."""
    about: dict[str, Any] = {}
    metadata = schema.metadata or {}
    beside = path.with_name("dataset_info.json")
    try:
        if b"huggingface" in metadata:
            about = parse_json(metadata[b"huggingface"])["info"]["features"]
        elif beside.exists():
            about = parse_json(read_limited(beside, 16 << 20))["features"] or {}
        feature = about.get(label or "") or {}
        if isinstance(feature, list):
            feature = feature[0]
        names = feature.get("names") or (feature.get("feature") or {}).get("names") or []
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        BadInput,
    ):  # names are a comfort: numbers do without
        return ()
    return tuple(tidy_name(str(name)) for name in names)


@dataclass(frozen=True, slots=True)
class _Form:
    """How the rows of a file are read.

    Attributes:
        names: Of the label numbers of this file; empty where numbers are classes.
        classes: Of the data set.
        several: Whether a row has a list of labels.
        labels_only: Whether the images are passed over.
    """

    columns: _Columns
    names: tuple[str, ...]
    classes: tuple[str, ...]
    several: bool
    labels_only: bool

    def label(self, value: Any, unknown: Any) -> Any:
        """The label of a row as the rest of the import knows it. Raises ValueError with what is wrong."""
        if self.several:
            return self._answers(value, unknown)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if isinstance(value, bool):
            return str(value)
        if not isinstance(value, int | str):
            raise ValueError(f"The label is {value!r}; a number or a name was expected.")
        if isinstance(value, str):
            return tidy_name(value)
        if value < 0:
            return None
        if not self.names:
            return value
        if value >= len(self.names):
            raise ValueError(f"The label is {value}; there are {len(self.names)} classes.")
        return self.names[value]

    def _answers(self, value: Any, unknown: Any) -> Any:
        if value is None:
            return None
        marks = np.zeros(len(self.classes), np.float32)
        index = {name: k for k, name in enumerate(self.classes)}
        for listed, mark in ((value, 1.0), (unknown or (), np.nan)):
            for one in listed:
                inside = isinstance(one, int) and 0 <= one < len(self.names)
                name = self.names[one] if inside else tidy_name(str(one))
                if name not in index:
                    raise ValueError(f"The label {one!r} is none of the {len(self.classes)} classes.")
                marks[index[name]] = mark
        return marks


def _rows(path: Path, source: Path, form: _Form, log: ProblemLog) -> Iterator[Record]:
    import pyarrow as pa

    name = path.relative_to(source).as_posix() if source.is_dir() else path.name
    of_file = split_of(path.name) or (split_of(path.parent.name) if path.parent != source else None)
    prefix = name.rpartition(".")[0] if source.is_dir() else (of_file or path.stem)
    columns, row = form.columns, 0
    wanted = [key for key in columns.wanted if not (form.labels_only and key == columns.image)]
    try:
        for batch in _batches(path, wanted):
            cells = {key: batch.column(key).to_pylist() for key in wanted}
            for i in range(batch.num_rows):
                row += 1
                of_row = {key: values[i] for key, values in cells.items()}
                record = _record(of_row, form, name, row, log)
                if record is not None:
                    split = split_of(str(of_row.get(columns.split or "") or "")) or of_file
                    yield replace(record, item_id=record.item_id or f"{prefix}-{row - 1:05d}", split=split)
    except (pa.ArrowException, OSError) as error:
        log.add(name, row + 1, f"The file is damaged from here on ({error}).", "Fetch it again.")


def _record(cells: dict[str, Any], form: _Form, name: str, row: int, log: ProblemLog) -> Record | None:
    """The record of a row; None where something is wrong with it, which is noted."""
    columns = form.columns
    cell = cells.get(columns.image)
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        if not form.labels_only:
            log.add(name, row, "The image's bytes are missing.", "Leave the row out, or embed the file.")
            return None
        content = b""
    try:
        label = form.label(cells.get(columns.label or ""), cells.get(columns.unknown or ""))
    except ValueError as error:
        log.add(name, row, str(error), "Give one class a row.")
        return None
    item, caption = cells.get(columns.id or ""), cells.get(columns.caption or "")
    return Record(
        str(item) if item is not None else "",
        label,
        content,
        name,
        row,
        None,
        str(caption) if caption is not None else None,
    )
