"""Files that were uploaded to be imported: kept in the workspace until they are, or for a day."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from core.errors import BadInput
from core.files import make_folder
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace

MOST_UPLOADS = 20
IN_USE_SECONDS = 3_600.0
KEPT_SECONDS = 86_400.0
"""How long an upload that nobody imported, or that was refused, can still be imported."""


def folder(workspace: Workspace) -> Path:
    """Where uploads are kept, each in a folder of its own."""
    return workspace.root / "uploads"


def check_room(workspace: Workspace, n_bytes: int) -> None:
    """Make room for an upload: old ones first, those of the last hour never, since they may be in use.

    Raises:
        BadInput: There are too many already, or too little space.
        StorageFailed: The disk is full or read-only.
    """
    allow(workspace, Right.DATA)
    forget_old(workspace)
    waiting = sorted(folder(workspace).glob("*"), key=lambda upload: upload.stat().st_mtime)
    for upload in waiting[: max(0, len(waiting) + 1 - MOST_UPLOADS)]:
        if time.time() - upload.stat().st_mtime < IN_USE_SECONDS:
            raise BadInput(
                f"{len(waiting)} uploads are waiting to be imported.", "Import those first, or wait an hour."
            )
        shutil.rmtree(upload, ignore_errors=True)
    make_folder(workspace.root)
    free = shutil.disk_usage(workspace.root).free
    if 2 * n_bytes > free:
        said = f"An upload of {n_bytes:,} bytes needs twice that to be imported; {free:,} are free."
        raise BadInput(said, "Free some space, or import it from a path on this machine.")


def forget(workspace: Workspace, source: str | Path) -> None:
    """Delete ``source`` if it is an upload; anything else is a person's own file and stays."""
    allow(workspace, Right.DATA)
    path, uploads = Path(source).resolve(), folder(workspace).resolve()
    if uploads in path.parents:
        shutil.rmtree(uploads / path.relative_to(uploads).parts[0], ignore_errors=True)


def forget_old(workspace: Workspace) -> None:
    """Delete uploads that are older than a day."""
    for upload in folder(workspace).glob("*"):
        with contextlib.suppress(OSError):  # another session was faster
            if time.time() - upload.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(upload)
