"""Which data sets there are, and opening one by name."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import unicodedata
from dataclasses import dataclass
from typing import Literal

from core.data import fashion_mnist
from core.data.dataset import Dataset, dataset_folder, load_dataset
from core.errors import DamagedFile, NameTaken, NotFound
from core.files import read_json, storage_failed
from core.people.acting import acting_as, allow
from core.people.roles import SERVER, Right
from core.workspace import Workspace, check_name, is_name


def _combo_mnist(workspace: Workspace) -> Dataset:
    from core.data.combo_mnist import materialise  # pydantic and PIL are not needed to list data sets

    return materialise(workspace)


BUILT_IN = {
    fashion_mnist.SAMPLE: fashion_mnist.materialise_sample,
    fashion_mnist.FULL: fashion_mnist.materialise_full,
    "combo-mnist": _combo_mnist,
}


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One line of the list of data sets.

    Attributes:
        state: "ready" (in the workspace), "available" (put there on first use), "absent" (built in, but its
            source must be fetched first) or "damaged".
        n_items: None where that is not known before it is opened.
    """

    name: str
    title: str
    state: Literal["ready", "available", "absent", "damaged"]
    task: str
    n_items: int | None
    n_classes: int | None
    note: str = ""


def list_datasets(workspace: Workspace) -> list[CatalogEntry]:
    """All data sets by name, the built-in ones first. Opens none of them."""
    entries = {
        fashion_mnist.SAMPLE: CatalogEntry(
            fashion_mnist.SAMPLE, "Fashion-MNIST sample", "available", "single-label", 6_000, 10
        ),
        fashion_mnist.FULL: CatalogEntry(
            fashion_mnist.FULL,
            "Fashion-MNIST",
            "available" if fashion_mnist.local_folder(workspace) else "absent",
            "single-label",
            70_000,
            10,
        ),
    }
    for manifest in sorted(workspace.datasets.glob("*/dataset.json")):
        name = manifest.parent.name
        if name.startswith("."):
            continue
        try:
            about = read_json(manifest)
            entries[name] = CatalogEntry(
                name, str(about["title"]), "ready", about["task"], int(about["n"]), len(about["classes"])
            )
        except DamagedFile as error:
            entries[name] = _damaged(name, str(error))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            why = f"{manifest} lacks or garbles what tells of the data set ({type(error).__name__}: {error})."
            entries[name] = _damaged(name, f"{why} Restore it from a copy, or import the data set again.")
    return list(entries.values())


def _damaged(name: str, why: str) -> CatalogEntry:
    return CatalogEntry(name, name, "damaged", "", None, None, why)


def open_dataset(workspace: Workspace, name: str) -> Dataset:
    """Open a data set by name; a built-in one is put into the workspace on first use.

    Raises:
        NotFound: There is none of that name.
        DamagedFile: A file of it cannot be read.
    """
    if not is_name(name) and is_name(as_name(name)) and dataset_folder(workspace, as_name(name)).exists():
        raise NotFound(f"There is no data set {name!r}.", f"It is called {as_name(name)} here.")
    folder = dataset_folder(workspace, check_name(name, "data set"))
    if name not in BUILT_IN and not folder.exists():
        raise _no_such(name)
    if name in BUILT_IN and not (folder / "dataset.json").exists():
        # The same for everybody, so anybody may have it put there.
        with contextlib.suppress(NameTaken), acting_as(SERVER):  # another session was faster
            return BUILT_IN[name](workspace)
    return load_dataset(folder)


def check_there(workspace: Workspace, name: str) -> None:
    """Refuse a name that no data set of the workspace has; a built-in one counts once it was used.

    Raises:
        NotFound: There is none of that name in the workspace.
    """
    if not dataset_folder(workspace, check_name(name, "data set")).exists():
        raise _no_such(name)


def as_name(text: str) -> str:
    """The name in files, commands and addresses: "Holiday photos 2024" is holiday-photos-2024.

    What could lead elsewhere (a path, a hidden file) stays as it is, for ``check_name`` to refuse.
    """
    if is_name(text) or not text.isprintable() or set(text) & {"/", "\\", ":"} or text.startswith("."):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:64].rstrip("-._")
    return name or (
        f"data-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}" if text.strip() else text
    )


def _no_such(name: str) -> NotFound:
    mend = "`uv run tidyset data list` names those there are, `uv run tidyset data import` brings one in."
    return NotFound(f"There is no data set {name!r}.", mend)


def delete_dataset(workspace: Workspace, name: str) -> None:
    """Delete a data set's folder. Runs and label edits stay; a built-in one comes back on the next use.

    Raises:
        NotFound: There is none of that name in the workspace.
        StorageFailed: It cannot be deleted.
    """
    allow(workspace, Right.DATA)
    check_there(workspace, name)
    folder = dataset_folder(workspace, name)
    try:
        (folder / "dataset.json").unlink(missing_ok=True)  # first: from here on it is no data set any more
        shutil.rmtree(folder)
    except OSError as error:
        raise storage_failed(folder, error) from error
