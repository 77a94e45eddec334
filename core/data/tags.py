"""Tags: named sets of images, such as "look at again". They say nothing about labels and change none.

One small file a tag in the workspace: ``tags/DATASET/<digest of the name>.json``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from core.data.dataset import Dataset
from core.errors import BadInput, DamagedFile, NotFound
from core.files import digest, read_json, storage_failed, write_json
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace

LONGEST = 60


def tags_of(workspace: Workspace, dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The item ids of each tag, by name in the order of the alphabet; a damaged file is left out."""
    found = dict[str, tuple[str, ...]]()
    for path in _folder(workspace, dataset).glob("*.json"):
        with contextlib.suppress(DamagedFile):
            found.update([_read(path)])
    return dict(sorted(found.items()))


def damaged_tags(workspace: Workspace, dataset: Dataset) -> list[str]:
    """What is wrong with each file of a tag that cannot be read, and what to do."""
    found = []
    for path in sorted(_folder(workspace, dataset).glob("*.json")):
        try:
            _read(path)
        except DamagedFile as error:
            found.append(str(error))
    return found


def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """Name and item ids of a tag. Raises DamagedFile."""
    value = read_json(path)
    name, item_ids = value.get("name"), value.get("item_ids")
    if not isinstance(name, str) or not isinstance(item_ids, list):
        raise DamagedFile(f"{path} holds no tag.", "Restore it from a copy, or delete it.")
    return name, tuple(map(str, item_ids))


def add_tag(workspace: Workspace, dataset: Dataset, name: str, item_ids: Iterable[str]) -> int:
    """Give images a tag, a new one or one that is there.

    Returns:
        How many images did not have it before.

    Raises:
        BadInput: The name is empty or too long.
        DamagedFile: There is such a tag, which cannot be read; it is left as it is.
        StorageFailed: It cannot be written.
    """
    allow(workspace, Right.TAG)
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST:
        raise BadInput(f"{name!r} cannot be a tag.", f"Give 1 to {LONGEST} characters.")
    path = _path(workspace, dataset, name)
    before = _read(path)[1] if path.exists() else ()
    now = list(dict.fromkeys([*before, *item_ids]))
    write_json(path, {"name": name, "item_ids": now})
    return len(now) - len(before)


def remove_tag(workspace: Workspace, dataset: Dataset, name: str) -> None:
    """Take a tag off all its images. Raises NotFound when there is no such tag, StorageFailed."""
    allow(workspace, Right.TAG)
    path = _path(workspace, dataset, name)
    if not path.exists():
        raise NotFound(f"There is no tag {name!r}.", "Reload the page: it may have been removed just now.")
    try:
        path.unlink()
    except OSError as error:
        raise storage_failed(path, error) from error


def tags_version(workspace: Workspace, dataset: Dataset) -> str:
    """Changes whenever a tag does."""
    files = sorted(_folder(workspace, dataset).glob("*.json"))
    return digest([[path.name, path.stat().st_mtime_ns] for path in files])


def _folder(workspace: Workspace, dataset: Dataset) -> Path:
    return workspace.root / "tags" / dataset.name


def _path(workspace: Workspace, dataset: Dataset, name: str) -> Path:
    return _folder(workspace, dataset) / f"{digest(name)}.json"
