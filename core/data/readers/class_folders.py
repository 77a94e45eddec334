"""A folder per class, perhaps below a folder per split: train/cat/1.jpg."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from core.data.problems import ProblemLog
from core.data.readers.base import IMAGE_SUFFIXES, Hints, Recognised, Record, split_of


def recognise(source: Path, hints: Hints) -> Recognised | None:
    """A folder whose image files all lie in class folders, at one depth or below split folders."""
    if not source.is_dir():
        return None
    tops = _folders(source)
    if not tops or any(is_image(path) for path in source.iterdir() if path.is_file()):
        return None
    roots = [(split_of(path.name), path) for path in tops]
    if not all(split and _folders(path) for split, path in roots):
        roots = [(None, source)]
    classes = sorted({path.name for _, root in roots for path in _folders(root)})
    if not any(is_image(path) for _, root in roots for path in _files(root)):
        return None
    return Recognised(
        format="a folder per class",
        records=lambda log: _records(source, roots, set(hints.classes or classes), log),
        classes=hints.classes or tuple(classes),
        n_items=sum(1 for _, root in roots for path in _files(root) if is_image(path)),
    )


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


def _records(
    source: Path, roots: list[tuple[str | None, Path]], classes: set[str], log: ProblemLog
) -> Iterator[Record]:
    for split, root in roots:
        for class_folder in _folders(root):
            if class_folder.name not in classes:
                known = ", ".join(sorted(classes)[:10])
                said = f"The class {class_folder.name!r} is none of: {known}."
                log.add(class_folder.name, None, said, "Rename the folder, or name the class too.")
                continue
            n_images = 0
            for path in _files(class_folder):
                name = path.relative_to(source).as_posix()
                if path.is_symlink() and not path.resolve().is_relative_to(source.resolve()):
                    log.add(name, None, "It is a link out of the folder.", "Put the file itself there.")
                elif is_image(path):
                    n_images += 1
                    yield Record(name, class_folder.name, path, name, None, split)
            if n_images == 0:
                name = class_folder.relative_to(source).as_posix()
                log.add(name, None, "The class folder holds no image.", "Put images into it, or delete it.")
