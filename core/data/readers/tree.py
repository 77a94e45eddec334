"""The files below a folder: images, tables beside them, and what is passed over; scanned once."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from core.data.readers.base import IMAGE_SUFFIXES

_HIDDEN = (".", "._")
_NEVER = frozenset({"__MACOSX", "__pycache__", "Thumbs.db", "thumbs.db", "desktop.ini", "$RECYCLE.BIN"})
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
MASK_FOLDERS = frozenset(
    """
    mask masks annotation annotations ann label labels segmentation segmentations segmentationclass
    segmentationobject trimap trimaps gt groundtruth ground_truth depth bbox bboxes heatmaps
    """.split()  # noqa: SIM905
)
"""Folders of pictures that say something of other pictures and are none themselves."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies below a folder; names are relative to it, with "/" between.

    Attributes:
        images: Files that are images by their ending, or without one by their first bytes.
        others: All other files, but for what operating systems add.
        links_out: Links that lead out of the folder.
        links_in: Links to folders inside of it: what they hold is there anyway.
    """

    root: Path
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    links_out: list[str] = field(default_factory=list)
    links_in: list[str] = field(default_factory=list)

    def folders(self) -> Counter[tuple[str, ...]]:
        """The number of images in each folder that has some, by the parts of its path."""
        return Counter(folder_of(name) for name in self.images)

    def by_tail(self) -> dict[str, list[str]]:
        """The images by the names of their files in lower case, with and without ending."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.images:
            tail = name.rpartition("/")[2].lower()
            found[tail].append(name)
            stem = tail.rpartition(".")[0]
            if stem:
                found[stem].append(name)
        return found


def folder_of(name: str) -> tuple[str, ...]:
    """The parts of the folder that a file lies in."""
    return tuple(name.split("/")[:-1])


def is_mask_folder(name: str) -> bool:
    """Whether a folder is called like one of masks."""
    lower = name.lower()
    return lower in MASK_FOLDERS or lower.endswith(("_mask", "_masks", "-masks", "_segmentation"))


def scan(folder: Path) -> Tree:
    """Look at all files below ``folder``, in a fixed order: the files of a folder before its folders."""
    tree = Tree(folder)
    _scan(folder, "", folder.resolve(), tree)
    return tree


def _scan(folder: Path, prefix: str, root: Path, tree: Tree) -> None:
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    below: list[str] = []
    for entry in listed:
        name = prefix + entry.name
        if entry.name.startswith(_HIDDEN) or entry.name in _NEVER:
            continue
        if entry.is_symlink() and not _inside(Path(entry.path), root):
            tree.links_out.append(name)
        elif entry.is_dir():
            (tree.links_in if entry.is_symlink() else below).append(name)
        elif entry.is_file():
            (tree.images if _is_image(entry) else tree.others).append(name)
    for name in below:
        _scan(tree.root / name, f"{name}/", root, tree)


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _is_image(entry: os.DirEntry[str]) -> bool:
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return True
    if suffix and not suffix[1:].isdecimal():
        return False
    try:
        with open(entry.path, "rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(_STARTS) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def endings(names: list[str]) -> Iterator[tuple[str, int]]:
    """The endings of files and how often each occurs, the most frequent first."""
    counts = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in names)
    yield from counts.most_common()
