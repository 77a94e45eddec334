"""What people said of images in another tool: Label Studio JSON, COCO JSON, CVAT XML, or a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from core.bounded import parse_json
from core.data.readers.base import IMAGE_SUFFIXES
from core.errors import BadInput, NotFound
from core.files import read_limited
from core.labels.label_table import ITEM, TableRow, is_table, read_rows

_UPLOAD = re.compile(r"^(?:.*/)?upload/(?:\d+/)?[0-9a-f]{8}-([^/]+)$")
"""How Label Studio names an uploaded file: neither folder nor mark before the name are the person's."""
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
        was: The label that was there when somebody said so: the name of its class, or one word for each of
            ``answers``; None where the file does not say.
        confirms: Whether somebody has looked at the image: a row of a table alone does not say so.
    """

    row: int
    names: tuple[str, ...]
    image: str | None
    classes: tuple[str, ...]
    who: str
    when: str
    answers: tuple[tuple[str, str], ...] = ()
    was: tuple[str, ...] | None = None
    confirms: bool = True


def read_answers(
    file: Path | bytes, name: str = "", classes: Sequence[str] = ()
) -> tuple[Source, list[Answer]]:
    """The answers of a file (or of what is in it), whose tool is told from its content.

    Args:
        name: What to call it in messages; its path when not given.
        classes: Of the data set: a cell that is one of them is not taken for a list.

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
        return Source.TABLE, [_of_row(row) for row in read_rows(name, content, classes)]
    try:
        found = parse_json(content)
    except ValueError as error:
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
        row.names,
        row.image,
        row.classes,
        row.who,
        row.when,
        row.answers,
        row.was,
        confirms=False,
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
        files = [_file_of(value) for key, value in data.items() if _is_address(key, value)]
        upload = _UPLOAD.match(f"upload/{task.get('file_upload')}")
        names = [data.get("item_id"), *files, upload[1] if upload else None]
        yield Answer(
            row,
            tuple(dict.fromkeys(str(name) for name in names if name)),
            data.get("content_hash"),
            tuple(dict.fromkeys(choices)),
            _person(newest.get("completed_by")),
            str(newest.get("updated_at") or newest.get("created_at") or ""),
        )


def _is_address(key: str, value: Any) -> bool:
    """Whether a field of a task names a file: texts beside the image do not."""
    if not isinstance(value, str) or value.startswith("data:") or key == "item_id":
        return False
    path = _file_of(value)
    return key.lower() in ITEM or PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def _file_of(address: str) -> str:
    """The path that an address names: /data/local-files/?d=a/b.png, s3://bucket/a/b.png, a/b.png."""
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets where a host would be
        return address
    if not parts.scheme and not parts.query:
        return _uploaded(address)  # a path, in which # and % are letters as any others
    named = parse_qs(parts.query).get("d")
    return named[0] if named else _uploaded(unquote(parts.path))


def _uploaded(path: str) -> str:
    """The name that an uploaded file had before; any other path as it is."""
    found = _UPLOAD.match(path)
    return found[1] if found else path


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
    if b"\0" in content:  # in another encoding the declarations below could not be seen
        raise BadInput(f"{name} is not UTF-8.", "Export it again from CVAT.")
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
    for row, image in enumerate(root.findall("image"), start=1):
        tags = tuple(dict.fromkeys(tag.get("label", "") for tag in image.findall("tag")))
        if tags:
            yield Answer(row, (image.get("name", ""),), None, tags, "", when)
