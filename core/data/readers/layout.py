"""Which folders are splits, which are classes, and which only lie around them: read from the whole tree."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.data.readers.base import Choice, Hints, Question, split_folders, tidy_name
from core.data.readers.tree import is_mask_folder
from core.errors import BadInput

Folder = tuple[str, ...]
_PICTURES = r"(images?|imgs?|pics?|pictures?|photos?|jpe?gs?|pngs?|files|frames|data)"
AROUND = re.compile(
    rf"((jpe?g|png|raw|all|my)?[-_ ]?{_PICTURES}([-_ ]?(part|batch|set|chunk))?"
    r"|.*images?[-_ ]part|part|batch|chunk)[-_ ]?\d*",
    re.IGNORECASE,
)
"""Folders that only lie around images: "images", "my photos", "part 2"."""
_FOLD = re.compile(r"(cv|kfold|k|fold|part_?fold)[-_ ]?\d+", re.IGNORECASE)
MOST_STRAYS, STRAY_SHARE = 3, 0.01
"""So many images at most, or such a share, beside folders of images are strays."""


@dataclass(slots=True)
class Layout:
    """What the folders of images mean.

    Attributes:
        labels: The class of each folder's images; None where they have none.
        splits: The split of each folder's images.
        parents: Of classes in classes.
        loose: Folders whose images lie beside class folders, in none of them.
        left_out: Folders that are not used, each with the reason.
        roles: What the levels of folders are, for the plan.
    """

    labels: dict[Folder, str | None] = field(default_factory=dict)
    splits: dict[Folder, str | None] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    loose: list[Folder] = field(default_factory=list)
    left_out: dict[Folder, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        """The class names."""
        return {name for name in self.labels.values() if name is not None}


@dataclass(frozen=True, slots=True)
class _Front:
    """A folder reached so far, and the split that its path says."""

    path: Folder
    split: str | None = None


def understand(counts: Mapping[Folder, int], hints: Hints, *, labels: bool = True) -> Layout:
    """Return what the folders mean.

    Args:
        counts: The number of images in each folder that has some.
        labels: Whether a folder may be a class; else only splits are looked for.
    """
    layout = Layout()
    wanted = dict(counts)
    for folder in _masks(wanted):
        layout.left_out[folder] = "it is called like a folder of masks"
        del wanted[folder]
    fronts = [_Front(())]
    while names := _children(fronts, wanted):
        if _mostly_loose(layout, fronts, wanted, hints):
            break
        splits: Mapping[str, str | None] | None = _told_splits(names, hints)
        if splits is None and hints.splits_from != "none":
            splits = _split_level(names, fronts, wanted, layout)
        if splits is None and not _is_wrapper(layout, fronts, names, wanted):
            if labels:
                _classes(layout, fronts, wanted, hints)
                return layout
            break
        _note_loose(layout, fronts, wanted)
        fronts = _descend(layout, fronts, names, splits or dict.fromkeys(names), wanted)
    _all_below(layout, fronts, wanted)
    return layout


def _is_wrapper(
    layout: Layout, fronts: Sequence[_Front], names: Sequence[str], counts: Mapping[Folder, int]
) -> bool:
    """Whether the folders of a level only lie around others: one folder, "images", "part 2", folds."""
    if len(names) > 1 and all(_FOLD.fullmatch(name) for name in names):
        _note_folds(layout, names)
        return True
    doubled = all(_children([f], counts) in ([], list(f.path[-1:])) for f in fronts)  # seg_train/seg_train
    return (
        doubled
        or all(AROUND.fullmatch(name) for name in names)
        or (len(names) == 1 and not _is_leaf(fronts, names[0], counts))
    )


def _masks(counts: Mapping[Folder, int]) -> list[Folder]:
    """Folders of masks that lie beside a folder of images: never taken for images."""
    parents: dict[Folder, set[str]] = defaultdict(set)
    for folder in counts:
        for depth, name in enumerate(folder):
            parents[folder[:depth]].add(name)
    wrong = {
        (*parent, name)
        for parent, names in parents.items()
        for name in names
        if is_mask_folder(name) and any(AROUND.fullmatch(other) for other in names)
    }
    return [f for f in counts if any(f[: depth + 1] in wrong for depth in range(len(f)))]


def _children(fronts: Sequence[_Front], counts: Mapping[Folder, int]) -> list[str]:
    """The names of folders below the fronts that have images somewhere."""
    paths = {front.path for front in fronts}
    depths = {len(path) for path in paths}
    return sorted({f[depth] for f in counts for depth in depths if len(f) > depth and f[:depth] in paths})


def _has(front: _Front, name: str, counts: Mapping[Folder, int]) -> bool:
    wanted = (*front.path, name)
    return any(folder[: len(wanted)] == wanted for folder in counts)


def _is_leaf(fronts: Sequence[_Front], name: str, counts: Mapping[Folder, int]) -> bool:
    """Whether nothing but images lies in the folders of that name."""
    paths = {(*front.path, name) for front in fronts}
    return not _children([_Front(path) for path in paths], counts)


def _mostly_loose(
    layout: Layout, fronts: Sequence[_Front], counts: Mapping[Folder, int], hints: Hints
) -> bool:
    """Whether most images lie beside the folders: then those are no classes."""
    loose = sum(counts.get(f.path, 0) for f in fronts if _children([f], counts))
    if hints.label or loose <= max(MOST_STRAYS, sum(counts.values()) // 2):
        return False
    layout.warnings.append(
        f"Most images lie in no folder, so the folders {_listed(_children(fronts, counts))} are not read as "
        "classes; --label folders does."
    )
    return True


def _told_splits(names: Sequence[str], hints: Hints) -> dict[str, str | None] | None:
    """The splits that a person named for these folders."""
    pairs = named_splits(hints.splits_from)
    if not any(name in pairs for name in names):
        return None
    return {name: pairs.get(name, "train") for name in names}


def named_splits(text: str) -> dict[str, str]:
    """What ``--splits-from`` says of values: "split:0=train,1=test" is {"0": "train", "1": "test"}."""
    pairs = {}
    for part in text.rpartition(":")[2].split(",") if "=" in text else []:
        value, mark, split = (piece.strip() for piece in part.rpartition("="))
        split = {"valid": "val", "validation": "val"}.get(split, split)
        if not mark or split not in ("train", "val", "test"):
            raise BadInput(
                f"--splits-from {text!r} names no split in {part!r}.", "Write it as 0=train,1=val,2=test."
            )
        pairs[value] = split
    return pairs


def _split_level(
    names: Sequence[str], fronts: Sequence[_Front], counts: Mapping[Folder, int], layout: Layout
) -> dict[str, str | None] | None:
    """The splits of these folders where their names and what lies below say so."""
    if any(front.split for front in fronts):
        return None
    splits = split_folders(names)
    if splits is not None:
        return splits
    likely = {name: split for name in names if (split := (split_folders([name]) or {}).get(name))}
    below = {name: set(_children([_Front((*f.path, name)) for f in fronts], counts)) for name in likely}
    shared = set.intersection(*below.values()) if len(likely) > 1 else set()
    if not shared:
        return None
    others = [name for name in names if name not in likely]
    layout.questions.append(
        Question(
            f"The folders {_listed(likely)} look like splits, but {_listed(others)} beside them does not.",
            (
                Choice(
                    f"Splits; {_listed(others)} is left out",
                    {"splits_from": "folders"},
                    "--splits-from folders",
                ),
                Choice("All of them are classes", {"splits_from": "none"}, "--splits-from none"),
            ),
        )
    )
    return {**likely, **dict.fromkeys(others, "")}


def _descend(
    layout: Layout,
    fronts: Sequence[_Front],
    names: Sequence[str],
    splits: Mapping[str, str | None],
    counts: dict[Folder, int],
) -> list[_Front]:
    """The fronts one level below; a front in which no folder lies stays."""
    below = []
    for front in fronts:
        own = [name for name in names if _has(front, name, counts)]
        if not own:
            below.append(front)
        for name in own:
            path = (*front.path, name)
            if splits[name] != "":
                below.append(_Front(path, splits[name] or front.split))
                continue
            for folder in [f for f in counts if f[: len(path)] == path]:
                layout.left_out[folder] = "it lies beside the split folders"
                del counts[folder]
    layout.roles.update({f"folder {name}": f"split {split}" for name, split in splits.items() if split})
    return below


def _note_loose(layout: Layout, fronts: Sequence[_Front], counts: dict[Folder, int]) -> None:
    """Note the images of folders in which the folders of images lie."""
    for front in fronts:
        if front.path in counts and _children([front], counts):
            del counts[front.path]
            layout.loose.append(front.path)


def _note_folds(layout: Layout, names: Sequence[str]) -> None:
    layout.roles["folders"] = f"folds {_listed(names)}: not used"
    layout.warnings.append(
        f"The folders {_listed(names)} are folds and were not made splits; "
        f"--splits-from {names[-1]}=test would make the last one the test split."
    )


def _all_below(layout: Layout, fronts: Sequence[_Front], counts: Mapping[Folder, int]) -> None:
    """All images as unlabeled ones."""
    for front in fronts:
        for folder in counts:
            if folder[: len(front.path)] == front.path:
                layout.labels[folder] = None
                layout.splits[folder] = front.split


def _classes(layout: Layout, fronts: Sequence[_Front], counts: dict[Folder, int], hints: Hints) -> None:
    """Folders are classes from here on; those below them perhaps too."""
    below: dict[Folder, tuple[_Front, Folder]] = {}
    for front in fronts:
        depth = len(front.path)
        for folder in counts:
            if folder[:depth] == front.path:
                below[folder] = front, folder[depth:]
    inner = [rest[1:] for _, rest in below.values() if len(rest) > 1]
    late = split_folders({rest[0] for rest in inner}) if inner else None
    if late is not None and all(len(rest) > 1 for _, rest in below.values() if rest):
        for folder, (front, rest) in below.items():
            below[folder] = _Front(front.path, late[rest[1]]), (rest[0], *rest[2:])
        layout.roles.update({f"folder {name}": f"split {split}" for name, split in late.items() if split})
    levels = _levels(layout, [rest for _, rest in below.values()], hints)
    for folder, (front, rest) in below.items():
        layout.splits[folder] = front.split
        if not rest:
            if _children([_Front(folder)], counts):
                layout.loose.append(folder)
            else:
                layout.labels[folder] = None
            continue
        parts = [tidy_name(part) for part in rest]
        layout.labels[folder] = name = _class_name(parts, levels)
        for depth in range(name.count("/")):
            pieces = name.split("/")
            layout.parents["/".join(pieces[: depth + 2])] = "/".join(pieces[: depth + 1])
    layout.parents = {name: parent for name, parent in layout.parents.items() if name in layout.classes}
    layout.roles["folders"] = "label"


def _class_name(parts: Sequence[str], levels: str) -> str:
    inner = [part for part in parts[1:] if not AROUND.fullmatch(part)]
    if levels == "top-folder":
        return parts[0]
    return [parts[0], *inner][-1] if levels == "last-folder" else "/".join([parts[0], *inner])


def _levels(layout: Layout, paths: Sequence[Folder], hints: Hints) -> str:
    """Whether the first folder, the last one or the whole path is the class."""
    if hints.label and hints.label[0] in ("folders", "top-folder", "last-folder"):
        return hints.label[0]
    inner: dict[str, set[str]] = defaultdict(set)
    direct = set()
    for path in paths:
        names = [part for part in path[1:] if not AROUND.fullmatch(part)]
        if names:
            inner[path[0]].add(names[0])
        elif path:
            direct.add(path[0])
    if not inner:
        return "top-folder"
    times = Counter(name for names in inner.values() for name in names)
    shared = any(n > 1 for n in times.values()) or all(re.fullmatch(r"[\d_. -]+", name) for name in times)
    if not shared and not direct & inner.keys():
        return "folders"
    parent, child = next((p, sorted(names)[0]) for p, names in inner.items())
    layout.questions.append(
        Question(
            f"Class folders hold folders, such as {parent}/{child}. What is the class of its images?",
            (
                Choice(
                    f"{parent}/{child}, with the parent {parent}", {"label": ("folders",)}, "--label folders"
                ),
                Choice(f"{parent}", {"label": ("top-folder",)}, "--label top-folder"),
                Choice(f"{child}", {"label": ("last-folder",)}, "--label last-folder"),
            ),
        )
    )
    return "folders"


def _listed(names: object) -> str:
    found = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
