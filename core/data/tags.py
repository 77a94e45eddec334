"""Tags: named sets of images, such as "look at again". They say nothing about labels and change none.

One small file a tag in the workspace: ``tags/DATASET/<digest of the name>.json``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core.data.dataset import Dataset
from core.errors import BadInput, NotFound
from core.files import digest, read_json, write_json
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace

LONGEST = 60


def tags_of(workspace: Workspace, dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """The item ids of each tag, by name in the order of the alphabet. Raises DamagedFile."""
    read = [read_json(path) for path in _folder(workspace, dataset).glob("*.json")]
    found = {str(one["name"]): tuple(str(id_) for id_ in one["item_ids"]) for one in read}
    return dict(sorted(found.items()))


def add_tag(workspace: Workspace, dataset: Dataset, name: str, item_ids: Iterable[str]) -> int:
    """Give images a tag, a new one or one that is there.

    Returns:
        How many images did not have it before.

    Raises:
        BadInput: The name is empty or too long.
        StorageFailed: It cannot be written.
    """
    allow(workspace, Right.TAG)
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST:
        raise BadInput(f"{name!r} cannot be a tag.", f"Give 1 to {LONGEST} characters.")
    before = tags_of(workspace, dataset).get(name, ())
    now = list(dict.fromkeys([*before, *item_ids]))
    write_json(_path(workspace, dataset, name), {"name": name, "item_ids": now})
    return len(now) - len(before)


def remove_tag(workspace: Workspace, dataset: Dataset, name: str) -> None:
    """Take a tag off all its images. Raises NotFound when there is no such tag."""
    allow(workspace, Right.TAG)
    path = _path(workspace, dataset, name)
    if not path.exists():
        raise NotFound(f"There is no tag {name!r}.", "Reload the page: it may have been removed just now.")
    path.unlink()


def tags_version(workspace: Workspace, dataset: Dataset) -> str:
    """Changes whenever a tag does."""
    files = sorted(_folder(workspace, dataset).glob("*.json"))
    return digest([[path.name, path.stat().st_mtime_ns] for path in files])


def _folder(workspace: Workspace, dataset: Dataset) -> Path:
    return workspace.root / "tags" / dataset.name


def _path(workspace: Workspace, dataset: Dataset, name: str) -> Path:
    return _folder(workspace, dataset) / f"{digest(name)}.json"
