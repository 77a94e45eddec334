"""What every reader yields: records, one per item, read as a stream; what it was told; and the registry.

A reader is a module of this package with one function under ``@reader(...)``: it looks at a source and
returns what it understood, or None. Adding a format adds a module and touches nothing else.
"""

from __future__ import annotations

import csv
import importlib
import pkgutil
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

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
        image: The column that names the image.
        label: The columns with labels; several are one class each. "folders", "top-folder" and "last-folder"
            take the label from the folders of an image, "none" from nowhere.
        split: The column that names the split.
        group: The column of which equal values belong together.
        caption: The column of captions.
        id: The column that names the item.
        unknown: Words that mean "no label"; None when nothing was said.
        separator: Between the labels of one cell; "" for one label per cell; None when nothing was said.
        splits_from: "folders", "none", a column, or VALUE=SPLIT pairs, after "COLUMN:" perhaps.
        table: The tables to read where a folder has several, by their paths below it.
        read_as: The name of the reader, where two know the source.
    """

    classes: tuple[str, ...] = ()
    shape: tuple[int, int] | None = None
    image_folder: Path | None = None
    image: str = ""
    label: tuple[str, ...] = ()
    split: str = ""
    group: str = ""
    caption: str = ""
    id: str = ""
    unknown: tuple[str, ...] | None = None
    separator: str | None = None
    splits_from: str = ""
    table: tuple[str, ...] = ()
    read_as: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to a question.

    Attributes:
        text: For people.
        hints: The fields of ``Hints`` that say so.
        option: The same on the command line.
    """

    text: str
    hints: Mapping[str, Any] = field(hash=False)
    option: str


@dataclass(frozen=True, slots=True)
class Question:
    """Two readings are possible: what is asked, and the answers. The plan shows the first one meanwhile."""

    text: str
    choices: tuple[Choice, ...]

    def __str__(self) -> str:
        answers = "; ".join(f"{choice.option} ({choice.text})" for choice in self.choices)
        return f"{self.text} Answer with {answers}."


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
        columns: The columns (or arrays, or folders) that are used, and for what: "label", "split", ...
        unused: What is not used, each with the reason.
        warnings: What a person should know before going on.
        questions: Where two readings are possible.
        parents: The parent of each class that has one: of "animal/dog" it is "animal".
        weight: How many items speak for this reading, where another reader knows the source as well.
        peek: As ``records``, but the images may be empty: the labels alone, where that is much faster.
    """

    format: str
    records: Callable[[ProblemLog], Iterator[Record]]
    task: Task = Task.SINGLE_LABEL
    classes: tuple[str, ...] = ()
    n_items: int | None = None
    label_groups: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    weight: int | None = None
    peek: Callable[[ProblemLog], Iterator[Record]] | None = None


Recognise = Callable[[Path, Hints], "Recognised | None"]


@dataclass(frozen=True, slots=True)
class Reader:
    """One format.

    Attributes:
        name: What ``Hints.read_as`` calls it.
        formats: The formats in words, for messages.
        rank: Where two readers know a source equally well, the lower one is meant.
        recognise: Returns what was understood, or None.
    """

    name: str
    formats: str
    rank: int
    recognise: Recognise


_READERS: dict[str, Reader] = {}


def reader(name: str, formats: str, *, rank: int) -> Callable[[Recognise], Recognise]:
    """Enter a function among the readers.

    Example:
        >>> @reader("idx", "idx files", rank=10)
        ... def recognise(source: Path, hints: Hints) -> Recognised | None: ...
    """

    def enter(recognise: Recognise) -> Recognise:
        _READERS[name] = Reader(name, formats, rank, recognise)
        return recognise

    return enter


@cache
def readers() -> tuple[Reader, ...]:
    """All readers of this package, by rank."""
    package = importlib.import_module("core.data.readers")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return tuple(sorted(_READERS.values(), key=lambda one: one.rank))


def tidy_name(text: str) -> str:
    """The text as a class is called: in Unicode's composed form, without blanks around."""
    return unicodedata.normalize("NFC", text).strip()


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts "class 10" after "class 9"."""
    parts = (part for part in re.split(r"(\d+)", name) if part)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts)


def is_image(path: Path) -> bool:
    """Whether the name says image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


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
    "validate": "val",
    "eval": "val",
    "evaluation": "val",
    "evaluate": "val",
    "dev": "val",
    "development": "val",
    "test": "test",
    "testing": "test",
    "holdout": "test",
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
    """The split that a file, folder or cell names ("train.csv", "X_test", "PublicTest"), or None."""
    return next((split for word in _words(name.split(".")[0]) if (split := _split_word(word))), None)


def _words(name: str) -> list[str]:
    """The words of a name in lower case: "seg_train" and "PublicTest" have two, "train2014" one."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return "".join(c.lower() if c.isalnum() else " " for c in parted).split()


_SPLIT_WORD = re.compile(r"([a-z]+?)(?:set|data|images?|imgs?)?\d*")
_FILLERS = frozenset(
    {
        "set",
        "sets",
        "data",
        "dataset",
        "images",
        "image",
        "img",
        "imgs",
        "pictures",
        "photos",
        "split",
        "folder",
    }
)
_NO_SPLIT = frozenset({"pred", "predict", "unlabeled", "unlabelled", "unsup", "unsupervised", "extra"})


def _split_word(word: str) -> str | None:
    if word in SPLIT_NAMES:
        return SPLIT_NAMES[word]
    match = _SPLIT_WORD.fullmatch(word)
    return SPLIT_NAMES.get(match[1]) if match else None


def split_folders(names: Iterable[str]) -> dict[str, str | None] | None:
    """The split of each folder, if they are split folders: all of them name splits and nothing else.

    "seg_train" and "seg_test" do, since they share the other word; "train station" and "test tube" do not.
    A folder of unlabeled images beside them ("seg_pred") has the split None.

    Returns:
        None where the folders are no splits.
    """
    words = {name: _words(name) for name in names}
    splits = {name: [s for word in some if (s := _split_word(word))] for name, some in words.items()}
    rest = {
        name: {w for w in some if not _split_word(w) and w not in _FILLERS and not w.isdecimal()}
        for name, some in words.items()
    }
    named = [name for name, found in splits.items() if len(found) == 1]
    common = set.intersection(*(rest[name] for name in named)) if named else set()
    others = [name for name in words if name not in named]
    if len(named) == 1 and rest[named[0]]:
        common = set()
    if not named or any(rest[name] - common for name in named):
        return None
    if any(not (set(words[name]) & _NO_SPLIT) or rest[name] - common - _NO_SPLIT for name in others):
        return None
    return {name: splits[name][0] if name in named else None for name in words}
