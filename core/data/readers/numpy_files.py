"""NumPy files: one .npz, an .npy of images with its labels beside it, or a folder of them.

Labels are integers, names or one-hot rows; rows of 0, 1 and NaN with several ones are multi-label.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Task
from core.data.problems import ProblemLog
from core.data.readers.base import Hints, Recognised, Record, reader, split_of
from core.data.readers.pixel_csv import side_of
from core.data.readers.stored_arrays import StoredArray, arrays_in
from core.errors import BadInput

_LABEL_WORDS = ("label", "target", "class")
_CLASS_KEYS = {"classes", "class_names", "label_names", "names"}
_ID_KEYS = {"ids", "item_ids", "files", "filenames", "file_names", "paths"}
_SPLIT_KEYS = {"split", "splits", "subset"}
_LARGEST_IMAGE = 64_000_000


@reader("numpy", ".npy or .npz arrays", rank=30)
def recognise(source: Path, hints: Hints) -> Recognised | None:
    """A .npz, a .npy of images (labels beside it), or a folder of them."""
    arrays = _arrays(source)
    by_role: dict[str, list[StoredArray]] = {
        "images": [],
        "labels": [],
        "classes": [],
        "ids": [],
        "splits": [],
        "other": [],
    }
    has_pictures = any(len(array.shape) in (3, 4) for array in arrays)
    for array in arrays:
        by_role[_role(array, has_pictures=has_pictures)].append(array)
    images = by_role["images"]
    if source.is_file() and arrays and arrays[0].member is None:
        images = [array for array in images if array.path == source]
    if not images:
        return None
    pairs = [
        _Pair(array, _partner(array, by_role["labels"], images), by_role["ids"], by_role["splits"])
        for array in images
    ]
    for pair in pairs:
        pair.find_shape(hints)
    labels = next((pair.labels for pair in pairs if pair.labels is not None), None)
    multi = labels is not None and labels.ndim == 2 and not _is_one_hot(labels)
    size = " x ".join(str(n) for n in images[0].shape[1:])
    return Recognised(
        format=f"NumPy arrays, {size}",
        records=lambda log: (record for pair in pairs for record in pair.records(log)),
        task=Task.MULTI_LABEL if multi else Task.SINGLE_LABEL,
        classes=hints.classes or _classes(by_role["classes"], labels),
        n_items=sum(array.shape[0] for array in images),
        columns={
            **{pair.images_name: "image" for pair in pairs},
            **{pair.labels_name: "label" for pair in pairs if pair.labels_name},
            **{array.name: role for role in ("classes", "ids", "splits") for array in by_role[role]},
        },
        unused=tuple(f"{array.name}: neither images nor labels" for array in by_role["other"]),
        weight=sum(array.shape[0] for array in images),
    )


def _arrays(source: Path) -> list[StoredArray]:
    if source.is_dir():
        files = sorted([*source.glob("*.npy"), *source.glob("*.npz")])
        return [array for path in files for array in arrays_in(path)]
    arrays = arrays_in(source)
    if len(arrays) == 1 and arrays[0].member is None:
        for path in sorted(source.parent.glob("*.npy")):
            try:
                arrays += arrays_in(path) if path != source else []
            except BadInput:  # it is not the file that was asked for
                continue
    return arrays


def _role(array: StoredArray, *, has_pictures: bool) -> str:
    """What an array is for, from its name and shape."""
    word, n_axes = array.key.lower(), len(array.shape)
    is_text = array.dtype.kind in "US"
    if n_axes == 1 and is_text and word in _CLASS_KEYS:
        return "classes"
    if n_axes == 1 and word in _ID_KEYS:
        return "ids"
    if n_axes == 1 and is_text and word in _SPLIT_KEYS:
        return "splits"
    if n_axes == 1 or (n_axes == 2 and array.shape[1] == 1):
        return "labels"
    if n_axes == 2 and not word.startswith("x"):
        named = word.startswith("y") or any(part in word for part in _LABEL_WORDS)
        if named or has_pictures:
            return "labels"
    if n_axes in (3, 4) or (n_axes == 2 and (array.shape[1] >= 16 or word.startswith("x"))):
        return "images"
    return "other"


def split_of_array(array: StoredArray) -> str | None:
    """The split of x_train.npy, or of X_test in data.npz."""
    return split_of(array.key) or split_of(array.path.name)


def _partner(
    images: StoredArray, labels: Sequence[StoredArray], all_images: Sequence[StoredArray]
) -> StoredArray | None:
    """The labels that go with an array of images: of the same split and, where there is a choice, length."""
    same = [other for other in labels if split_of_array(other) == split_of_array(images)]
    if not same and len(all_images) == 1:
        same = [other for other in labels if split_of_array(other) is None]

    def fit(other: StoredArray) -> tuple[bool, bool]:
        word = other.key.lower()
        named = word.startswith("y") or any(part in word for part in _LABEL_WORDS)
        return other.shape[0] == images.shape[0], named

    return max(same, key=fit) if same else None


def _classes(named: Sequence[StoredArray], labels: NDArray[Any] | None) -> tuple[str, ...]:
    """The names in a "classes" array, or the numbers of the columns of two-dimensional labels."""
    if named and (labels is None or labels.dtype.kind not in "US"):
        return tuple(str(name) for name in named[0].whole())
    return tuple(str(k) for k in range(labels.shape[1])) if labels is not None and labels.ndim == 2 else ()


def _is_one_hot(labels: NDArray[Any]) -> bool:
    if labels.dtype.kind in "US":
        return False
    values = np.asarray(labels, np.float64)
    return bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).mean() > 0.9)


class _Pair:
    """An array of images and the labels that belong to it."""

    def __init__(
        self,
        images: StoredArray,
        labels: StoredArray | None,
        ids: Sequence[StoredArray],
        splits: Sequence[StoredArray] = (),
    ) -> None:
        self._images = images
        self.images_name, self.labels_name = images.name, labels.name if labels else ""
        self._labels_name = labels.name if labels else ""
        self.labels = labels.whole() if labels else None
        if self.labels is not None and self.labels.ndim == 2 and self.labels.shape[1] == 1:
            self.labels = self.labels[:, 0]
        if self.labels is not None and self.labels.dtype.kind not in "uifbUS":
            said = f"{self._labels_name} holds {self.labels.dtype}, no labels."
            raise BadInput(said, "Give class numbers, names, or rows of 1, 0 and NaN.")
        self._one_hot = self.labels is not None and self.labels.ndim == 2 and _is_one_hot(self.labels)
        fitting = [array for array in ids if array.shape == images.shape[:1] and array.path == images.path]
        self._is_export = any(array.key == "item_ids" for array in fitting)  # of ours: -1 is unlabeled there
        self._ids = fitting[0].whole() if fitting else None
        told = [array for array in splits if array.shape == images.shape[:1] and array.path == images.path]
        self._splits = told[0].whole() if told else None
        self._shape: tuple[int, ...] = images.shape[1:]

    def find_shape(self, hints: Hints) -> None:
        """Decide on (H, W) of rows of pixels. Raises BadInput when an image can have no such shape."""
        images = self._images
        if len(images.shape) == 2:
            side = side_of(images.shape[1], hints)
            if side is None:
                said = f"{images.name} has rows of {images.shape[1]:,} pixels, which make no square."
                raise BadInput(said, "Give the size, for example 28x20 (--shape).")
            self._shape = side
        if not 0 < math.prod(self._shape) <= _LARGEST_IMAGE:
            size = " x ".join(str(n) for n in self._shape)
            raise BadInput(f"{images.name} has images of {size} pixels.", "Give images of a sensible size.")
        if images.dtype.kind not in "uifb":
            raise BadInput(f"{images.name} holds {images.dtype}, no numbers.", "Give pixels from 0 to 255.")

    def records(self, log: ProblemLog) -> Iterator[Record]:
        """The pairs of an image and its label, from first to last."""
        images, labels = self._images, self.labels
        n_wanted = images.shape[0]
        if labels is not None and len(labels) != n_wanted:
            said = f"{len(labels):,} labels for the {n_wanted:,} images of {images.name}."
            mend = "Give the two arrays that belong together; only the first ones of both can be used."
            log.add(self._labels_name, None, said, mend)
            n_wanted = min(n_wanted, len(labels))
        split = split_of_array(images)
        prefix = split or (images.key if images.member else images.path.name.split(".")[0])
        i = 0
        scale: float | None = None
        try:
            for block in images.blocks():
                scale = _scale(block) if scale is None else scale
                for pixels in _as_pixels(block, self._shape, scale, images.name, i + 1, log):
                    if i >= n_wanted:
                        return
                    label = self._label(i, log) if pixels is not None else _BAD
                    if pixels is not None and label is not _BAD:
                        item_id = str(self._ids[i]) if self._ids is not None else f"{prefix}-{i:05d}"
                        own = split_of(str(self._splits[i])) if self._splits is not None else split
                        yield Record(item_id, label, pixels, images.name, i + 1, own)
                    i += 1
        except BadInput as error:
            log.add(images.name, i + 1, error.problem, error.mend)
            return
        if i < n_wanted:
            said = f"It announces {images.shape[0]:,} images and ends after {i:,}."
            log.add(images.name, i + 1, said, "Save or fetch it again: it is cut short.")

    def _label(self, i: int, log: ProblemLog) -> Any:
        if self.labels is None:
            return None
        value = self.labels[i]
        name, mend = self._labels_name, "Correct it, or leave it out."
        if self.labels.dtype.kind in "US":
            return str(value) if self.labels.ndim == 1 else _noted(log, name, i, "Its labels are text.", mend)
        if self.labels.ndim == 2 and not self._one_hot:
            row = np.asarray(value, np.float32)
            if not (np.isnan(row) | (row == 0) | (row == 1)).all():
                return _noted(log, name, i, f"Its labels are {row.tolist()}; 1, 0 or NaN are known.", mend)
            return row
        if self.labels.ndim == 2:
            if value.sum() != 1:
                said = f"{int(value.sum())} classes are marked; exactly one was expected."
                return _noted(log, name, i, said, mend)
            return int(np.argmax(value))
        if self.labels.dtype.kind == "f" and (not np.isfinite(value) or value != int(value)):
            return _noted(log, name, i, f"The label is {value}, no whole number.", mend)
        return None if self._is_export and value == -1 else int(value)


_BAD: Any = object()


def _noted(log: ProblemLog, name: str, i: int, said: str, mend: str) -> Any:
    log.add(name, i + 1, said, mend)
    return _BAD


def _scale(first: NDArray[Any]) -> float:
    """255 for float images from 0 to 1 and for yes/no pixels, else 1; judged by the first block."""
    if first.dtype.kind == "b":
        return 255.0
    if first.dtype.kind != "f" or not first.size:
        return 1.0
    return 255.0 if np.where(np.isfinite(first), first, 0).max() <= 1 else 1.0


def _as_pixels(
    block: NDArray[Any], shape: tuple[int, ...], scale: float, name: str, row: int, log: ProblemLog
) -> Iterator[NDArray[np.uint8] | None]:
    """The images of a block as (H, W, C) uint8; None for one that cannot be an image."""
    values = block.reshape(len(block), *shape)
    if values.ndim == 3:
        values = values[:, :, :, None]
    elif values.shape[1] in (1, 3) and values.shape[3] not in (1, 3):
        values = values.transpose(0, 2, 3, 1)
    channels = values.shape[3]
    for offset, image in enumerate(values):
        if channels == 4:
            image = image[:, :, :3]
        if channels not in (1, 3, 4):
            said = f"It has {channels} channels; 1 or 3 were expected."
            log.add(name, row + offset, said, "Save grey or RGB images.")
            yield None
        elif image.dtype == np.uint8:
            yield image
        else:
            yield _scaled(image, scale, name, row + offset, log)


def _scaled(
    image: NDArray[Any], scale: float, name: str, row: int, log: ProblemLog
) -> NDArray[np.uint8] | None:
    numbers = image.astype(np.float64) * scale
    if not np.isfinite(numbers).all():
        log.add(name, row, "It has pixels that are no number (NaN or infinite).", "Mend it, or leave it out.")
        return None
    if numbers.min() < 0 or numbers.max() > 255.5:
        expected = "0 to 1" if scale != 1 else "0 to 255"
        said = f"Its values reach from {image.min():g} to {image.max():g}; {expected} was expected."
        log.add(name, row, said, "Scale the array, or leave the image out.")
        return None
    return np.rint(numbers).clip(0, 255).astype(np.uint8)
