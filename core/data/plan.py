"""The plan of an import: what a source was understood as, before anything of it is kept."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Task, is_labelled
from core.data.image_opening import open_image
from core.data.images import as_channels, decode, resize
from core.data.problems import ProblemLog
from core.data.readers.base import IMAGE_SUFFIXES, SPLIT_NAMES, Question, Recognised, Record
from core.errors import TidysetError
from core.files import Json

EXAMPLE_SIDE = 96
_MOST_COMPARED = 200_000
"""So many files are looked at for exact copies; of more it is said after the import."""
_MEASURED = 200
_LISTED = 6


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One item as it would be imported.

    Attributes:
        label: The names of its classes, "" where it has none.
        pixels: (H, W, 3) uint8, at most EXAMPLE_SIDE high and wide.
    """

    item_id: str
    label: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import would make of a source.

    Attributes:
        classes: The number of items of each class by split.
        splits: The number of items by split.
        columns: What each column, array or folder that is used is for.
        unused: What is not used, each with the reason.
        questions: What a person has to answer first.
        parents: The parent of each class that has one.
        left_out: What is wrong with single items (the first thousand), in words.
    """

    format: str
    task: Task
    n_items: int
    classes: Mapping[str, Mapping[str, int]]
    splits: Mapping[str, int]
    n_unlabelled: int
    columns: Mapping[str, str]
    unused: tuple[str, ...]
    warnings: tuple[str, ...]
    questions: tuple[Question, ...]
    parents: Mapping[str, str]
    examples: tuple[Example, ...]
    left_out: tuple[str, ...]
    n_left_out: int

    def as_json(self) -> Json:
        """The plan as ``tidyset data import --json`` prints it."""
        return {
            "format": self.format,
            "task": str(self.task),
            "n_items": self.n_items,
            "classes": {name: dict(counts) for name, counts in self.classes.items()},
            "splits": dict(self.splits),
            "n_unlabeled": self.n_unlabelled,
            "columns": dict(self.columns),
            "unused": list(self.unused),
            "warnings": list(self.warnings),
            "questions": [
                {
                    "question": question.text,
                    "choices": [{"answer": one.text, "option": one.option} for one in question.choices],
                }
                for question in self.questions
            ],
            "parents": dict(self.parents),
            "left_out": list(self.left_out),
            "n_left_out": self.n_left_out,
        }

    def as_text(self) -> str:
        """The plan for people, as the command prints it."""
        lines = [f"{self.format}: {self.n_items:,} images, {len(self.classes):,} classes"]
        lines += [f"  {name}: {role}" for name, role in self.columns.items()]
        for name, counts in self.classes.items():
            lines.append(f"  {name:<24} " + ", ".join(f"{split} {n:,}" for split, n in counts.items() if n))
        lines += [f"not used: {text}" for text in self.unused]
        lines += [f"note: {text}" for text in self.warnings]
        lines += [f"left out: {text}" for text in self.left_out[:20]]
        for question in self.questions:
            lines.append(f"question: {question.text}")
            lines += [f"    {choice.option}  ({choice.text})" for choice in question.choices]
        return "\n".join(lines)


def make_plan(
    recognised: Recognised,
    classes: Sequence[str],
    labels: NDArray[Any],
    split: NDArray[np.int8],
    log: ProblemLog,
    *,
    files: Sequence[Path] = (),
    examples: Sequence[Example] = (),
    hashes: NDArray[np.uint8] | None = None,
    sizes: NDArray[np.int32] | None = None,
) -> Plan:
    """Return the plan of what was gathered.

    Args:
        labels: (N,) or (N, K), as a data set has them.
        split: (N,) indices into SPLITS.
        files: The image files, where they are not decoded yet.
        hashes: (N, 16) of the pixels, where they are.
        sizes: (N, 2) likewise.
    """
    counts = _counts(classes, labels, split)
    n_unlabelled = int((~is_labelled(labels)).sum()) if len(labels) else 0
    warnings = [*recognised.warnings, *_about_classes(classes, counts, len(labels), n_unlabelled)]
    warnings += _about_copies(files, split, hashes)
    warnings += _about_sizes(files, sizes)
    return Plan(
        format=recognised.format,
        task=recognised.task,
        n_items=len(labels),
        classes=counts,
        splits={name: n for k, name in enumerate(SPLITS) if (n := int((split == k).sum()))},
        n_unlabelled=n_unlabelled,
        columns=recognised.columns,
        unused=recognised.unused,
        warnings=tuple(warnings),
        questions=recognised.questions,
        parents=recognised.parents,
        examples=tuple(examples),
        left_out=tuple(str(problem) for problem in log.listed),
        n_left_out=log.n_found,
    )


def _counts(
    classes: Sequence[str], labels: NDArray[Any], split: NDArray[np.int8]
) -> dict[str, dict[str, int]]:
    present = [(k, name) for k, name in enumerate(SPLITS) if (split == k).any()]
    if labels.ndim == 2:
        by_split = {name: (labels[split == k] == 1).sum(axis=0) for k, name in present}
    else:
        by_split = {
            name: np.bincount(labels[(split == k) & (labels >= 0)], minlength=len(classes))
            for k, name in present
        }
    return {own: {name: int(by_split[name][k]) for _, name in present} for k, own in enumerate(classes)}


def _about_classes(
    classes: Sequence[str], counts: Mapping[str, Mapping[str, int]], n_items: int, n_unlabelled: int
) -> list[str]:
    """What is odd about the names and numbers of classes."""
    said = []
    n_labelled = n_items - n_unlabelled
    if len(classes) == 1:
        said.append(f"There is one class only: {classes[0]}.")
    if len(classes) > 2 and len(classes) >= n_labelled:
        said.append(f"There are as many classes ({len(classes):,}) as images with a label.")
    if n_unlabelled and classes:
        said.append(f"{n_unlabelled:,} of {n_items:,} images have no label.")
    like_splits = [name for name in classes if name.strip().lower() in SPLIT_NAMES]
    if like_splits:
        said.append(f"Classes are called like splits: {', '.join(like_splits)}.")
    like_files = [name for name in classes if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    if like_files:
        said.append(f"Classes are called like files: {_listed(like_files)}.")
    alike: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        key = "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())
        alike[key or name].append(name)
    same = [" and ".join(map(repr, names)) for names in alike.values() if len(names) > 1]
    if same:
        said.append(f"Classes differ by case, blanks or signs only: {_listed(same)}.")
    empty = [name for name, by_split in counts.items() if not any(by_split.values())]
    if empty:
        said.append(f"No image has the class {_listed(empty)}.")
    return said


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (
        f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    )


def _about_copies(
    files: Sequence[Path], split: NDArray[np.int8], hashes: NDArray[np.uint8] | None
) -> list[str]:
    """How many images are exact copies of others, and how many of those over splits."""
    if hashes is not None:
        keys: list[object] = [row.tobytes() for row in np.asarray(hashes)]
    elif len(files) == len(split) and len(files) <= _MOST_COMPARED:
        keys = _file_keys(files)
    else:
        return []
    groups: dict[object, set[int]] = defaultdict(set)
    times: Counter[object] = Counter()
    for key, where in zip(keys, split.tolist(), strict=True):
        if key is not None:
            groups[key].add(where)
            times[key] += 1
    copies = sum(n - 1 for n in times.values())
    if not copies:
        return []
    over = sum(len(where) > 1 for where in groups.values())
    more = f"; {over:,} of them are in several splits" if over else ""
    return [f"{copies:,} images are exact copies of others{more}."]


def _file_keys(files: Sequence[Path]) -> list[object]:
    """A key for each file that another of the same size has too, the same for the same bytes; else None."""
    sizes: list[int] = []
    for path in files:
        try:
            sizes.append(path.stat().st_size)
        except OSError:
            sizes.append(-1)
    often = Counter(sizes)
    keys: list[object] = []
    for path, size in zip(files, sizes, strict=True):
        if size < 0 or often[size] < 2:
            keys.append(None)
            continue
        try:
            with path.open("rb") as file:
                keys.append(hashlib.file_digest(file, "blake2b").digest())
        except OSError:
            keys.append(None)
    return keys


def _about_sizes(files: Sequence[Path], sizes: NDArray[np.int32] | None) -> list[str]:
    """How large the images are, where they differ: of files some are measured, evenly spread."""
    if sizes is None:
        chosen = list(files)[:: max(1, len(files) // _MEASURED)]
        found = [size for path in chosen if (size := _size(path)) is not None]
        sizes = np.array(found, np.int32).reshape(-1, 2)
    if not len(sizes) or (sizes == sizes[0]).all():
        return []
    small, large = sizes.min(axis=0), sizes.max(axis=0)
    return [f"The images differ in size: from {small[0]} x {small[1]} to {large[0]} x {large[1]} pixels."]


def _size(path: Path) -> tuple[int, int] | None:
    """(height, width) from the head of an image file."""
    try:
        with open_image(path) as image:
            return image.height, image.width
    except Exception:  # decoders of damaged files raise errors of many kinds
        return None


def example_of(record: Record, classes: Sequence[str]) -> Example | None:
    """A record as a thumbnail with its label; None where the image cannot be shown."""
    try:
        pixels = record.image if isinstance(record.image, np.ndarray) else decode(record.image)
        pixels = as_channels(pixels, 3)
    except (TidysetError, OSError):
        return None
    height, width = pixels.shape[:2]
    scale = min(1.0, EXAMPLE_SIDE / max(height, width))
    small = resize(pixels, max(1, round(height * scale)), max(1, round(width * scale)))
    return Example(record.item_id, _label_words(record, classes), small)


def _label_words(record: Record, classes: Sequence[str]) -> str:
    label = record.label
    if isinstance(label, np.ndarray):
        return ", ".join(classes[int(k)] for k in np.flatnonzero(label == 1))
    if isinstance(label, str) and label in classes:
        return label
    if (
        label is not None
        and str(label).isdecimal()
        and int(label) < len(classes)
        and str(label) not in classes
    ):
        return classes[int(label)]
    return "" if label is None else str(label)
