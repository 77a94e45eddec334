"""What every reader yields: records, one an item, read as a stream; and what it was told to expect."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Task
from core.data.problems import ProblemLog

Label = int | str | NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One item as it stands in its source.

    Attributes:
        item_id: Its name there.
        label: A class index or name; for multi-label (K,) float32 with 1, 0 and NaN; None when unlabelled.
        image: Pixels (H, W, C) uint8, the path of an image file, or the bytes of one.
        file: Where it stands, for messages.
        row: Its 1-based row there, or None.
        split: "train", "val", "test" or None when the source does not say.
        caption: Its caption, or None.
    """

    item_id: str
    label: Label
    image: NDArray[np.uint8] | Path | bytes
    file: str
    row: int | None = None
    split: str | None = None
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Hints:
    """What a person told about a source; all of it can be left out.

    Attributes:
        classes: Class names, in the order of the label numbers; for multi-label, of the columns.
        shape: (height, width) of pixel rows; a square is assumed.
        image_folder: Where the files that a table names are: a folder, or an archive.
    """

    classes: tuple[str, ...] = ()
    shape: tuple[int, int] | None = None
    image_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Recognised:
    """A source whose format is known.

    Attributes:
        format: The format in words, e.g. "pixel CSV, 28 x 28".
        records: Starts reading; what is wrong goes to the log and is left out of the stream.
        task: Single-label or multi-label.
        classes: Class names where the source gives them; empty when they follow from the labels.
        n_items: How many items it has, where that is known beforehand.
        label_groups: As of core.data.dataset.LABEL_GROUPS, where the source is known to be so.
    """

    format: str
    records: Callable[[ProblemLog], Iterator[Record]]
    task: Task = Task.SINGLE_LABEL
    classes: tuple[str, ...] = ()
    n_items: int | None = None
    label_groups: str = ""


def cells_of(line: str, delimiter: str = ",") -> list[str]:
    """The cells of one line of a table; where its quotes or line ends make no sense, what the marks part."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}
IMAGE_SUFFIXES = frozenset(
    """
    .png .apng .jpg .jpeg .jpe .jfif .mpo .bmp .dib .gif .webp .tif .tiff .ppm .pgm .pbm .pnm .tga
    .avif .avifs .jp2 .j2k .jpx .heic .heif
    """.split()  # noqa: SIM905
)
"""Endings that core.data.image_opening reads (HEIC with the extra "heic")."""


def split_of(name: str) -> str | None:
    """The split that a file, folder or cell names ("train.csv", "X_test", "validation"), or None."""
    words = "".join(c.lower() if c.isalnum() else " " for c in name.split(".")[0]).split()
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)
