"""A folder per class, perhaps below a folder per split: train/cat/1.jpg."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.data.problems import ProblemLog
from core.data.readers.base import IMAGE_SUFFIXES, SPLIT_NAMES, Hints, Recognised, Record


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder whose folders are classes, or (no classes) a split's folder of unlabelled images."""

    folder: Path
    split: str | None
    classes: bool = True


def recognise(source: Path, hints: Hints) -> Recognised | None:
    """A folder of class folders, or of split folders with them; a split folder without is unlabelled."""
    if not source.is_dir():
        return None
    roots = _roots(source)
    found: dict[str, int] = {}
    for root in roots:
        for path in _folders(root.folder) if root.classes else ():
            found[path.name] = found.get(path.name, 0) + _count(path)
    n_images = sum(found.values())
    for root in roots:
        beside = [path for path in root.folder.iterdir() if path.is_file() and is_image(path)]
        n_images += len(beside) if root.classes else _count(root.folder)
    if not found or not n_images:
        return None
    # A folder without an image makes no class; that it is there is said while reading.
    with_images = [name for name, n in found.items() if n] or list(found)
    names = hints.classes or tuple(sorted(with_images, key=natural))
    return Recognised(
        format="a folder per class",
        records=lambda log: _records(source, roots, set(names), set(with_images), log),
        classes=names,
        n_items=n_images,
    )


def _roots(source: Path) -> list[_Root]:
    """Split folders when at least one has class folders and nothing else has images; else the source."""
    tops = _folders(source)
    splits = {path: SPLIT_NAMES.get(path.name.lower()) for path in tops}
    divided = [path for path, split in splits.items() if split and _folders(path)]
    others = [path for path, split in splits.items() if not split]
    if not divided or any(is_image(file) for path in others for file in _files(path)):
        return [_Root(source, None)]
    return [_Root(path, split, path in divided) for path, split in splits.items() if split]


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts "class 10" after "class 9"."""
    parts = (part for part in re.split(r"(\d+)", name) if part)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts)


def is_image(path: Path) -> bool:
    """Whether the name says image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def _folders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder in a fixed order; links are not followed."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        yield from (Path(where) / name for name in sorted(files) if not name.startswith("."))


def _count(folder: Path) -> int:
    return sum(1 for path in _files(folder) if is_image(path))


def _records(
    source: Path, roots: list[_Root], classes: set[str], with_images: set[str], log: ProblemLog
) -> Iterator[Record]:
    for path in sorted(source.iterdir()):
        if path.is_file() and is_image(path):
            log.add(path.name, None, "The image lies in no class folder.", "Move it into one, or delete it.")
    for root in roots:
        if not root.classes:
            yield from _images(source, root.folder, None, root.split, log)
            continue
        for class_folder in _folders(root.folder):
            own, name = class_folder.name, class_folder.relative_to(source).as_posix()
            if own not in classes and own in with_images:
                known = ", ".join(sorted(classes, key=natural)[:10])
                said = f"The class {own!r} is none of: {known}."
                log.add(own, None, said, "Rename the folder, or name the class too.")
                continue
            found = False
            for record in _images(source, class_folder, own, root.split, log):
                found = True
                yield record
            if not found and not (own in classes and own not in with_images):  # else the class is named empty
                log.add(name, None, "The class folder holds no image.", "Put images into it, or delete it.")


def _images(
    source: Path, folder: Path, label: str | None, split: str | None, log: ProblemLog
) -> Iterator[Record]:
    inside = source.resolve()
    if not folder.resolve().is_relative_to(inside):
        log.add(folder.name, None, "It is a link out of the folder.", "Put the folder itself there.")
        return
    for path in _files(folder):
        name = path.relative_to(source).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            log.add(name, None, "It is a link out of the folder.", "Put the file itself there.")
        elif is_image(path):
            yield Record(name, label, path, name, None, split)
