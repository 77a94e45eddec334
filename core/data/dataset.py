"""The data set: an immutable snapshot of images, given labels and splits, opened without reading pixels.

On disk a data set is a folder ``<workspace>/datasets/<name>``::

    dataset.json          name, task, classes, ...; written last, so its presence means complete
    item_ids.npy          (N,) str      the item's name in its source, unique
    split.npy             (N,) int8     index into SPLITS
    labels.npy            (N,) int64, -1 unlabelled; multi-label (N, K) float32 with 1, 0 and NaN unknown
    content_hashes.npy    (N, 16) uint8 BLAKE2b of the pixels and their shape
    sizes.npy             (N, 2) int32  height and width of each image
    captions.json         list of N strings, where there are captions
    images.npy            (N, H, W, C) uint8, when all images have one size and are small; otherwise
    files.npy, images/    (N,) str paths below images/, and the files
    sheets/               thumbnails, made on demand (core.data.thumbnails)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.data.columns import joined
from core.data.item_index import Ids, ItemIndex
from core.data.labels import UNLABELLED as UNLABELLED
from core.data.labels import Labels
from core.data.labels import Task as Task
from core.errors import BadInput, DamagedFile, NotFound
from core.files import digest, read_array, read_json
from core.workspace import Workspace

FORMAT = 1
LABEL_GROUPS = "label_groups"
"""The entry of a data set's info that says of which groups of classes exactly one is right: "10+26"."""
SPLITS = ("train", "val", "test")
MOST_CAPTION_BYTES = 1 << 30


def is_labelled(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) bool, whether an item has a label, or any known yes or no.

    Args:
        labels: (N,) with -1 for unlabelled, or (N, K) with 1, 0 and NaN.
    """
    return np.asarray(labels >= 0 if labels.ndim == 1 else ~np.isnan(labels).all(axis=1))


class ImageStore(Protocol):
    """Where the pixels are. Positions are indices into the data set's items."""

    @property
    def uniform(self) -> tuple[int, int, int] | None:
        """(height, width, channels) when all images are alike and kept as one array, else None."""

    @property
    def sizes(self) -> NDArray[np.int32]:
        """(N, 2) height and width of each image."""

    def read(self, position: int) -> NDArray[np.uint8]:
        """One image at its own size, (H, W, C) uint8, C being 1 or 3. Raises DamagedFile."""

    def resized(
        self, positions: NDArray[np.int64], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        """Images scaled to one size, (n, height, width, channels) uint8. Raises DamagedFile."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """An immutable data set of N items and K classes. Arrays are read-only memory maps.

    Attributes:
        name: Its name in the workspace.
        title: Its name for people, e.g. "Fashion-MNIST".
        task: Single-label or multi-label.
        classes: K class names; a label is an index into them (a column, for multi-label).
        item_ids: (N,) str, unique.
        split: (N,) int8, index into SPLITS.
        labels: The given labels; edits are in the journal (core.labels), never here.
        images: The pixels.
        content_hashes: (N, 16) uint8, the same for pixel-identical images.
        captions: N strings, or None.
        fingerprint: 32 hexadecimal characters over everything above but name and title.
        folder: Where it is kept.
        info: Free text for people: source, licence, homepage; and LABEL_GROUPS where the classes are such.
    """

    name: str
    title: str
    task: Task
    classes: tuple[str, ...]
    item_ids: NDArray[np.str_]
    split: NDArray[np.int8]
    labels: NDArray[Any]
    images: ImageStore
    content_hashes: NDArray[np.uint8]
    captions: tuple[str, ...] | None
    fingerprint: str
    folder: Path
    info: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def cache_key(self) -> tuple[str, ...]:
        """What a result about this data set depends on: the workspace and name (its folder), and the content.

        Edits, tags, runs and lists belong to the name: two data sets of equal content share none of them.
        """
        info = (part for pair in sorted(self.info.items()) for part in pair)
        return str(self.folder), self.name, self.fingerprint, self.title, *info

    @property
    def content_key(self) -> str:
        """What a result depends on that follows from the content alone, as all do that read only pixels."""
        return self.fingerprint

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that hold at least one item, in the order of SPLITS."""
        present = np.bincount(self.split, minlength=len(SPLITS)) > 0
        return tuple(name for name, there in zip(SPLITS, present, strict=True) if there)

    def in_split(self, split: str) -> NDArray[np.int64]:
        """Positions of the items of ``split``, ascending. Raises BadInput for an unknown name."""
        if split not in SPLITS:
            raise BadInput(f"There is no split {split!r}.", f"Choose one of {', '.join(SPLITS)}.")
        return np.flatnonzero(self.split == SPLITS.index(split))

    @cached_property
    def given(self) -> Labels:
        """The given labels as values."""
        return Labels.of(self.labels, self.classes)

    @cached_property
    def _index(self) -> ItemIndex:
        return ItemIndex(self.item_ids)

    def find(self, item_ids: Ids) -> NDArray[np.int64]:
        """Positions of ``item_ids``, in their order; -1 for one that is not in the data set."""
        return self._index.find(item_ids)

    def positions(self, item_ids: Ids) -> NDArray[np.int64]:
        """Positions of ``item_ids``, in their order. Raises NotFound naming the first unknown one."""
        found = self.find(item_ids)
        if len(found) and found.min() < 0:
            unknown = str(item_ids[int(found.argmin())])
            first = f"Its ids are like {str(self.item_ids[0])!r}. " if len(self) else ""
            raise NotFound(
                f"Data set {self.name!r} has no item {unknown!r}.",
                f"{first}Explore and `tidyset issues` tell them; the data may have been replaced, too.",
            )
        return found


def dataset_fingerprint(
    task: Task,
    classes: Sequence[str],
    item_ids: NDArray[np.str_],
    split: NDArray[np.int8],
    labels: NDArray[Any],
    content_hashes: NDArray[np.uint8],
    captions: Sequence[str] | None,
) -> str:
    """The hash that names a data set's content in every cache key."""
    return digest(
        FORMAT,
        str(task),
        list(classes),
        joined(item_ids),
        split,
        labels,
        content_hashes,
        list(captions) if captions is not None else None,
    )


def load_dataset(folder: Path) -> Dataset:
    """Open the data set kept in ``folder`` without reading pixels.

    Raises:
        NotFound: There is no complete data set there.
        DamagedFile: A file is missing, unreadable or of the wrong length.
    """
    if not (folder / "dataset.json").exists():
        raise NotFound(f"There is no data set in {folder}.", "Import one with `tidyset data import`.")
    manifest = read_json(folder / "dataset.json")
    if manifest.get("format") != FORMAT:
        raise DamagedFile(
            f"{folder / 'dataset.json'} has format {manifest.get('format')!r}; this version reads {FORMAT}.",
            "Import the data set again.",
        )
    _check_manifest(folder / "dataset.json", manifest)
    n, classes, task = manifest["n"], tuple(manifest["classes"]), Task(manifest["task"])
    arrays = {name: read_array(folder / f"{name}.npy") for name in _ARRAYS}
    for name, array in arrays.items():
        if array.shape[:1] != (n,):
            raise DamagedFile(
                f"{folder / name}.npy has {len(array) if array.ndim else 'no'} rows, dataset.json says {n}.",
                "Import the data set again.",
            )
    _check_arrays(folder, arrays, task, len(classes))
    return Dataset(
        name=manifest["name"],
        title=manifest["title"],
        task=task,
        classes=classes,
        item_ids=arrays["item_ids"],
        split=arrays["split"],
        labels=arrays["labels"],
        images=_images(folder, n, arrays["sizes"]),
        content_hashes=arrays["content_hashes"],
        captions=_captions(folder / "captions.json", n) if manifest["captions"] else None,
        fingerprint=manifest["fingerprint"],
        folder=folder,
        info=manifest["info"],
    )


_ARRAYS = ("item_ids", "split", "labels", "content_hashes", "sizes")
_MANIFEST = {
    **{"n": int, "name": str, "title": str, "task": str, "classes": list, "captions": bool},
    **{"fingerprint": str, "info": dict},
}


def _check_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Raises DamagedFile where dataset.json does not say what it must."""
    wrong = [name for name, kind in _MANIFEST.items() if not isinstance(manifest.get(name), kind)]
    if "classes" not in wrong and not all(isinstance(one, str) for one in manifest["classes"]):
        wrong.append("classes")
    if "task" not in wrong and manifest["task"] not in list(Task):
        wrong.append("task")
    if wrong:
        raise _damaged(path, f"lacks or garbles {', '.join(sorted(wrong))}")


def _check_arrays(folder: Path, arrays: dict[str, NDArray[Any]], task: Task, n_classes: int) -> None:
    """Raises DamagedFile where an array is of another kind or shape, or names what is not there."""
    several = task is Task.MULTI_LABEL
    wanted = {
        "item_ids": ("U", ()),
        "split": ("iu", ()),
        "labels": ("f" if several else "i", (n_classes,) if several else ()),
        "content_hashes": ("u", (16,)),
        "sizes": ("iu", (2,)),
    }
    for name, (kinds, shape) in wanted.items():
        array = arrays[name]
        if array.dtype.kind not in kinds or array.shape[1:] != shape:
            raise _damaged(folder / f"{name}.npy", f"holds {array.dtype} of shape {array.shape}")
    if len(names := arrays["item_ids"]) and names.view(np.uint32).max() > sys.maxunicode:
        raise _damaged(folder / "item_ids.npy", "holds characters that are none")
    bounds = {"split": (0, len(SPLITS) - 1), **({} if several else {"labels": (UNLABELLED, n_classes - 1)})}
    for name, (low, high) in bounds.items():
        array = arrays[name]
        if len(array) and not low <= array.min() <= array.max() <= high:
            raise _damaged(folder / f"{name}.npy", f"holds numbers outside {low} to {high}")


def _images(folder: Path, n: int, sizes: NDArray[np.int32]) -> ImageStore:
    """Where the pixels are. Raises DamagedFile."""
    from core.data.images import ArrayImages, FileImages  # they import this module's types

    path = folder / "images.npy"
    if path.exists():
        pixels = read_array(path)
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or len(pixels) != n or pixels.shape[3] not in (1, 3):
            raise _damaged(path, f"holds {pixels.dtype} of shape {pixels.shape}")
        return ArrayImages(pixels)
    files = read_array(folder / "files.npy")
    if files.dtype.kind != "U" or files.shape != (n,):
        raise _damaged(folder / "files.npy", f"holds {files.dtype} of shape {files.shape}")
    return FileImages(folder / "images", files, sizes)


def _captions(path: Path, n: int) -> tuple[str, ...]:
    found = read_json(path, MOST_CAPTION_BYTES).get("captions")
    if not isinstance(found, list) or len(found) != n or not all(isinstance(one, str) for one in found):
        raise _damaged(path, f"holds no list of {n:,} captions")
    return tuple(found)


def _damaged(path: Path, what: str) -> DamagedFile:
    return DamagedFile(f"{path} {what}.", "Restore it from a copy, or import the data set again.")


def dataset_folder(workspace: Workspace, name: str) -> Path:
    """Where the data set ``name`` is, or would be, kept."""
    return workspace.datasets / name
