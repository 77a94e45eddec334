"""Importing: a source of any known format becomes a data set, or a report of all that is wrong with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.builder import DatasetBuilder
from core.data.columns import Seen, Texts
from core.data.dataset import LABEL_GROUPS, SPLITS, UNLABELLED, Dataset, Task
from core.data.images import decoded
from core.data.plan import Plan, example_of, make_plan
from core.data.problems import ProblemLog
from core.data.readers import archives, hugging_face, image_files, pixel_csv
from core.data.readers.base import (
    Choice,
    Hints,
    Question,
    Reader,
    Recognised,
    Record,
    natural,
    readers,
    tidy_name,
)
from core.data.splits import stratified_split
from core.errors import BadInput, DamagedFile, NotFound, Problem, Unclear
from core.files import storing
from core.json_text import json_text
from core.workspace import Workspace

FORMATS = f"{', '.join(one.formats for one in readers())}, or an archive of these"
Progress = Callable[[float | None, str], None]
Source = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import.

    Attributes:
        hints: What a person says about the source.
        title: For people; the name when empty.
        test_share: The share for test where the source has no test split; 0 for none. None is 0.2 of the
            items that the source puts in no split; a share that was asked for is taken from train, too.
        val_share: Likewise for validation, and of the same items: 0.2 and 0.1 leave 0.7 to train on.
        seed: Of the split.
        skip_bad: Import what is sound and list what was left out, instead of refusing.
    """

    hints: Hints = field(default_factory=Hints)
    title: str = ""
    test_share: float | None = None
    val_share: float = 0.0
    seed: int = 0
    skip_bad: bool = False


@dataclass(frozen=True, eq=False)
class ImportResult:
    """What came of it: the data set, how the source was read, and what was left out."""

    dataset: Dataset
    plan: Plan
    format: str
    problems: tuple[Problem, ...]
    n_problems: int


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
    found: list[tuple[Reader, Recognised]] = []
    refused: list[BadInput] = []
    for reader in readers():
        if hints.read_as and reader.name != hints.read_as:
            continue
        try:
            recognised = reader.recognise(source, hints)
        except BadInput as error:
            if source.is_file():
                raise
            refused.append(error)
            continue
        if recognised is not None:
            if source.is_file():
                return recognised
            found.append((reader, recognised))
    if not found:
        raise (
            refused[0]
            if refused
            else BadInput(f"{source.name} is in no format that is known here.", f"Give {FORMATS}.")
        )
    return _strongest(found, refused)


MANY_TIMES = 10
"""Of two readings of a folder, the one with so many times the items of the other is meant."""


def _strongest(found: Sequence[tuple[Reader, Recognised]], refused: Sequence[BadInput]) -> Recognised:
    """The reading for which most items speak; a question where two do as well."""
    ranked = sorted(found, key=lambda pair: (-_weight(pair[1]), pair[0].name != "images"))
    best, others = ranked[0][1], ranked[1:]
    warnings = [f"Not used: {error.problem}" for error in refused]
    rivals = [(r, one) for r, one in others if _weight(one) * MANY_TIMES > _weight(best)]
    warnings += [
        f"There are {_weight(one):,} items of another format too ({one.format}), which are not used."
        for r, one in others
        if (r, one) not in rivals and _weight(one)
    ]
    questions = best.questions
    if rivals:
        choices = tuple(
            Choice(f"{one.format}, {_weight(one):,} items", {"read_as": r.name}, f"--read-as {r.name}")
            for r, one in (ranked[0], *rivals)
        )
        questions = (Question("There are items of several formats. Which are meant?", choices), *questions)
    return replace(best, warnings=(*best.warnings, *warnings), questions=questions)


def _weight(recognised: Recognised) -> int:
    return recognised.weight if recognised.weight is not None else recognised.n_items or 0


def _recognised(path: Path, hints: Hints, source: Source, log: ProblemLog) -> Recognised:
    """The same; of an archive of which not all came out, what was wrong with that says more."""
    try:
        return recognise(path, hints)
    except BadInput as error:
        if log.n_found:
            raise log.rejected("Mend it, or import another file.") from error
        raise BadInput(error.problem.replace(path.name, called(source)), error.mend) from error


@contextmanager
def opened_source(
    source: Source, hints: Hints, log: ProblemLog, scratch: Path | None = None
) -> Iterator[tuple[Path, Hints]]:
    """The local path of a source, and hints that fit it, for the enclosed block.

    Several sources become one folder that has all of them. Archives are unpacked (the source, the image
    folder, or those beside a table whose images are nowhere
    else), hub names are fetched; what was made for that is deleted afterwards.

    Args:
        scratch: Where to unpack; the system's folder for temporary files when None.

    Raises:
        NotFound, Offline: There is no such thing here, nor on the hub.
        StorageFailed: There is no room to unpack.
    """
    sources = [source] if isinstance(source, str | Path) else list(source)
    path = Path(sources[0]).expanduser()
    with storing(scratch or Path("The system's folder for temporary files")):
        temporary = tempfile.TemporaryDirectory(prefix="tidyset-", dir=scratch, ignore_cleanup_errors=True)
    with temporary as name:
        folder = Path(name)
        if len(sources) > 1:
            path = _gathered(sources, folder, log)
        elif path.exists() and archives.is_archive(path):
            path = archives.unpack(path, folder, log)
        elif path.exists():
            hints = _with_images_unpacked(path, hints, folder, log)
        elif _is_hub_name(str(sources[0])):
            path = hugging_face.from_hub(str(sources[0]), folder)
        else:
            raise NotFound(f"There is no file or folder {sources[0]}.", "Check the path.")
        yield path, hints


def _gathered(sources: Sequence[str | Path], folder: Path, log: ProblemLog) -> Path:
    """One folder with all sources: archives unpacked, the rest linked where the disk allows it.

    Raises:
        NotFound: There is no such file.
        StorageFailed: There is no room.
    """
    root = folder / "sources"
    with storing(root):
        root.mkdir()
    for source in sources:
        path = Path(source).expanduser().resolve()
        if not path.exists():
            raise NotFound(f"There is no file or folder {source}.", "Check the path.")
        target = root / path.name
        if archives.is_archive(path):
            target = root / path.name.split(".")[0]
        if target.exists():
            raise BadInput(f"Two of the sources are called {target.name}.", "Rename one of them.")
        with storing(target):
            if archives.is_archive(path):
                target.mkdir()
                archives.unpack(path, target, log)
            elif path.is_dir():
                shutil.copytree(path, target, copy_function=_link, symlinks=True)
            else:
                _link(path, target)
    return root


def _link(source: str | Path, target: str | Path) -> None:
    """A second name for a file, or a copy where the disk is another one."""
    try:
        os.link(source, target)
    except OSError:
        with storing(Path(target)):
            shutil.copyfile(source, target)


def called(source: Source) -> str:
    """The source as people call it."""
    sources = [source] if isinstance(source, str | Path) else list(source)
    return ", ".join(Path(one).name for one in sources)


def _with_images_unpacked(path: Path, hints: Hints, folder: Path, log: ProblemLog) -> Hints:
    """The hints with a folder of images for a table whose images are packed."""
    if hints.image_folder is not None:
        packed = [hints.image_folder] if archives.is_archive(hints.image_folder) else []
    else:
        beside = path if path.is_dir() else path.parent
        packed = []
        # Where the table needs no images, or has them, no archive is touched.
        if pixel_csv.recognise(path, hints) is None and image_files.lacks_images(path):
            packed = [file for file in sorted(beside.iterdir()) if archives.is_archive(file)]
    for archive in packed:
        archives.unpack(archive, folder, log)
    return replace(hints, image_folder=folder) if packed else hints


def _is_hub_name(source: str) -> bool:
    parts = source.split("/")
    return len(parts) <= 2 and all(parts) and not source.startswith((".", "~")) and "." not in parts[-1]


def import_source(
    workspace: Workspace,
    source: Source,
    name: str,
    options: ImportOptions = _DEFAULTS,
    on_progress: Progress | None = None,
) -> ImportResult:
    """Import ``source`` as the data set ``name``, as a stream: memory does not grow with it.

    Raises:
        Unclear: It can be read in two ways, and ``options.hints`` do not say which.
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
        check_answered(recognised, called(source))
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
        if log.n_found and not ((options.skip_bad or not log.refuses) and len(builder)):
            raise log.rejected("Mend them, or import the rest without them (--skip-bad).")
        split = _splits(np.frombuffer(columns.splits, np.int8), labels, options)
        dataset = builder.finish(
            title=options.title or name,
            task=recognised.task,
            classes=classes,
            item_ids=columns.item_ids,
            split=split,
            labels=labels,
            captions=columns.captions if columns.captions.has_words else None,
            info={
                "source": called(source),
                "format": recognised.format,
                **({LABEL_GROUPS: recognised.label_groups} if recognised.label_groups else {}),
                **({PARENTS: json_text(dict(recognised.parents))} if recognised.parents else {}),
            },
            left_out=log.as_json() if log.n_found else None,
        )
    plan = make_plan(
        recognised, classes, labels, split, log, hashes=dataset.content_hashes, sizes=dataset.images.sizes
    )
    reduced = tuple(f"{n:,} images: {how}." for how, n in columns.reductions.most_common())
    plan = replace(plan, warnings=(*plan.warnings, *reduced))
    return ImportResult(dataset, plan, recognised.format, tuple(log.listed), log.n_found)


PARENTS = "class_parents"
"""The entry of a data set's info with the parent of each class that has one, as a JSON object."""


def check_answered(recognised: Recognised, source: str) -> None:
    """Raises Unclear where the source can be read in two ways."""
    if recognised.questions:
        asked = [(q.text, [(c.text, c.option) for c in q.choices]) for q in recognised.questions]
        raise Unclear(source, asked)


def understand(source: Source, options: ImportOptions = _DEFAULTS, scratch: Path | None = None) -> Plan:
    """Look at a source without importing it: one pass over its labels, as a stream.

    Args:
        scratch: Where archives are unpacked meanwhile.

    Raises:
        NotFound, BadInput, Offline, StorageFailed: As of ``import_source``; what is wrong with single items
            is in the plan.
    """
    log = ProblemLog()
    _check_shares(options)
    with opened_source(source, options.hints, log, scratch) as (path, hints):
        recognised = _recognised(path, hints, source, log)
        columns = _Columns(recognised, log, None)
        files: list[Path] = []
        by_label: dict[object, list[Record]] = {}
        for record in (recognised.peek or recognised.records)(log):
            if not columns.check(record):
                continue
            if isinstance(record.image, Path):
                files.append(record.image)
            label = record.label if isinstance(record.label, int | str) else None
            if label in by_label or len(by_label) < MOST_EXAMPLES:
                of_label = by_label.setdefault(label, [])
                if len(of_label) < MOST_EXAMPLES:
                    of_label.append(record)
        columns.seen.close()
        classes, labels = columns.classes_and_labels()
        split = _splits(np.frombuffer(columns.splits, np.int8), labels, options)
        if recognised.peek is not None:
            by_label = {None: list(islice(recognised.records(ProblemLog()), MOST_EXAMPLES))}
        examples = tuple(e for r in _shown(by_label) if (e := example_of(r, classes)) is not None)
        return make_plan(recognised, classes, labels, split, log, files=files, examples=examples)


MOST_EXAMPLES = 12


def _shown(by_label: Mapping[object, list[Record]]) -> list[Record]:
    """The first of each label in turn, so that many classes are seen and of few classes several images."""
    turns = zip_longest(*by_label.values())
    return list(islice((record for turn in turns for record in turn if record is not None), MOST_EXAMPLES))


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
        label = self._sound_label(record)
        if label is _WRONG:
            return None
        pixels = self._pixels(record)
        return pixels if pixels is not None and self._gather(record, label) else None

    def check(self, record: Record) -> bool:
        """Take a record without looking at its image; False where something else is wrong with it."""
        label = self._sound_label(record)
        return label is not _WRONG and self._gather(record, label)

    def _sound_label(self, record: Record) -> Any:
        if not record.item_id.isprintable() and not _is_text(record.item_id):
            self._note(record, f"The name {record.item_id!r} is not UTF-8.", "Rename the file.")
            return _WRONG
        return self._checked_label(record)

    def _gather(self, record: Record, label: Any) -> bool:
        if not self.seen.add(record.item_id):
            self._note(record, f"The id {record.item_id!r} occurs twice.", "Keep one of them.")
            return False
        if isinstance(label, str) and not label.lstrip("-").isdecimal() and len(self._strays) <= MOST_STRAYS:
            self._strays[len(self.item_ids)] = replace(record, image=b"")
        self._keep(label)
        self.item_ids.append(record.item_id)
        self.splits.append(SPLITS.index(record.split) if record.split else -1)
        self.captions.append(record.caption or "")
        return True

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
        if isinstance(label, str):
            label = tidy_name(label)
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
        names = sorted((name for name, is_used in zip(found, used, strict=True) if is_used), key=natural)
        place = {name: k for k, name in enumerate(names)}
        order = np.array([*(place.get(name, UNLABELLED) for name in found), UNLABELLED], np.int64)
        return tuple(names), order[codes]  # -1 finds the last one

    def _without_strays(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """A few words among numbers are slips of the pen and no classes: their images stay unlabelled."""
        n_labelled = int((codes >= 0).sum())
        if not 0 < len(self._strays) <= min(MOST_STRAYS, STRAY_SHARE * n_labelled):
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
    shares = 0.2 if options.test_share is None else options.test_share, options.val_share
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
    """The given splits; items without one (-1) go to train, and shares of them to test and validation.

    A share that was asked for is drawn from those that the source calls train where no others are free.
    """
    split = np.where(given < 0, np.int8(0), given)
    free = given < 0
    left = 1.0
    share_of_test = 0.2 if options.test_share is None else options.test_share
    asked = {"test": options.test_share is not None, "val": True}
    for name, share in (("test", share_of_test), ("val", options.val_share)):
        if share <= 0 or (split == SPLITS.index(name)).any():
            continue
        chosen = np.flatnonzero(free if free.any() or not asked[name] else split == 0)
        if len(chosen):
            drawn = chosen[stratified_split(labels[chosen], share / left, options.seed)]
            split[drawn] = SPLITS.index(name)
            free[drawn] = False
            left -= share
    return split
