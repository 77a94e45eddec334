"""Writing a data set: everything goes to a temporary folder, which is renamed when it is complete."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import FORMAT, Dataset, Task, dataset_fingerprint, dataset_folder, load_dataset
from core.errors import NameTaken
from core.files import read_json, storage_failed, storing, write_array, write_json
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace, check_name

HIDDEN_FILE = "hidden_labels.npy"
BOXES_FILE = "character_boxes.npy"
_UNFINISHED = ".importing"
_DAY_SECONDS = 86_400


def content_hash(pixels: NDArray[np.uint8]) -> bytes:
    """16 bytes that are equal for pixel-identical images of the same shape."""
    state = hashlib.blake2b(str(pixels.shape).encode(), digest_size=16)
    state.update(np.ascontiguousarray(pixels).data)
    return state.digest()


def content_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, 16) uint8 hashes of images (N, H, W, C)."""
    joined = b"".join(content_hash(image) for image in images)
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)


def write_array_dataset(
    workspace: Workspace,
    name: str,
    *,
    title: str,
    task: Task,
    classes: Sequence[str],
    item_ids: NDArray[np.str_],
    split: NDArray[np.int8],
    labels: NDArray[Any],
    images: NDArray[np.uint8],
    captions: Sequence[str] | None = None,
    info: dict[str, str] | None = None,
    hidden: NDArray[Any] | None = None,
    boxes: NDArray[np.int16] | None = None,
) -> Dataset:
    """Keep images of one size, (N, H, W, C) uint8, as the data set ``name``.

    Args:
        hidden: What the labels would be had none been hidden (core.data.hiding).
        boxes: Where the characters of each image are (core.data.combo_mnist.character_boxes).

    Raises:
        NameTaken: There is a data set of that name.
        StorageFailed: The disk is full or read-only; nothing is left behind.
    """
    allow(workspace, Right.DATA)
    folder = dataset_folder(workspace, check_name(name, "data set"))
    if folder.exists():
        raise NameTaken(f"There is a data set {name!r} already.", "Choose another name, or delete it first.")
    hashes = content_hashes(images)
    building = building_folder(folder)
    sweep_unfinished(folder.parent)
    try:
        write_array(building / "images.npy", images)
        write_array(building / "item_ids.npy", item_ids)
        write_array(building / "split.npy", split.astype(np.int8))
        write_array(building / "labels.npy", labels)
        if hidden is not None:
            write_array(building / HIDDEN_FILE, hidden)
        if boxes is not None:
            write_array(building / BOXES_FILE, boxes)
        write_array(building / "content_hashes.npy", hashes)
        sizes = np.tile(np.array(images.shape[1:3], np.int32), (len(images), 1))
        write_array(building / "sizes.npy", sizes)
        if captions is not None:
            write_json(building / "captions.json", {"captions": list(captions)})
        manifest = {
            "format": FORMAT,
            "name": name,
            "title": title,
            "task": str(task),
            "classes": list(classes),
            "n": len(item_ids),
            "captions": captions is not None,
            "fingerprint": dataset_fingerprint(task, classes, item_ids, split, labels, hashes, captions),
            "created": time.time(),
            "info": info or {},
        }
        write_json(building / "dataset.json", manifest)
        publish(building, folder, name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return load_dataset(folder)


def write_relabelled(
    workspace: Workspace,
    source: Dataset,
    name: str,
    *,
    title: str,
    classes: Sequence[str],
    labels: NDArray[Any],
    info: dict[str, str],
    hidden: NDArray[Any] | None = None,
    on_share: Callable[[float], None] = lambda share: None,
) -> Dataset:
    """The images of ``source`` under other classes and labels, as the data set ``name``.

    Files of a data set never change, so the images are shared with the source (hard links) where the disk
    can do that, and copied elsewhere.

    Args:
        hidden: What the labels would be had none been hidden (core.data.hiding).
        on_share: Told how many of the bytes are there, 0 to 1.

    Raises:
        NameTaken: There is a data set of that name.
        StorageFailed: The disk is full or read-only; nothing is left behind.
    """
    allow(workspace, Right.DATA)
    folder = dataset_folder(workspace, check_name(name, "data set"))
    if folder.exists():
        raise NameTaken(f"There is a data set {name!r} already.", "Choose another name, or delete it first.")
    building = building_folder(folder)
    sweep_unfinished(folder.parent)
    try:
        own = shutil.ignore_patterns("dataset.json", "labels.npy", "left_out.json", "sheets", HIDDEN_FILE)
        shutil.copytree(source.folder, building, ignore=own, copy_function=_linking(source.folder, on_share))
        write_array(building / "labels.npy", labels)
        if hidden is not None:
            write_array(building / HIDDEN_FILE, hidden)
        manifest = {
            **read_json(source.folder / "dataset.json"),
            "name": name,
            "title": title,
            "classes": list(classes),
            "fingerprint": dataset_fingerprint(
                source.task,
                classes,
                source.item_ids,
                source.split,
                labels,
                source.content_hashes,
                source.captions,
            ),
            "created": time.time(),
            "info": info,
        }
        write_json(building / "dataset.json", manifest)
        publish(building, folder, name)
    except OSError as error:
        raise storage_failed(folder, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return load_dataset(folder)


def _linking(folder: Path, on_share: Callable[[float], None]) -> Callable[[str, str], None]:
    """``_linked``, telling how many of the folder's bytes are done."""
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    done = 0

    def link(source: str, target: str) -> None:
        nonlocal done
        _linked(source, target)
        done += Path(target).stat().st_size
        on_share(done / max(total, 1))

    return link


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        with storing(Path(target)):
            shutil.copy2(source, target)


def building_folder(folder: Path) -> Path:
    """A new name beside ``folder`` to build it under; no two builders get the same."""
    return folder.with_name(f".{folder.name}.{secrets.token_hex(4)}{_UNFINISHED}")


def sweep_unfinished(datasets: Path) -> None:
    """Delete what killed imports left behind: unfinished folders that nobody has touched for a day."""
    for path in datasets.glob(f".*{_UNFINISHED}"):
        with contextlib.suppress(OSError):
            newest = max(entry.stat().st_mtime for entry in (path, *path.iterdir()))
            if time.time() - newest > _DAY_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def publish(building: Path, folder: Path, name: str) -> None:
    """Rename the finished folder into place; the loser of a race gets NameTaken. Raises StorageFailed."""
    try:
        os.rename(building, folder)
    except OSError as error:
        if not folder.exists():
            raise storage_failed(folder, error) from error
        raise NameTaken(f"There is a data set {name!r} already.", "Choose another name.") from error
