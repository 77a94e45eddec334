"""Recipes with a name: those that come with Tidyset, and those that people kept in their workspace."""

from __future__ import annotations

import contextlib
from pathlib import Path

from core.errors import BadInput, DamagedFile, NameTaken, TidysetError
from core.files import storage_failed, write_bytes
from core.people.acting import allow
from core.people.roles import Right
from core.runs.recipe import PRESETS, Recipe, load_recipe
from core.workspace import Workspace, check_name


def preset_file(workspace: Workspace, name: str) -> Path:
    """Where a preset of that name is kept. Raises BadInput for a name that is none."""
    return workspace.root / "presets" / f"{check_name(name, 'preset')}.toml"


def save_preset(workspace: Workspace, name: str, recipe: Recipe) -> None:
    """Keep ``recipe`` under a name.

    Raises:
        BadInput: The name is none.
        NameTaken: There is a preset of that name.
        StorageFailed: It cannot be written.
    """
    allow(workspace, Right.RUN)
    file = preset_file(workspace, name)
    if name in PRESETS or file.exists():
        raise NameTaken(f"There is a preset {name!r} already.", "Choose another name.")
    write_bytes(file, recipe.to_toml().encode())


def delete_preset(workspace: Workspace, name: str) -> None:
    """Forget a preset of the workspace. Raises BadInput for one that comes with Tidyset, or is not there."""
    allow(workspace, Right.RUN)
    file = preset_file(workspace, name)
    if not file.exists():
        raise BadInput(f"There is no preset {name!r} in this workspace.")
    try:
        file.unlink()
    except OSError as error:
        raise storage_failed(file, error) from error


def own_presets(workspace: Workspace) -> dict[str, Recipe]:
    """Those kept in the workspace, by name; a damaged file is left out (``damaged_presets`` lists them)."""
    found = {}
    for file in _files(workspace):
        with contextlib.suppress(TidysetError):
            found[file.stem] = load_recipe(file)
    return found


def damaged_presets(workspace: Workspace) -> list[str]:
    """What is wrong with each preset of the workspace that cannot be read, and what to do."""
    found = []
    for file in _files(workspace):
        try:
            load_recipe(file)
        except TidysetError as error:
            found.append(f"{file}: {error.problem} {error.mend or 'Mend the file, or delete it.'}")
    return found


def _files(workspace: Workspace) -> list[Path]:
    return sorted((workspace.root / "presets").glob("*.toml"))


def find_recipe(workspace: Workspace, source: str) -> Recipe:
    """A preset by name, the workspace's own too, or a TOML file.

    Raises:
        BadInput: None of these, or the file is no valid recipe.
        DamagedFile: The workspace's preset of that name cannot be read any more.
    """
    own = workspace.root / "presets" / f"{source}.toml"
    if source in PRESETS or "/" in source or not own.is_file():
        return load_recipe(source)
    try:
        return load_recipe(own)
    except BadInput as error:
        raise DamagedFile(f"Preset {source!r}: {error.problem}", error.mend) from error
