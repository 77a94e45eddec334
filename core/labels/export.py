"""Corrected labels as files that other tools read: tables, arrays, folders, Hugging Face, Label Studio.

Tables list every item with what became of it. The others hold data to train on, so images that a person
left out are not in them.
"""

from __future__ import annotations

import base64
import csv
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from core.data.content import content_hashes
from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.data.images import FileImages
from core.errors import BadInput, NameTaken
from core.files import atomic_writer, begin_array, confined, digest, storage_failed, storing
from core.json_text import json_text
from core.labels.label_table import EXPORTED, JOINT
from core.labels.versions import LabelState

UNLABELLED_FOLDER = "unlabelled"
_BLOCK = 256
Columns = dict[str, list[Any]]


class Format(StrEnum):
    """What labels are written as."""

    TABLE = "table"
    NPZ = "npz"
    FOLDERS = "folders"
    HUGGING_FACE = "huggingface"
    LABEL_STUDIO = "label-studio"


_ENDINGS = {
    ".csv": Format.TABLE,
    ".parquet": Format.TABLE,
    ".npz": Format.NPZ,
    ".json": Format.LABEL_STUDIO,
}


def format_of(path: Path) -> Format:
    """The format that a file's ending means. Raises BadInput for an ending that means none."""
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        raise BadInput(
            f"{path.name!r} does not say in which format to write.",
            f"Let it end in {', '.join(_ENDINGS)} (or .jsonl for a patch), or give --format "
            f"{Format.FOLDERS} or {Format.HUGGING_FACE} for a folder.",
        )
    return found


def export_labels(dataset: Dataset, state: LabelState, path: Path, chosen: Format | None = None) -> int:
    """Write the labels of ``state`` to ``path``, whole or not at all; returns the number of items.

    Args:
        chosen: The format; from the ending of ``path`` when not given.

    Raises:
        BadInput: The ending means no format, or the format cannot hold this data set.
        NameTaken: It would be a folder, and there is something of that name.
        DamagedFile: An image cannot be read.
        StorageFailed: It cannot be written.
    """
    chosen = chosen or format_of(path)
    if chosen is Format.TABLE and path.suffix.lower() not in _TABLES:
        raise BadInput(
            f"{path.name!r} does not say what table to write.", f"Let it end in {', '.join(_TABLES)}."
        )
    return _WRITERS[chosen](dataset, state, path)


# ---------------------------------------------------------------- tables


def label_columns(dataset: Dataset, state: LabelState) -> Columns:
    """The columns of the table, each of N values; a missing label is None.

    item_id, split and, for one label an image, given and current (class names); for several, one column a
    class, "label NAME", of 1, 0 and None. state is "excluded", "edited", "confirmed" or "given"; exported
    repeats the label, so that core.labels.label_table can tell what was changed in the table since.
    """
    columns: Columns = {
        "item_id": dataset.item_ids.tolist(),
        "split": [SPLITS[index] for index in dataset.split.tolist()],
    }
    if dataset.task is Task.SINGLE_LABEL:
        names: list[str | None] = [*dataset.classes, None]  # the index -1, unlabelled, is the last one
        assert UNLABELLED == -1
        columns["given"] = [names[index] for index in dataset.labels.tolist()]
        columns["current"] = [names[index] for index in state.labels.tolist()]
    else:
        for k, name in enumerate(dataset.classes):
            values = state.labels[:, k].tolist()
            columns[f"label {name}"] = [None if value != value else int(value) for value in values]
    if dataset.task is Task.SINGLE_LABEL:
        exported = columns["current"]
    else:
        cells = zip(*(columns[f"label {name}"] for name in dataset.classes), strict=True)
        exported = [JOINT.join("" if one is None else str(one) for one in row) for row in cells]
    return columns | {"state": _states(state), EXPORTED: exported}


def _states(state: LabelState) -> list[str]:
    marks = zip(state.excluded.tolist(), state.edited.tolist(), state.confirmed.tolist(), strict=True)
    return [
        "excluded" if excluded else "edited" if edited else "confirmed" if confirmed else "given"
        for excluded, edited, confirmed in marks
    ]


def _write_table(dataset: Dataset, state: LabelState, path: Path) -> int:
    columns = label_columns(dataset, state)
    with atomic_writer(path) as file:
        _TABLES[path.suffix.lower()](columns, file)
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
        line = json_text(dict(zip(columns, row, strict=True)))
        file.write(line.encode() + b"\n")


def _write_parquet(columns: Columns, file: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {
        name: pa.array(values, pa.int8() if name.startswith("label ") else pa.string())
        for name, values in columns.items()
    }
    pq.write_table(pa.table(arrays), file)


_TABLES: dict[str, Callable[[Columns, IO[bytes]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": _write_json_lines,
}


# ---------------------------------------------------------------- arrays


def _kept(state: LabelState) -> NDArray[np.int64]:
    """Positions of the items that nobody left out. Raises BadInput when there are none."""
    kept = np.flatnonzero(~state.excluded)
    if not len(kept):
        raise BadInput("Every image is left out.", "Take some back in, or write a table.")
    return kept


def _write_npz(dataset: Dataset, state: LabelState, path: Path) -> int:
    """images (n, H, W, C) uint8, labels, given, classes, item_ids, split and content_hashes.

    The images are written block by block, so that memory does not grow with the data set.
    """
    size = dataset.images.uniform
    if size is None:
        raise BadInput(
            f"The images of {dataset.name!r} differ in size, and .npz holds one array.",
            f"Write --format {Format.FOLDERS} or {Format.HUGGING_FACE}.",
        )
    kept = _kept(state)
    arrays: dict[str, NDArray[Any]] = {
        "labels": state.labels[kept],
        "given": np.asarray(dataset.labels[kept]),
        "classes": np.array(dataset.classes, np.str_),
        "item_ids": np.asarray(dataset.item_ids[kept]),
        "split": np.array(SPLITS)[dataset.split[kept]],
        "content_hashes": content_hashes(dataset, kept),
    }
    with atomic_writer(path) as file, zipfile.ZipFile(file, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as member:
            begin_array(member, "u1", (len(kept), *size))
            for start in range(0, len(kept), _BLOCK):
                member.write(dataset.images.resized(kept[start : start + _BLOCK], *size).tobytes())
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return len(kept)


# ---------------------------------------------------------------- folders


def _in_new_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside ``path`` and rename it when it is complete. Raises NameTaken, StorageFailed."""
    if path.exists():
        raise NameTaken(f"There is a {path} already.", "Name a folder that does not exist yet.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    except OSError as error:
        raise storage_failed(path, error) from error
    try:
        fill(building)
        building.chmod(0o755)
        building.rename(path)
    except OSError as error:
        raise storage_failed(path, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _write_folders(dataset: Dataset, state: LabelState, path: Path) -> int:
    """SPLIT/CLASS/IMAGE; labels.csv beside them says which item and which class each file is."""
    if dataset.task is not Task.SINGLE_LABEL:
        raise BadInput(
            f"Images of {dataset.name!r} have several labels, and lie in one folder each.",
            f"Write a table, .npz or --format {Format.HUGGING_FACE}.",
        )
    kept = _kept(state)
    folders = _safe_names([*dataset.classes, UNLABELLED_FOLDER])
    files = _safe_names([_file_name(dataset, int(position)) for position in kept])

    def fill(building: Path) -> None:
        with storing(path), (building / "labels.csv").open("w", encoding="utf-8", newline="") as table:
            writer = csv.writer(table)
            writer.writerow(("file", "item_id", "label"))
            for name, position in zip(files, kept.tolist(), strict=True):
                k = int(state.labels[position])
                relative = Path(SPLITS[dataset.split[position]], folders[k], name)
                (building / relative).parent.mkdir(parents=True, exist_ok=True)
                _put_image(dataset, position, building / relative)
                label = "" if k == UNLABELLED else dataset.classes[k]
                writer.writerow((relative.as_posix(), dataset.item_ids[position], label))

    _in_new_folder(path, fill)
    return len(kept)


def _safe_names(names: list[str]) -> list[str]:
    """Names that any file system takes, each once, as like the given ones as can be."""
    taken: set[str] = set()
    safe = []
    for name in names:
        stem, dot, ending = name.rpartition(".")
        stem, ending = (stem, dot + ending) if stem and len(ending) <= 5 else (name, "")
        stem = "".join(c if c.isalnum() or c in " ._-" else "_" for c in stem)[:80].strip(" .") or "_"
        chosen, n = f"{stem}{ending}", 1
        while chosen.lower() in taken:
            n += 1
            chosen = f"{stem}-{n}{ending}"
        taken.add(chosen.lower())
        safe.append(chosen)
    return safe


def _file_name(dataset: Dataset, position: int) -> str:
    """The last part of the item's id, with the ending of its image file."""
    name = str(dataset.item_ids[position]).replace("\\", "/").rpartition("/")[2]
    source = _source_file(dataset, position)
    ending = source.suffix if source else ".png"
    return name if name.lower().endswith(ending) else f"{name}{ending}"


def _source_file(dataset: Dataset, position: int) -> Path | None:
    images = dataset.images
    return confined(images.folder, str(images.files[position])) if isinstance(images, FileImages) else None


def _put_image(dataset: Dataset, position: int, path: Path) -> None:
    """Copy the image file as it is, or write the pixels as PNG."""
    source = _source_file(dataset, position)
    with storing(path):
        if source:
            shutil.copyfile(source, path)
        else:
            path.write_bytes(_png(dataset, position))


def _image_bytes(dataset: Dataset, position: int) -> bytes:
    source = _source_file(dataset, position)
    return source.read_bytes() if source else _png(dataset, position)


def _png(dataset: Dataset, position: int) -> bytes:
    from PIL import Image

    pixels = dataset.images.read(position)
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


# ---------------------------------------------------------------- Hugging Face


def _write_hugging_face(dataset: Dataset, state: LabelState, path: Path) -> int:
    """A folder for datasets.load_from_disk, by split: image, item_id, label (or lists labels, unknown)."""
    import datasets

    kept = _kept(state)
    label = datasets.ClassLabel(names=list(dataset.classes))
    is_single = dataset.task is Task.SINGLE_LABEL
    answers = {"label": label} if is_single else {name: [label] for name in ("labels", "unknown")}
    features = datasets.Features({"image": datasets.Image(), **answers, "item_id": datasets.Value("string")})

    def rows(split: int) -> Iterator[dict[str, Any]]:
        for position in kept[dataset.split[kept] == split].tolist():
            own = state.labels[position]
            found = (
                {"label": int(own)}
                if is_single
                else {"labels": np.flatnonzero(own == 1), "unknown": np.flatnonzero(np.isnan(own))}
            )
            image = {"bytes": _image_bytes(dataset, position), "path": None}
            yield {"image": image, **found, "item_id": str(dataset.item_ids[position])}

    def fill(building: Path) -> None:
        scratch = building / "scratch"
        parts = {}
        for index in np.unique(dataset.split[kept]).tolist():
            name = {"val": "validation"}.get(SPLITS[index], SPLITS[index])
            fingerprint = digest(dataset.content_key, state.cache_key, name)  # of what `rows` gives
            parts[name] = datasets.Dataset.from_generator(
                lambda split=index: rows(split),
                features=features,
                cache_dir=str(scratch),
                split=datasets.NamedSplit(name),
                fingerprint=fingerprint,
            )
        datasets.DatasetDict(parts).save_to_disk(str(building))
        shutil.rmtree(scratch, ignore_errors=True)

    was_shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        _in_new_folder(path, fill)
    except datasets.exceptions.DatasetGenerationError as error:  # it wraps what writing or decoding raised
        if isinstance(error.__cause__, OSError):
            raise storage_failed(path, error.__cause__) from error
        raise error.__cause__ or error from None
    finally:
        if was_shown:
            datasets.enable_progress_bars()
    return len(kept)


# ---------------------------------------------------------------- Label Studio


def _write_label_studio(dataset: Dataset, state: LabelState, path: Path) -> int:
    """Tasks with one Choices tag "label" on an Image tag "image"; see https://labelstud.io/guide/task_format.

    What a person decided is an annotation; a given label that nobody looked at is a prediction, which Label
    Studio shows as its pre-annotation. Images of an array are in the task as data URIs; files are named by
    paths of Label Studio's local storage, below the data set's folder images/.
    """
    kept = _kept(state)
    hashes = content_hashes(dataset)
    with atomic_writer(path) as file:
        file.write(b"[")
        for n, position in enumerate(kept.tolist()):
            task = _task(dataset, state, position, str(hashes[position]))
            file.write((b",\n" if n else b"\n") + json_text(task).encode())
        file.write(b"\n]\n")
    return len(kept)


def _task(dataset: Dataset, state: LabelState, position: int, image_hash: str) -> dict[str, Any]:
    images = dataset.images
    if isinstance(images, FileImages):
        address = f"/data/local-files/?d=images/{images.files[position]}"
    else:
        address = f"data:image/png;base64,{base64.b64encode(_png(dataset, position)).decode()}"
    data = {
        "image": address,
        "item_id": str(dataset.item_ids[position]),
        "content_hash": image_hash,
        "split": SPLITS[dataset.split[position]],
    }
    own = state.labels[position]
    chosen = [int(own)] if dataset.task is Task.SINGLE_LABEL else np.flatnonzero(own == 1).tolist()
    chosen = [k for k in chosen if k != UNLABELLED]
    value = {"choices": [dataset.classes[k] for k in chosen]}
    result = [{"from_name": "label", "to_name": "image", "type": "choices", "value": value}]
    if state.edited[position] or state.confirmed[position]:
        return {"data": data, "annotations": [{"result": result}]}
    predictions = [{"model_version": "given labels", "result": result}] if chosen else []
    return {"data": data, "annotations": [], "predictions": predictions}


_WRITERS: dict[Format, Callable[[Dataset, LabelState, Path], int]] = {
    Format.TABLE: _write_table,
    Format.NPZ: _write_npz,
    Format.FOLDERS: _write_folders,
    Format.HUGGING_FACE: _write_hugging_face,
    Format.LABEL_STUDIO: _write_label_studio,
}
