"""Patch files: label edits that can be mailed, and found again by the content of the images.

A patch is JSON lines. The first line says what it is for; every other line is one edit::

    {"tidyset_patch": 1, "dataset": "photos", "fingerprint": "...", "task": "single-label", "classes": [...]}
    {"image": "9f0c...", "item": "cat/1.jpg", "kind": "label", "class": null, "old": "Cat", "new": "Dog",
     "who": "ann", "when": "2026-11-23T09:00:00.000000Z", "why": "", "evidence": {}}

``image`` is the hash of the pixels (core.data.content), so a patch fits a data set that was renamed or put
into another order. Several edits of one image are one line: from the label before the first to that after
the last. What an undo took back, and looks that changed nothing, are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from core.bounded import parse_json
from core.data.dataset import UNLABELLED, Dataset, Task
from core.data.problems import ProblemLog
from core.errors import BadInput, NotFound
from core.files import atomic_writer, digest, read_limited
from core.json_text import json_text
from core.labels.journal import (
    ANSWERS,
    NO,
    NOTING,
    SETTING,
    UNKNOWN,
    YES,
    Edit,
    EditFilter,
    EditKind,
    LabelJournal,
    live,
)
from core.labels.versions import current_version
from core.workspace import Workspace

FORMAT = 1
LARGEST = 512 << 20
"""Bytes of a patch, which is read as a whole: some two million edits."""
MEND = "Mend the file, or export it again; nothing of it was used."


@dataclass(frozen=True, slots=True)
class PatchLine:
    """One edit of a patch.

    Attributes:
        image: 32 hexadecimal characters, the hash of the image's pixels and shape.
        item: The item's id in the data set that the patch was made from.
        kind: LABEL, CONFIRM, SETTLE, EXCLUDE or INCLUDE.
        class_name: The class that is set, where an image has several labels.
        old, new: Like those of an Edit.
        when: Unix time of the last edit that went into it.
    """

    image: str
    item: str
    kind: EditKind
    class_name: str | None
    old: str | None
    new: str | None
    who: str
    when: float
    why: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> tuple[str, str, str]:
        """What it decides on: the image, its item, and which of its labels or whether it is left out."""
        is_mark = self.kind in (EditKind.EXCLUDE, EditKind.INCLUDE)
        return self.image, self.item, "excluded" if is_mark else f"label {self.class_name or ''}"

    @property
    def outcome(self) -> tuple[str, str | None]:
        """What it decides: equal for two lines that say the same, whoever said it and why."""
        return ("label", self.new) if self.kind in SETTING else (str(self.kind), None)


@dataclass(frozen=True)
class Patch:
    """Edits for images, at most one for each thing that can be decided (``PatchLine.target``).

    Attributes:
        dataset, fingerprint: Of the data set that it was made from, for people; it is not matched by them.
        task: The task of that data set; a patch fits only data sets of the same.
        classes: Its class names.
    """

    dataset: str
    fingerprint: str
    task: Task
    classes: tuple[str, ...]
    lines: tuple[PatchLine, ...]

    @cached_property
    def id(self) -> str:
        """16 characters that are the same for the same decisions, in whatever order."""
        rows = sorted([*line.target, str(line.kind), line.old or "", line.new or ""] for line in self.lines)
        return digest(rows)[:16]


def export_patch(workspace: Workspace, dataset: Dataset, chosen: EditFilter | None = None) -> Patch:
    """The edits of the journal that are in force and that ``chosen`` lets through, as a patch.

    An undo of an edit that is not let through counts as an edit back. Edits that fit no image or class any
    more, because the data set was replaced, are left out, as in core.labels.versions.
    """
    if not current_version(workspace, dataset.name):
        return Patch(dataset.name, dataset.fingerprint, dataset.task, dataset.classes, ())
    wanted = chosen or EditFilter()
    journal = LabelJournal(workspace)
    edits = journal.edits(dataset.name, chosen=EditFilter(last=wanted.last))
    noted = {row[0]: row[3] for row in journal.changes(dataset.name, len(edits))}
    in_force = live(edits)
    folding = _Folding(dataset, {edit.number: edit for edit in edits}, wanted)
    for edit, position in zip(in_force, dataset.find([e.item_id for e in in_force]).tolist(), strict=True):
        image = noted[edit.number]
        if position >= 0 and dataset.content_hashes[position].tobytes().hex() == image:
            folding.play(edit, image, position)
    return Patch(dataset.name, dataset.fingerprint, dataset.task, dataset.classes, folding.lines())


class _Folding:
    """Plays edits that are in force on the given labels, and keeps what the chosen ones changed."""

    def __init__(self, dataset: Dataset, by_number: dict[int, Edit], wanted: EditFilter) -> None:
        self._dataset = dataset
        self._by_number = by_number
        self._wanted = wanted
        self._values: dict[tuple[str, str, str], str | None] = {}
        self._before: dict[tuple[str, str, str], str | None] = {}
        self._lines: dict[tuple[str, str, str], PatchLine] = {}

    def play(self, edit: Edit, image: str, position: int) -> None:
        root, is_taken_back = self._root(edit)
        if root.kind in NOTING:
            return
        is_chosen = self._wanted.lets_through(edit)
        if edit.undoes is not None and (
            not is_chosen or self._wanted.lets_through(self._by_number[edit.undoes])
        ):
            return  # what it takes back is not played either
        kind = _effect(root.kind, is_taken_back=is_taken_back)
        line = PatchLine(
            image,
            edit.item_id,
            kind,
            edit.class_name,
            None,
            edit.new,
            edit.who,
            round(edit.at, 6),
            edit.why,
            edit.evidence,
        )
        target = line.target
        before = self._values.get(target, self._given(position, line))
        if edit.undoes is not None:
            before = edit.old if kind in SETTING else str(root.kind)
        self._values[target] = after = edit.new if kind in SETTING else str(kind)
        if is_chosen:
            self._before.setdefault(target, before)
            self._lines[target] = replace(line, new=after if kind in SETTING else None)

    def _root(self, edit: Edit) -> tuple[Edit, bool]:
        """The edit at the end of a chain of undos, and whether this one takes it back."""
        is_taken_back = False
        while edit.undoes is not None:
            edit, is_taken_back = self._by_number[edit.undoes], not is_taken_back
        return edit, is_taken_back

    def _given(self, position: int, line: PatchLine) -> str | None:
        if line.kind in (EditKind.EXCLUDE, EditKind.INCLUDE):
            return str(EditKind.INCLUDE)
        return label_text(self._dataset, self._dataset.labels, position, line.class_name)

    def lines(self) -> tuple[PatchLine, ...]:
        """What was changed or confirmed; without marks that came to nothing."""
        found = []
        for target, line in self._lines.items():
            before = self._before[target]
            if line.kind in SETTING:
                if self._fits(line):
                    found.append(replace(line, old=before))
            elif before != str(line.kind):
                found.append(line)
        return tuple(found)

    def _fits(self, line: PatchLine) -> bool:
        if self._dataset.task is Task.MULTI_LABEL:
            return line.class_name in (None, *self._dataset.classes)
        return line.new in self._dataset.classes


def _effect(kind: EditKind, *, is_taken_back: bool) -> EditKind:
    """What an edit, or taking it back, does."""
    if not is_taken_back:
        return kind
    opposite = {EditKind.EXCLUDE: EditKind.INCLUDE, EditKind.INCLUDE: EditKind.EXCLUDE}
    return opposite.get(kind, EditKind.LABEL)


def label_text(dataset: Dataset, labels: NDArray[Any], position: int, class_name: str | None) -> str | None:
    """The label of an item as the journal writes it: a class name, or yes, no, unknown of ``class_name``.

    None for unlabelled, and for no ``class_name`` where an image has several labels.
    """
    if dataset.task is Task.SINGLE_LABEL:
        index = int(labels[position])
        return None if index == UNLABELLED else dataset.classes[index]
    if class_name not in dataset.classes:
        return None
    value = float(labels[position, dataset.classes.index(class_name)])
    return UNKNOWN if value != value else YES if value else NO


def write_patch(patch: Patch, path: Path) -> None:
    """Write ``patch`` atomically. Raises StorageFailed."""
    with atomic_writer(path) as file:
        for row in patch_rows(patch):
            file.write(json_text(row).encode(errors="backslashreplace") + b"\n")


def patch_rows(patch: Patch) -> Iterator[dict[str, Any]]:
    """The lines of a patch file as JSON objects, its header first."""
    yield _header(patch)
    yield from map(_row, patch.lines)


def _header(patch: Patch) -> dict[str, Any]:
    return {
        "tidyset_patch": FORMAT,
        "dataset": patch.dataset,
        "fingerprint": patch.fingerprint,
        "task": str(patch.task),
        "classes": list(patch.classes),
    }


def _row(line: PatchLine) -> dict[str, Any]:
    when = datetime.fromtimestamp(line.when, UTC).isoformat(timespec="microseconds")
    return {
        "image": line.image,
        "item": line.item,
        "kind": str(line.kind),
        "class": line.class_name,
        "old": line.old,
        "new": line.new,
        "who": line.who,
        "when": when.replace("+00:00", "Z"),
        "why": line.why,
        "evidence": line.evidence,
    }


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tidyset_patch: int
    dataset: str
    fingerprint: str
    task: Task
    classes: tuple[str, ...]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    image: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    item: str
    kind: Literal["label", "confirm", "settle", "exclude", "include"]
    class_name: Annotated[str | None, Field(alias="class")] = None
    old: str | None = None
    new: str | None = None
    who: str
    when: AwareDatetime
    why: str = ""
    evidence: dict[str, Any] = Field(default_factory=dict)


def read_patch(path: Path) -> Patch:
    """Read and check a patch file.

    Raises:
        NotFound: There is no such file.
        ImportRejected: Lines cannot be used; it carries every one, with its number, and what to do.
        BadInput: The file is no patch, or one of a newer version.
    """
    try:
        raw = read_limited(path, LARGEST).split(b"\n")
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.", "Check the name.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}).", "Give a patch file.") from None
    log = ProblemLog()
    header = _read_header(path, raw[0])
    lines: dict[tuple[str, str, str], tuple[int, PatchLine]] = {}
    for number, text in enumerate(raw[1:], start=2):
        if not text.strip():
            continue
        line = _read_line(path.name, number, text, header, log)
        if line is None:
            continue
        earlier = lines.setdefault(line.target, (number, line))
        if earlier[0] != number:
            said = f"It decides on the same as line {earlier[0]}."
            log.add(path.name, number, said, "Keep one of the two.")
    if log.n_found:
        raise log.rejected(MEND)
    kept = tuple(line for _, line in lines.values())
    return Patch(header.dataset, header.fingerprint, header.task, header.classes, kept)


def _read_header(path: Path, text: bytes) -> _Header:
    try:
        found = parse_json(text)
        version = found["tidyset_patch"]
    except (ValueError, KeyError, TypeError):
        raise BadInput(
            f'{path} is no patch: its first line is no {{"tidyset_patch": {FORMAT}, ...}}.',
            "Write one with `tidyset labels export --output edits.jsonl`.",
        ) from None
    if version != FORMAT:
        said = f"{path} is a patch of format {version!r}; this version reads {FORMAT}."
        raise BadInput(said, "Update Tidyset, or export it again.")
    try:
        return _Header.model_validate(found)
    except ValidationError as error:
        raise BadInput(f"{path}, line 1: {_first(error)}.", MEND) from None


def _read_line(name: str, number: int, text: bytes, header: _Header, log: ProblemLog) -> PatchLine | None:
    try:
        found = _Line.model_validate(parse_json(text, parse_constant=_no_number))
    except ValidationError as error:
        log.add(name, number, f"{_first(error)}.", "Correct the line, or delete it.")
        return None
    except ValueError as error:
        cut = "" if text.rstrip().endswith(b"}") else "; the line seems cut short"
        log.add(name, number, f"It is no JSON ({error}){cut}.", "Fetch the file again, or delete the line.")
        return None
    line = PatchLine(
        **{**dict(found), "kind": EditKind(found.kind), "when": round(found.when.timestamp(), 6)}
    )
    if fault := _fault(line, header):
        log.add(name, number, *fault)
        return None
    return line


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    value = "" if first["type"] == "missing" else f" (found {str(first['input'])[:60]!r})"
    return f"{where}: {first['msg']}{value}"


def _fault(line: PatchLine, header: _Header) -> tuple[str, str] | None:
    """What is wrong with a line that can be read, and the mend."""
    if line.kind in (EditKind.EXCLUDE, EditKind.INCLUDE):
        return None
    if header.task is Task.MULTI_LABEL:
        if line.kind is EditKind.CONFIRM:
            return None
        if line.class_name not in header.classes:
            return f"{line.class_name!r} is no class of line 1.", "Name the class that is set."
        wrong = [value for value in (line.old, line.new) if value not in ANSWERS]
        return (f"{wrong[0]!r} is no answer.", f"Write {', '.join(ANSWERS)}.") if wrong else None
    if line.class_name is not None:
        return f"It names the class {line.class_name!r}, but images have one label.", "Set class to null."
    if line.new not in header.classes:
        return f"The new label {line.new!r} is no class of line 1.", "Correct it, or delete the line."
    if line.old is not None and line.old not in header.classes:
        return f"The old label {line.old!r} is no class of line 1.", "Correct it, or write null."
    return None


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """Two lines that decide differently on the same."""

    a: PatchLine
    b: PatchLine


@dataclass(frozen=True, slots=True)
class Merged:
    """Two patches made one.

    Attributes:
        patch: The union; of a conflict the preferred side, or neither where none is preferred.
        conflicts: All conflicts, settled or not.
    """

    patch: Patch
    conflicts: tuple[MergeConflict, ...]


def merge_patches(a: Patch, b: Patch, prefer: Literal["a", "b", "newest"] | None = None) -> Merged:
    """The union of two patches.

    Lines that decide the same are kept once (the newer). Where one goes on from where the other ended, and
    was made later, they become one. All other pairs on the same are conflicts.

    Raises:
        BadInput: They are for different tasks.
    """
    if a.task is not b.task:
        raise BadInput(f"One patch is for {a.task} data, the other for {b.task}.", "Merge two of one kind.")
    ours = {line.target: line for line in a.lines}
    conflicts = []
    for theirs in b.lines:
        mine = ours.get(theirs.target)
        both = _joined(mine, theirs) if mine else theirs
        if both is None:
            assert mine is not None
            conflicts.append(MergeConflict(mine, theirs))
            both = _preferred(mine, theirs, prefer)
        if both is None:
            del ours[theirs.target]
        else:
            ours[theirs.target] = both
    classes = (*a.classes, *(name for name in b.classes if name not in a.classes))
    patch = Patch(a.dataset, a.fingerprint, a.task, classes, tuple(ours.values()))
    return Merged(patch, tuple(conflicts))


def _joined(a: PatchLine, b: PatchLine) -> PatchLine | None:
    """One line for two on the same, or None where they contradict each other."""
    first, second = (a, b) if a.when <= b.when else (b, a)
    if a.outcome == b.outcome and (a.old == b.old or second.old == first.new):
        return replace(second, old=first.old)
    follows = first.kind in SETTING and second.kind in SETTING and second.old == first.new
    return replace(second, old=first.old) if follows and second.new != first.old else None


def _preferred(a: PatchLine, b: PatchLine, prefer: str | None) -> PatchLine | None:
    if prefer == "newest":
        return b if b.when > a.when else a
    return {"a": a, "b": b}.get(prefer or "")


def row_of(line: PatchLine) -> dict[str, Any]:
    """A line as it stands in a file, for reports."""
    return _row(line)


def text_of(line: PatchLine) -> str:
    """A line for people: the change and the person."""
    named = f"{line.class_name}: " if line.class_name else ""
    if line.kind in (EditKind.EXCLUDE, EditKind.INCLUDE):
        change = "left out" if line.kind is EditKind.EXCLUDE else "taken in"
    elif line.old == line.new:
        change = f"{line.new or 'all labels'} confirmed"
    else:
        change = f"{line.old or 'unlabelled'} -> {line.new or 'unlabelled'}"
    return f"{line.item}  {named}{change}  by {line.who}"
