"""Labels that people gave elsewhere: in Label Studio, COCO JSON, CVAT XML, or a table of pandas or a sheet.

Each is read as answers: which image, which classes, who, when. They are matched to a data set's items by
content hash or item id where the file has them (our own Label Studio export does), else by file name.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4
from xml.etree import ElementTree

import numpy as np

from core.data.content import positions_of_content
from core.data.dataset import Dataset, Task
from core.data.problems import ProblemLog
from core.errors import BadInput, NotFound
from core.files import read_limited
from core.labels.apply import until_undisturbed
from core.labels.journal import ANSWERS, NO, YES, Edit, EditKind, LabelJournal, NewEdit
from core.labels.label_table import ITEM, TableRow, is_table, read_rows, wrong_answer
from core.labels.patch import label_text
from core.labels.versions import LabelState, labels_at
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
LARGEST = 512 << 20
"""Bytes of a file, which is parsed as a whole."""
_XML_DECLARATIONS = (b"<!doctype", b"<!entity")


class Source(StrEnum):
    """The tool that wrote the file."""

    LABEL_STUDIO = "label-studio"
    COCO = "coco"
    CVAT = "cvat"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said of one image.

    Attributes:
        row: Its 1-based number in the file, for messages.
        names: What may name the image: file name, path or address, item id.
        image: Its content hash, where the file has it.
        classes: The classes it was given.
        who: The person, "" where the file does not say.
        when: As the file says it, or "".
        answers: (class, yes, no or unknown), where the file says no more of an image than these.
        is_excluded, is_confirmed: What a table of ours says besides.
    """

    row: int
    names: tuple[str, ...]
    image: str | None
    classes: tuple[str, ...]
    who: str
    when: str
    answers: tuple[tuple[str, str], ...] = ()
    is_excluded: bool = False
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the answers of a file.

    Attributes:
        source: The tool.
        n_answers: How many there were.
        n_same: How many say what is decided already.
        new: The edits that were to be made.
        edits: Those that were committed; empty after a dry run.
        unmatched: Names of images that the data set has not got, or has several of.
    """

    source: Source
    n_answers: int
    n_same: int
    new: tuple[NewEdit, ...]
    edits: tuple[Edit, ...]
    unmatched: tuple[str, ...]


def import_labels(
    workspace: Workspace,
    dataset: Dataset,
    file: Path | bytes,
    *,
    who: str,
    dry_run: bool = False,
    name: str = "",
) -> Imported:
    """Append what a file of another tool says, in one transaction. What is decided so already is not doubled.

    Where an image has several labels, the classes that it was given become yes, the others no.

    Args:
        file: The file, or what is in it.
        who: Who imports; named for the answers of which the file names nobody.
        name: What the person calls the file; not needed where ``file`` is a path.

    Raises:
        NotFound: There is no such file.
        BadInput: It is of none of these tools.
        ImportRejected: Answers cannot be used (an unknown class, several classes); all of them are listed.
    """
    if not dry_run:
        allow(workspace, Right.BULK)
    name = name or (file.name if isinstance(file, Path) else "the file")
    source, answers = read_answers(file, name)
    items, unmatched = _matched(dataset, answers)
    _check(dataset, name, items)
    session = f"import-{uuid4().hex}"

    def attempt() -> Imported:
        state = labels_at(workspace, dataset)
        new: list[NewEdit] = []
        n_same = 0
        for position, answer in items:
            edits = _edits(dataset, state, position, answer)
            n_same += not edits
            for kind, class_name, value in edits:
                evidence = {"source": str(source), "file": name, "decided": answer.when}
                new.append(
                    NewEdit(
                        str(dataset.item_ids[position]),
                        kind,
                        value,
                        class_name=class_name,
                        who=answer.who or who,
                        evidence={key: text for key, text in evidence.items() if text},
                        session=session,
                        seq=len(new) + 1,
                    )
                )
        made: list[Edit] = []
        if new and not dry_run:
            made = LabelJournal(workspace).append(dataset, new, only_at=state.version)
        return Imported(source, len(answers), n_same, tuple(new), tuple(made), tuple(unmatched))

    return until_undisturbed(attempt)


def _edits(
    dataset: Dataset, state: LabelState, position: int, answer: Answer
) -> list[tuple[EditKind, str | None, str | None]]:
    """(kind, class, value) of the edits that an answer makes."""
    if answer.is_excluded:
        return [] if state.excluded[position] else [(EditKind.EXCLUDE, None, None)]
    if answer.answers:
        changed: list[tuple[EditKind, str | None, str | None]] = [
            (EditKind.LABEL, name, said)
            for name, said in answer.answers
            if label_text(dataset, state.labels, position, name) != said
        ]
        confirms = answer.is_confirmed and not state.confirmed[position]
        return [*changed, (EditKind.CONFIRM, None, None)] if confirms else changed
    if dataset.task is Task.MULTI_LABEL:
        wanted = {name: YES if name in answer.classes else NO for name in dataset.classes}
        found: list[tuple[EditKind, str | None, str | None]] = [
            (EditKind.LABEL, name, value)
            for name, value in wanted.items()
            if label_text(dataset, state.labels, position, name) != value
        ]
        return found if state.confirmed[position] and not found else [*found, (EditKind.CONFIRM, None, None)]
    (name,) = answer.classes
    is_decided = bool(state.edited[position] or state.confirmed[position])
    if is_decided and label_text(dataset, state.labels, position, None) == name:
        return []
    is_given = label_text(dataset, dataset.labels, position, None) == name
    return [(EditKind.CONFIRM if is_given else EditKind.LABEL, None, name)]


def _matched(dataset: Dataset, answers: list[Answer]) -> tuple[list[tuple[int, Answer]], list[str]]:
    """(position, answer) pairs, and a name of each image that cannot be told."""
    ids = dataset.item_ids.tolist()
    by_id = {item_id: position for position, item_id in enumerate(ids)}
    by_tail: dict[str, list[int]] = {}
    for item_id, position in by_id.items():
        for tail in {_tail(item_id), _tail(item_id).rpartition(".")[0] or _tail(item_id)}:
            by_tail.setdefault(tail, []).append(position)
    hashes = [answer.image or "" for answer in answers]
    same_content = (
        positions_of_content(dataset, hashes) if any(hashes) else [np.empty(0, np.int64)] * len(hashes)
    )
    found, unmatched = [], []
    for answer, holders in zip(answers, same_content, strict=True):
        named = [by_id[name] for name in answer.names if name in by_id]
        tails = [
            by_tail.get(_tail(name), by_tail.get(_tail(name).rpartition(".")[0], [])) for name in answer.names
        ]
        candidates = [
            [position for position in named if not answer.image or position in holders],
            holders.tolist(),
            *tails,
        ]
        exact = next((one for one in candidates if len(one) == 1), None)
        if exact:
            found.append((exact[0], answer))
        else:
            unmatched.append(next((name for name in answer.names if name), f"row {answer.row}"))
    return found, unmatched


def _tail(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _check(dataset: Dataset, file: str, items: list[tuple[int, Answer]]) -> None:
    log = ProblemLog()
    times = Counter(position for position, _ in items)
    for position, answer in items:
        named = [*answer.classes, *(name for name, _ in answer.answers)]
        unknown = [name for name in named if name not in dataset.classes]
        if answer.is_excluded and not unknown:
            pass
        elif unknown:
            said = f"{unknown[0]!r} is no class of {dataset.name!r}."
            log.add(file, answer.row, said, f"Choose one of {', '.join(dataset.classes[:40])}.")
        elif dataset.task is Task.SINGLE_LABEL and len(answer.classes) != 1:
            said = f"It gives {len(answer.classes)} classes; one was expected."
            log.add(file, answer.row, said, "Give each image one class.")
        elif wrong := wrong_answer(answer.answers):
            log.add(file, answer.row, f"{wrong!r} is no answer.", f"Write {', '.join(ANSWERS)}, 1 or 0.")
        elif times[position] > 1:
            said = f"Item {dataset.item_ids[position]} has {times[position]} answers."
            log.add(file, answer.row, said, "Keep one, or import each person's answers as a patch.")
    if log.n_found:
        raise log.rejected("Mend the file; nothing of it was used.")


# ---------------------------------------------------------------- reading


def read_answers(file: Path | bytes, name: str = "") -> tuple[Source, list[Answer]]:
    """The answers of a file (or of what is in it), whose tool is told from its content.

    Args:
        name: What to call it in messages; its path when not given.

    Raises:
        NotFound: There is no such file.
        BadInput: It is of none of these tools, or cannot be read.
    """
    name = name or str(file)
    try:
        content = file if isinstance(file, bytes) else read_limited(file, LARGEST)
    except FileNotFoundError:
        raise NotFound(f"There is no file {name}.", "Check the name.") from None
    except OSError as error:
        raise BadInput(f"{name} cannot be read ({error.strerror}).", "Give a file.") from None
    if content.lstrip()[:1] == b"<":
        return Source.CVAT, list(_cvat(name, content))
    if content.lstrip()[:1] not in (b"{", b"[") and is_table(content):
        return Source.TABLE, [_of_row(row) for row in read_rows(name, content)]
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"{name} is neither JSON nor XML ({error}), and no table with a column {ITEM[0]}.",
            "Export it again, or name the columns of a table item_id and label.",
        ) from None
    try:
        if isinstance(found, dict) and "annotations" in found and "categories" in found:
            return Source.COCO, list(_coco(found))
        if isinstance(found, list) and all("data" in task for task in found):
            return Source.LABEL_STUDIO, list(_label_studio(found))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(
            f"{name} is not as Label Studio or COCO write it ({type(error).__name__}: {error}).",
            "Export it again.",
        ) from None
    raise BadInput(
        f"{name} is neither Label Studio JSON (a list of tasks) nor COCO JSON (images, categories, ...).",
        "Export it from the tool in one of these forms, as CVAT for images 1.1 XML, or as a table.",
    )


def _of_row(row: TableRow) -> Answer:
    return Answer(
        row.row,
        (row.item,) if row.item else (),
        row.image,
        row.classes,
        row.who,
        row.when,
        row.answers,
        is_excluded=row.state == "excluded",
        is_confirmed=row.state == "confirmed",
    )


def _label_studio(tasks: list[dict[str, Any]]) -> Iterator[Answer]:
    """The newest annotation of each task that was not skipped; predictions are no answers."""
    for row, task in enumerate(tasks, start=1):
        done = [one for one in task.get("annotations", []) if not one.get("was_cancelled")]
        if not done:
            continue
        newest = max(done, key=lambda one: str(one.get("updated_at") or one.get("created_at") or ""))
        choices = [
            str(name)
            for result in newest["result"]
            if result.get("type") == "choices"
            for name in result["value"]["choices"]
        ]
        data = task["data"]
        addresses = [
            value for value in data.values() if isinstance(value, str) and not value.startswith("data:")
        ]
        files = [*(_file_of(value) for value in addresses), str(task.get("file_upload") or "")]
        names = [data.get("item_id"), *files, *(_UPLOAD.sub("", _tail(file)) for file in files)]
        yield Answer(
            row,
            tuple(str(name) for name in names if name),
            data.get("content_hash"),
            tuple(dict.fromkeys(choices)),
            _person(newest.get("completed_by")),
            str(newest.get("updated_at") or newest.get("created_at") or ""),
        )


def _file_of(address: str) -> str:
    """The path that an address names: /data/local-files/?d=a/b.png, s3://bucket/a/b.png, a/b.png."""
    parts = urlsplit(address)
    named = parse_qs(parts.query).get("d")
    return named[0] if named else unquote(parts.path)


def _person(found: Any) -> str:
    """Label Studio names people by number, or with their address."""
    if isinstance(found, dict):
        return str(found.get("email") or found.get("id") or "")
    return f"label-studio-{found}" if found is not None else ""


def _coco(found: dict[str, Any]) -> Iterator[Answer]:
    """Each image's categories; boxes and outlines are not looked at."""
    categories = {one["id"]: str(one["name"]) for one in found["categories"]}
    given: dict[Any, list[str]] = {}
    for annotation in found["annotations"]:
        given.setdefault(annotation["image_id"], []).append(categories[annotation["category_id"]])
    for row, image in enumerate(found["images"], start=1):
        if image["id"] in given:
            classes = tuple(dict.fromkeys(given[image["id"]]))
            yield Answer(row, (str(image["file_name"]),), None, classes, "", "")


def _cvat(name: str, content: bytes) -> Iterator[Answer]:
    """The tags of CVAT for images 1.1."""
    if any(word in content.lower() for word in _XML_DECLARATIONS):
        raise BadInput(f"{name} declares entities, which CVAT never does.", "Export it again from CVAT.")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise BadInput(f"{name} is no XML ({error}).", "Export it again.") from None
    if root.tag != "annotations":
        raise BadInput(
            f"{name} begins with <{root.tag}>; CVAT for images begins with <annotations>.",
            "Export it from CVAT as 'CVAT for images 1.1'.",
        )
    when = root.findtext("meta/dumped") or ""
    for row, image in enumerate(root.iter("image"), start=1):
        tags = tuple(dict.fromkeys(tag.get("label", "") for tag in image.iter("tag")))
        if tags:
            yield Answer(row, (image.get("name", ""),), None, tags, "", when)
