"""Hugging Face data sets: parquet files, a folder written by save_to_disk, or a name on the hub."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.bounded import parse_json
from core.data.problems import ProblemLog
from core.data.readers.base import Hints, Recognised, Record, split_of
from core.errors import BadInput, NotFound, Offline
from core.files import read_limited

_IMAGE_COLUMNS = ("image", "img", "picture", "pixel_values")
_BOMB_BYTES, _BOMB_RATIO = 64 << 20, 200
_LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target")


def recognise(source: Path, hints: Hints) -> Recognised | None:
    """Parquet files or Arrow files with an image column of bytes."""
    files = [source] if source.is_file() else sorted([*source.rglob("*.parquet"), *source.rglob("*.arrow")])
    files = [path for path in files if _magic(path)]
    if not files:
        return None
    _check_growth(files)
    schema = _schema(files[0])
    image = next((name for name in _IMAGE_COLUMNS if name in schema.names), None)
    label = next((name for name in _LABEL_COLUMNS if name in schema.names), None)
    if image is None:
        raise BadInput(
            f"{files[0].name} has no image column (its columns: {', '.join(schema.names)}).",
            f"Name it one of: {', '.join(_IMAGE_COLUMNS)}.",
        )
    classes = hints.classes or _class_names(files[0], schema, label)
    caption = next((name for name in ("caption", "text") if name in schema.names), None)
    return Recognised(
        format="Hugging Face data set",
        records=lambda log: (r for path in files for r in _rows(path, source, image, label, caption, log)),
        classes=classes,
        n_items=_n_rows(files),
    )


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


def _batches(path: Path) -> Iterator[Any]:
    """Record batches of a parquet, Arrow file or Arrow stream."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        start = file.read(6)
    if start[:4] == b"PAR1":
        yield from pq.ParquetFile(path).iter_batches(batch_size=256)
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
        names = (about.get(label or "") or {}).get("names") or []
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        BadInput,
    ):  # names are a comfort: numbers do without
        return ()
    return tuple(str(name) for name in names)


def _rows(
    path: Path, source: Path, image: str, label: str | None, caption: str | None, log: ProblemLog
) -> Iterator[Record]:
    import pyarrow as pa

    name = path.relative_to(source).as_posix() if source.is_dir() else path.name
    split = split_of(path.name) or (split_of(path.parent.name) if path.parent != source else None)
    prefix = name.rpartition(".")[0] if source.is_dir() else (split or path.stem)
    row = 0
    try:
        for batch in _batches(path):
            columns = {key: batch.column(key).to_pylist() for key in (image, label, caption) if key}
            for i in range(batch.num_rows):
                row += 1
                cell = columns[image][i]
                content = cell.get("bytes") if isinstance(cell, dict) else cell
                value = columns[label][i] if label else None
                if not isinstance(content, bytes):
                    log.add(
                        name, row, "The image's bytes are missing.", "Leave the row out, or embed the file."
                    )
                elif value is not None and not isinstance(value, int | str):
                    said = f"The label is {value!r}; a number or a name was expected."
                    log.add(name, row, said, "Give one class a row.")
                else:
                    text = columns[caption][i] if caption else None
                    wanted = None if isinstance(value, int) and value < 0 else value
                    yield Record(f"{prefix}-{row - 1:05d}", wanted, content, name, row, split, text)
    except (pa.ArrowException, OSError) as error:
        log.add(name, row + 1, f"The file is damaged from here on ({error}).", "Fetch it again.")
