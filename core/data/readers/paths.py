"""Which image a cell of a table means: a path means that path, or there is no image."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from core.data.readers.base import split_folders
from core.data.readers.layout import AROUND
from core.data.readers.tables import names_image
from core.data.readers.tree import Tree, folder_of, is_mask_folder

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:/")
_SAMPLE = 2_000
OUTSIDE, NOWHERE = "outside", ""
Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A path as a cell has it: its parts, and whether it began at the root of a disk or host."""

    parts: Parts
    absolute: bool = False
    leads_out: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """The image of each cell.

    Attributes:
        images: Names in the tree; None where there is none.
        explicit: Whether the cells name files with folder or ending, so that a match is no accident.
        outside: Cells (by index) that lead out of the folder.
        rivals: Folders that each have images of these names, the one with most first.
    """

    images: list[str | None]
    explicit: bool
    outside: frozenset[int] = frozenset()
    rivals: tuple[str, ...] = ()

    @property
    def n_found(self) -> int:
        """How many cells have an image."""
        return sum(image is not None for image in self.images)


class ImageFinder:
    """Finds the images of a tree that the tables beside them name."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._exact = set(tree.images)
        self._folded: dict[str, list[str]] = {}
        self._tails: dict[str, list[str]] = {}
        for name in tree.images:
            for key in {name.lower(), _stem(name).lower()}:
                self._folded.setdefault(key, []).append(name)
            tail = name.rpartition("/")[2].lower()
            for key in {tail, _stem(tail)}:
                self._tails.setdefault(key, []).append(name)
        self._folders = {folder_of(name) for name in tree.images}

    def find(self, cells: Sequence[str], table_name: str, base: Parts) -> Found:
        """Return the image of each cell.

        Args:
            table_name: The name of the table's file: "train.csv" means the images of train/.
            base: The folder of the table in the tree.
        """
        paths = [_read(cell) for cell in cells]
        paths = [self._below_root(path) for path in paths]
        outside = frozenset(i for i, path in enumerate(paths) if path.leads_out)
        used = [p for p in paths if p.parts and not p.leads_out]
        step = max(1, len(used) // _SAMPLE)
        sample = used[::step]
        explicit = (
            bool(sample)
            and sum(names_image(p.parts[-1]) or len(p.parts) > 1 for p in sample) > len(sample) / 2
        )
        best = self._best(sample, base)
        if best is not None:
            start, dropped = best
            images = [self._at(start, p.parts[dropped:]) if not p.leads_out else None for p in paths]
            if not self._rivals_at(start, sample, dropped, self._implied(table_name)):
                return Found(images, explicit, outside)
        return self._elsewhere(paths, sample, table_name, explicit, outside)

    def _below_root(self, path: _Cell) -> _Cell:
        """A path from the root of the disk that leads into the tree, from the tree's own root."""
        if not path.absolute or not path.parts:
            return path
        own = self._tree.root.resolve().parts[1:]
        return _Cell(path.parts[len(own) :]) if path.parts[: len(own)] == own else path

    def _best(self, sample: Sequence[_Cell], base: Parts) -> tuple[Parts, int] | None:
        """Where the paths begin, and how many of their first parts are not here; None where none is found."""
        common = _common_folder(sample)
        tried: list[tuple[int, Parts, int]] = []
        for dropped in range(len(common) + 1):
            for start in dict.fromkeys((base, ())):
                if dropped and not self._may_drop(sample, common, dropped, start):
                    continue
                hits = sum(self._at(start, p.parts[dropped:]) is not None for p in sample)
                tried.append((hits, start, dropped))
        if not tried:
            return None
        hits, start, dropped = max(tried, key=lambda one: one[0])
        return (start, dropped) if hits else None

    def _may_drop(self, sample: Sequence[_Cell], common: Parts, dropped: int, start: Parts) -> bool:
        """Whether the first parts of the paths may be folders around the source, which are not here.

        A folder that is all that tells two images apart may not: dog/1.png is not 1.png.
        """
        if all(len(p.parts) > dropped + 1 for p in sample):
            return True
        last = common[dropped - 1]
        own = start[-1] if start else self._tree.root.resolve().name
        if last == own or AROUND.fullmatch(last):
            return True
        return all(p.absolute for p in sample) and (dropped == 1 or len(self._folders) == 1)

    def _at(self, start: Parts, parts: Parts) -> str | None:
        """The image at a path; the case of letters and a missing ending are forgiven where one image fits."""
        if not parts:
            return None
        name = "/".join((*start, *parts))
        if name in self._exact:
            return name
        fit = self._folded.get(name.lower(), [])
        return fit[0] if len(fit) == 1 else None

    def _rivals_at(self, start: Parts, sample: Sequence[_Cell], dropped: int, scope: set[Parts]) -> bool:
        """Whether few of the images are at ``start`` and more are where paths only end as the cells do."""
        here = sum(self._at(start, p.parts[dropped:]) is not None for p in sample)
        return here < sum(bool(self._ending(p.parts[dropped:], scope)) for p in sample) / 2

    def _elsewhere(
        self,
        paths: Sequence[_Cell],
        sample: Sequence[_Cell],
        table: str,
        explicit: bool,
        outside: frozenset[int],
    ) -> Found:
        """Images whose paths end as the cells do, where exactly one does."""
        common = _common_folder(sample)
        dropped = len(common) if common and self._may_drop(sample, common, len(common), ()) else 0
        scope = self._implied(table)
        images: list[str | None] = []
        rivals: Counter[str] = Counter()
        for path in paths:
            exact = None if path.leads_out else self._at((), path.parts)
            fit = [exact] if exact else [] if path.leads_out else self._ending(path.parts[dropped:], scope)
            images.append(fit[0] if len(fit) == 1 else None)
            if len(fit) > 1:
                rivals.update({"/".join(folder_of(name)) for name in fit})
        best = tuple(folder for folder, _ in rivals.most_common(8))
        return Found(images, explicit, outside, best)

    def _implied(self, table: str) -> set[Parts]:
        """The folders that a table of that name speaks of: "train.csv" of those in train/."""
        split = (split_folders([table.rpartition("/")[2].split(".")[0]]) or {"": None}).popitem()[1]
        plain = {f for f in self._folders if not any(is_mask_folder(part) for part in f)} or self._folders
        if split is None:
            return plain
        own = {f for f in plain if any((split_folders([part]) or {}).get(part) == split for part in f)}
        return own or plain

    def _ending(self, parts: Parts, scope: set[Parts]) -> list[str]:
        if not parts:
            return []
        tail = "/".join(parts).lower()
        fit = []
        for name in self._tails.get(parts[-1].lower(), []):
            lower = name.lower()
            same = f"/{lower}".endswith(f"/{tail}") or f"/{_stem(lower)}".endswith(f"/{tail}")
            if same and folder_of(name) in scope:
                fit.append(name)
        exact = [name for name in fit if f"/{name}".endswith("/" + "/".join(parts))]
        return exact or fit


def _stem(name: str) -> str:
    head, slash, tail = name.rpartition("/")
    return head + slash + (tail.rpartition(".")[0] or tail)


def _read(cell: str) -> _Cell:
    """The parts of a path: local or a URL, with the slashes of any system."""
    text = cell.strip().replace("\\", "/")
    url = _URL.match(text)
    absolute = bool(url) or text.startswith("/") or bool(_DRIVE.match(text))
    if url:
        text = text[url.end() :].partition("?")[0]
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            if not parts:
                return _Cell((), absolute, leads_out=True)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return _Cell(tuple(parts), absolute)


def _common_folder(sample: Sequence[_Cell]) -> Parts:
    """The folders with which all paths begin."""
    folders = [path.parts[:-1] for path in sample]
    shortest, longest = min(folders, default=()), max(folders, default=())
    same = takewhile(lambda pair: pair[0] == pair[1], zip(shortest, longest, strict=False))
    return tuple(a for a, _ in same)
