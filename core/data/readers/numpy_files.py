"""NumPy files: one .npz, or a folder of .npy (or .npz) arrays; labels as integers, names or one-hot.

Pickled object arrays are refused: loading one can run any code.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Task
from core.data.problems import ProblemLog
from core.data.readers.base import Hints, Recognised, Record, split_of
from core.data.readers.pixel_csv import _side
from core.errors import BadInput

_IMAGE_WORDS = ("image", "img", "pixel", "data")
_LABEL_WORDS = ("label", "target", "class")
_SPLIT_WORDS = ("train", "test", "val", "valid")


def recognise(source: Path, hints: Hints) -> Recognised | None:
    """A .npz, a .npy of images (labels beside it), or a folder of them."""
    arrays = _load(source)
    if not arrays:
        return None
    images = {name: array for name, array in arrays.items() if _role(name, array) == "images"}
    labels = {name: array for name, array in arrays.items() if _role(name, array) == "labels"}
    if not images:
        return None
    pairs = [(name, array, _partner(name, labels, len(images))) for name, array in images.items()]
    first_labels = next((found[1] for _, _, found in pairs if found), None)
    multi = first_labels is not None and first_labels.ndim == 2 and not _is_one_hot(first_labels)
    n_columns = first_labels.shape[1] if first_labels is not None and first_labels.ndim == 2 else 0
    names = hints.classes or tuple(str(k) for k in range(n_columns))
    return Recognised(
        format=f"NumPy arrays, {' x '.join(str(n) for n in next(iter(images.values())).shape[1:])}",
        records=lambda log: (
            r for name, array, found in pairs for r in _pair(name, array, found, hints, log)
        ),
        task=Task.MULTI_LABEL if multi else Task.SINGLE_LABEL,
        classes=names,
        n_items=sum(len(array) for array in images.values()),
    )


def _load(source: Path) -> dict[str, NDArray[Any]]:
    """Arrays by "file" or "file:key"; .npy files as memory maps, so that nothing is read yet."""
    files = [source]
    if source.is_dir():
        files = sorted([*source.glob("*.npy"), *source.glob("*.npz")])
    elif source.suffix == ".npy":
        files = sorted(source.parent.glob("*.npy"))
    arrays: dict[str, NDArray[Any]] = {}
    for path in files:
        with path.open("rb") as file:
            magic = file.read(6)
        try:
            if magic == b"\x93NUMPY":
                arrays[path.name] = np.load(path, mmap_mode="r", allow_pickle=False)
            elif path.suffix == ".npz" and magic[:2] == b"PK":
                with np.load(path, allow_pickle=False) as stored:
                    arrays |= {f"{path.name}:{key}": stored[key] for key in stored.files}
        except ValueError as error:
            if "pickle" in str(error).lower() or "object" in str(error).lower():
                raise BadInput(
                    f"{path.name} holds pickled objects; loading those can run any code, so it was not.",
                    "Save plain arrays: np.save(file, array.astype('uint8')).",
                ) from None
            raise BadInput(f"{path.name} is damaged ({error}).", "Save or fetch it again.") from None
        except (OSError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
            raise BadInput(f"{path.name} is damaged ({error}).", "Save or fetch it again.") from None
    return arrays


def _role(name: str, array: NDArray[Any]) -> str:
    word = name.rpartition(":")[2].removesuffix(".npy").lower()
    if array.ndim == 1 or (array.ndim == 2 and any(part in word for part in _LABEL_WORDS)):
        return "labels"
    if array.ndim == 2 and word.startswith("y"):
        return "labels"
    if array.ndim in (3, 4) or (array.ndim == 2 and (array.shape[1] >= 16 or word.startswith("x"))):
        return "images"
    return "other"


def _partner(
    name: str, labels: dict[str, NDArray[Any]], n_image_arrays: int
) -> tuple[str, NDArray[Any]] | None:
    """The labels that go with an array of images: of the same split, else the only ones."""
    same = [(other, array) for other, array in labels.items() if split_of_key(other) == split_of_key(name)]
    if same:
        return same[0]
    return next(iter(labels.items())) if n_image_arrays == 1 and labels else None


def split_of_key(name: str) -> str | None:
    """The split of "x_train.npy" or "data.npz:X_test"."""
    return split_of(name.rpartition(":")[2]) or split_of(name.partition(":")[0])


def _is_one_hot(labels: NDArray[Any]) -> bool:
    values = np.asarray(labels, np.float64)
    return bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).mean() > 0.9)


def _pair(
    name: str,
    images: NDArray[Any],
    found: tuple[str, NDArray[Any]] | None,
    hints: Hints,
    log: ProblemLog,
) -> Iterator[Record]:
    labels = found[1] if found else None
    if found and len(found[1]) != len(images):
        log.add(
            found[0],
            None,
            f"{len(found[1]):,} labels for the {len(images):,} images of {name}.",
            "Give the two arrays that belong together.",
        )
    shape = images.shape[1:]
    if images.ndim == 2:
        side = _side(images.shape[1], hints)
        if side is None:
            log.add(
                name, None, f"Rows of {images.shape[1]:,} pixels are no square.", "Give --shape HEIGHTxWIDTH."
            )
            return
        shape = side
    scale = _scale(images)
    one_hot = labels is not None and labels.ndim == 2 and _is_one_hot(labels)
    split = split_of_key(name)
    prefix = split or name.split(".")[0]
    for i in range(len(images)):
        pixels = _pixels(images[i], shape, scale, name, i + 1, log)
        if pixels is None:
            continue
        label = _label(labels, i, one_hot, found[0] if found else "", log)
        if label is not _BAD:
            yield Record(f"{prefix}-{i:05d}", label, pixels, name, i + 1, split)


def _scale(images: NDArray[Any]) -> float:
    """255 for float images from 0 to 1, else 1; judged by the first 256."""
    if not np.issubdtype(images.dtype, np.floating) or not len(images):
        return 1.0
    start = np.asarray(images[:256])
    return 255.0 if np.nanmax(np.where(np.isfinite(start), start, 0)) <= 1 else 1.0


def _pixels(
    image: NDArray[Any], shape: tuple[int, ...], scale: float, name: str, row: int, log: ProblemLog
) -> NDArray[np.uint8] | None:
    values = np.asarray(image).reshape(shape)
    if values.ndim == 2:
        values = values[:, :, None]
    elif values.shape[0] in (1, 3) and values.shape[2] not in (1, 3):
        values = values.transpose(1, 2, 0)
    if values.shape[2] not in (1, 3):
        channels = values.shape[2]
        log.add(name, row, f"It has {channels} channels; 1 or 3 were expected.", "Save grey or RGB images.")
        return None
    if values.dtype == np.uint8:
        return values
    numbers = values.astype(np.float64) * scale
    if not np.isfinite(numbers).all() or numbers.min() < 0 or numbers.max() > 255.5:
        said = f"Its values reach from {numbers.min():g} to {numbers.max():g}, not 0 to 255."
        log.add(name, row, said, "Scale the array, or leave the image out.")
        return None
    return np.rint(numbers).clip(0, 255).astype(np.uint8)


_BAD: Any = object()


def _label(labels: NDArray[Any] | None, i: int, one_hot: bool, name: str, log: ProblemLog) -> Any:
    if labels is None or i >= len(labels):
        return None
    value = labels[i]
    if labels.ndim == 2:
        if not one_hot:
            return np.asarray(value, np.float32)
        if value.sum() != 1:
            said = f"{int(value.sum())} classes are marked; exactly one was expected."
            log.add(name, i + 1, said, "Correct the row, or leave it out.")
            return _BAD
        return int(np.argmax(value))
    if labels.dtype.kind in "US":
        return str(value)
    if labels.dtype.kind == "f" and (not np.isfinite(value) or value != int(value)):
        log.add(name, i + 1, f"The label is {value}, no whole number.", "Correct it, or leave it out.")
        return _BAD
    return int(value)
