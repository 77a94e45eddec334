"""Importing: a source of any known format becomes a data set, or a report of all that is wrong with it."""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.builder import DatasetBuilder
from core.data.columns import Seen, Texts
from core.data.dataset import LABEL_GROUPS, SPLITS, UNLABELLED, Dataset, Task
from core.data.images import decoded
from core.data.problems import ProblemLog
from core.data.readers import (
    archives,
    class_folders,
    hugging_face,
    idx,
    image_table,
    numpy_files,
    pickled,
    pixel_csv,
)
from core.data.readers.base import Hints, Recognised, Record
from core.data.splits import stratified_split
from core.errors import BadInput, DamagedFile, NotFound, Problem
from core.files import storing
from core.workspace import Workspace

_READERS = (
    idx.recognise,
    pickled.recognise,
    numpy_files.recognise,
    hugging_face.recognise,
    pixel_csv.recognise,
    image_table.recognise,
    class_folders.recognise,
)
FORMATS = (
    "idx files, a pixel CSV (a label and H x W columns), .npy, .npz or .pkl arrays, a folder per class, "
    "a folder of images with a table of labels, a Hugging Face data set (folder, parquet or hub name), or "
    "an archive of these"
)
Progress = Callable[[float | None, str], None]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import.

    Attributes:
        hints: What a person says about the source.
        title: For people; the name when empty.
        test_share: Of the items that the source puts in no split, the share for test; 0 for none. Not used
            where the source has a test split.
        val_share: Likewise for validation, and of the same items: 0.2 and 0.1 leave 0.7 to train on.
        seed: Of the split.
        skip_bad: Import what is sound and list what was left out, instead of refusing.
    """

    hints: Hints = field(default_factory=Hints)
    title: str = ""
    test_share: float = 0.2
    val_share: float = 0.0
    seed: int = 0
    skip_bad: bool = False


@dataclass(frozen=True, eq=False)
class ImportResult:
    """What came of it: the data set, what was left out, and what was done to images on the way."""

    dataset: Dataset
    format: str
    problems: tuple[Problem, ...]
    n_problems: int
    notes: tuple[str, ...] = ()


_NO_HINTS = Hints()
_DEFAULTS = ImportOptions()


def recognise(source: Path, hints: Hints = _NO_HINTS) -> Recognised:
    """Say which format a file or folder has, from its content.

    Raises:
        NotFound: There is nothing at that path.
        BadInput: No reader knows it.
    """
    if not source.exists():
        raise NotFound(f"There is no file or folder {source}.", "Check the path.")
    if source.is_file() and source.stat().st_size == 0:
        raise BadInput(f"{source.name} is empty.", "Give a file with content.")
    for reader in _READERS:
        recognised = reader(source, hints)
        if recognised is not None:
            return recognised
    raise BadInput(f"{source.name} is in no format that is known here.", f"Give {FORMATS}.")


def _recognised(path: Path, hints: Hints, source: str | Path, log: ProblemLog) -> Recognised:
    """The same; of an archive of which not all came out, what was wrong with that says more."""
    try:
        return recognise(path, hints)
    except BadInput as error:
        if log.n_found:
            raise log.rejected("Mend it, or import another file.") from error
        name = Path(source).name
        raise BadInput(error.problem.replace(path.name, name), error.mend) from error


@contextmanager
def opened_source(
    source: str | Path, hints: Hints, log: ProblemLog, scratch: Path | None = None
) -> Iterator[tuple[Path, Hints]]:
    """The local path of a source, and hints that fit it, for the enclosed block.

    Archives are unpacked (the source, the image folder, or those beside a table whose images are nowhere
    else), hub names are fetched; what was made for that is deleted afterwards.

    Args:
        scratch: Where to unpack; the system's folder for temporary files when None.

    Raises:
        NotFound, Offline: There is no such thing here, nor on the hub.
        StorageFailed: There is no room to unpack.
    """
    path = Path(source).expanduser()
    with storing(scratch or Path("The system's folder for temporary files")):
        temporary = tempfile.TemporaryDirectory(prefix="tidyset-", dir=scratch, ignore_cleanup_errors=True)
    with temporary as name:
        folder = Path(name)
        if path.exists() and archives.is_archive(path):
            path = archives.unpack(path, folder, log)
        elif path.exists():
            hints = _with_images_unpacked(path, hints, folder, log)
        elif _is_hub_name(str(source)):
            path = hugging_face.from_hub(str(source), folder)
        else:
            raise NotFound(f"There is no file or folder {source}.", "Check the path.")
        yield path, hints


def _with_images_unpacked(path: Path, hints: Hints, folder: Path, log: ProblemLog) -> Hints:
    """The hints with a folder of images for a table whose images are packed."""
    if hints.image_folder is not None:
        packed = [hints.image_folder] if archives.is_archive(hints.image_folder) else []
    else:
        beside = path if path.is_dir() else path.parent
        packed = []
        if (
            image_table.lacks_images(path) and pixel_csv.recognise(path, hints) is None
        ):  # else none is touched
            packed = [file for file in sorted(beside.iterdir()) if archives.is_archive(file)]
    for archive in packed:
        archives.unpack(archive, folder, log)
    return replace(hints, image_folder=folder) if packed else hints


def _is_hub_name(source: str) -> bool:
    parts = source.split("/")
    return len(parts) <= 2 and all(parts) and not source.startswith((".", "~")) and "." not in parts[-1]


def import_source(
    workspace: Workspace,
    source: str | Path,
    name: str,
    options: ImportOptions = _DEFAULTS,
    on_progress: Progress | None = None,
) -> ImportResult:
    """Import ``source`` as the data set ``name``, as a stream: memory does not grow with it.

    Raises:
        ImportRejected: With every problem found, unless ``options.skip_bad``.
        NameTaken, NotFound, BadInput, Offline, StorageFailed: As their names say; nothing is left behind.
    """
    log = ProblemLog()
    report = on_progress or (lambda share, text: None)
    _check_shares(options)
    with (
        DatasetBuilder(workspace, name) as builder,
        opened_source(source, options.hints, log, builder.scratch) as (path, hints),
    ):
        recognised = _recognised(path, hints, source, log)
        columns = _Columns(recognised, log, builder.scratch)
        columns.notes_empty = bool(options.hints.classes)
        for record in recognised.records(log):
            pixels = columns.take(record)
            if pixels is not None:
                image = record.image
                builder.add(pixels, image if isinstance(image, Path | bytes) else None, _suffix(image))
            if len(columns.item_ids) % 512 == 1:
                n, total = len(columns.item_ids), recognised.n_items
                report(n / total if total else None, f"{n:,} images read")
        columns.seen.close()
        classes, labels = columns.classes_and_labels()
        if log.n_found and not (options.skip_bad and len(builder)):
            raise log.rejected("Mend them, or import the rest without them (--skip-bad).")
        dataset = builder.finish(
            title=options.title or name,
            task=recognised.task,
            classes=classes,
            item_ids=columns.item_ids,
            split=_splits(np.frombuffer(columns.splits, np.int8), labels, options),
            labels=labels,
            captions=columns.captions if columns.captions.has_words else None,
            info={
                "source": Path(source).name,
                "format": recognised.format,
                **({LABEL_GROUPS: recognised.label_groups} if recognised.label_groups else {}),
            },
            left_out=log.as_json() if log.n_found else None,
        )
    notes = tuple(f"{n:,} images: {how}" for how, n in columns.reductions.most_common())
    return ImportResult(dataset, recognised.format, tuple(log.listed), log.n_found, notes)


class _Columns:
    """What is gathered of the items beside their pixels; checks ids, labels and images on the way."""

    def __init__(self, recognised: Recognised, log: ProblemLog, scratch: Path | None) -> None:
        self.item_ids = Texts()
        self.captions = Texts()
        self.splits = array("b")  # -1 where the source does not say
        self.seen = Seen(scratch)
        self.reductions = Counter[str]()  # how images were reduced, and how many were
        self._task = recognised.task
        self._classes = recognised.classes
        self._index = {name: k for k, name in enumerate(recognised.classes)}
        self._codes = array("q")  # of one label an image, -1 for none
        self._marks = bytearray()  # of several: (N, K) float32
        self._strays: dict[int, Record] = {}
        self._log = log
        self.notes_empty = (
            False  # a person's list of names that does not fit the labels; a file's may be longer
        )

    def take(self, record: Record) -> NDArray[np.uint8] | None:
        """The record's pixels when it is sound; else the problem is noted and it is left out."""
        if not record.item_id.isprintable() and not _is_text(record.item_id):
            self._note(record, f"The name {record.item_id!r} is not UTF-8.", "Rename the file.")
            return None
        label = self._checked_label(record)
        if label is _WRONG:
            return None
        pixels = self._pixels(record)
        if pixels is None:
            return None
        if not self.seen.add(record.item_id):
            self._note(record, f"The id {record.item_id!r} occurs twice.", "Keep one of them.")
            return None
        if isinstance(label, str) and not label.isdecimal() and len(self._strays) <= MOST_STRAYS:
            self._strays[len(self.item_ids)] = replace(record, image=b"")
        self._keep(label)
        self.item_ids.append(record.item_id)
        self.splits.append(SPLITS.index(record.split) if record.split else -1)
        self.captions.append(record.caption or "")
        return pixels

    def _keep(self, label: Any) -> None:
        if self._task is Task.MULTI_LABEL:
            unknown = np.full(len(self._classes), np.nan, np.float32)
            self._marks += np.asarray(unknown if label is None else label, np.float32).tobytes()
        elif label is None:
            self._codes.append(UNLABELLED)
        elif self._classes:
            self._codes.append(label)
        else:
            self._codes.append(self._index.setdefault(str(label), len(self._index)))

    def _note(self, record: Record, what: str, mend: str) -> None:
        self._log.add(record.file, record.row, what, mend)

    def _checked_label(self, record: Record) -> Any:
        """The label as an index where the classes are known, as it is where they follow from the labels."""
        label = record.label
        if label is None or isinstance(label, np.ndarray):
            return label
        if isinstance(label, int) and label < 0:
            self._note(record, f"The label is {label}.", "Number the classes from 0, or leave the row out.")
            return _WRONG
        if not self._classes:
            return label
        if isinstance(label, str):
            if label in self._index:
                return self._index[label]
            if not label.isdecimal():
                return self._no_class(record, label)
            label = int(label)
        return label if label < len(self._classes) else self._no_class(record, label)

    def _no_class(self, record: Record, label: int | str) -> Any:
        k = len(self._classes)
        known = ", ".join(self._classes[:12]) + (", ..." if k > 12 else "")
        said = f"The label {label!r} is none of the {k} classes ({known}; or 0 to {k - 1})."
        self._note(record, said, "Correct it, or name the class too.")
        return _WRONG

    def _pixels(self, record: Record) -> NDArray[np.uint8] | None:
        if isinstance(record.image, np.ndarray):
            return record.image
        try:
            found = decoded(record.image)
            self.reductions.update(found.reductions)
            return found.pixels
        except DamagedFile as error:
            reason = error.problem.partition("(")[2].removesuffix(").") or error.problem
            self._note(record, f"The image cannot be decoded ({reason}).", "Replace it, or leave it out.")
            return None

    def classes_and_labels(self) -> tuple[tuple[str, ...], NDArray[Any]]:
        """The class names, and the labels as the data set keeps them."""
        if self._task is Task.MULTI_LABEL:
            marks = np.frombuffer(self._marks, np.float32)
            marks = marks.reshape(len(self.item_ids), len(self._classes))
            self._note_empty((marks == 1).sum(axis=0))
            return self._classes, marks
        codes = np.frombuffer(self._codes, np.int64)
        if self._classes:
            self._note_empty(np.bincount(codes[codes >= 0], minlength=len(self._classes)))
            return self._classes, codes
        codes = self._without_strays(codes)
        found = list(self._index)  # as they came; a stray's name is gone where no other image has it
        used = np.bincount(codes[codes >= 0], minlength=len(found)) > 0
        names = sorted(
            (name for name, is_used in zip(found, used, strict=True) if is_used), key=class_folders.natural
        )
        place = {name: k for k, name in enumerate(names)}
        order = np.array([*(place.get(name, UNLABELLED) for name in found), UNLABELLED], np.int64)
        return tuple(names), order[codes]  # -1 finds the last one

    def _without_strays(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """A few words among numbers are slips of the pen and no classes: their images stay unlabelled."""
        if not 0 < len(self._strays) <= min(MOST_STRAYS, STRAY_SHARE * len(codes)):
            return codes
        codes = codes.copy()
        for index, record in self._strays.items():
            said = f"The label is {record.label!r}, where nearly all others are numbers."
            self._note(record, said, "Correct it; left as it is, the image counts as unlabelled.")
            codes[index] = UNLABELLED
        return codes

    def _note_empty(self, counts: NDArray[np.integer[Any]]) -> None:
        for k in np.flatnonzero(counts == 0) if self.notes_empty and len(self.item_ids) else ():
            said = f"No image has the class {self._classes[k]!r}."
            self._log.add("classes", None, said, "Check the names, or go on with an empty class.")


MOST_STRAYS, STRAY_SHARE = 1_000, 0.01
"""At most so many labels, and such a share of all, are taken for slips rather than for classes."""

_WRONG: Any = object()


def _is_text(name: str) -> bool:
    """Whether it can be kept as UTF-8: a file name of other bytes cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_shares(options: ImportOptions) -> None:
    shares = options.test_share, options.val_share
    if min(shares) < 0 or sum(shares) >= 1:
        raise BadInput(
            f"Shares of {shares[0]:g} for test and {shares[1]:g} for validation leave nothing to train on.",
            "Let them sum to less than 1.",
        )


def _suffix(image: object) -> str:
    """The suffix to keep an image's bytes under, from their first bytes."""
    start = image[:4] if isinstance(image, bytes) else b""
    return ".jpg" if start[:2] == b"\xff\xd8" else ".webp" if start == b"RIFF" else ".png"


def _splits(given: NDArray[np.int8], labels: NDArray[Any], options: ImportOptions) -> NDArray[np.int8]:
    """The given splits; items without one (-1) go to train, and shares of them to test and validation."""
    free = given < 0
    split = np.where(free, np.int8(0), given)
    left = 1.0
    for name, share in (("test", options.test_share), ("val", options.val_share)):
        chosen = np.flatnonzero(free)
        if share > 0 and len(chosen) and not (split == SPLITS.index(name)).any():
            drawn = chosen[stratified_split(labels[chosen], share / left, options.seed)]
            split[drawn] = SPLITS.index(name)
            free[drawn] = False
            left -= share
    return split
