"""Files that were uploaded to be imported: kept in the workspace until they are, or for a day."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from core.workspace import Workspace

KEPT_SECONDS = 86_400.0
"""How long an upload that nobody imported, or that was refused, can still be imported."""


def folder(workspace: Workspace) -> Path:
    """Where uploads are kept, each in a folder of its own."""
    return workspace.root / "uploads"


def forget(workspace: Workspace, source: str | Path) -> None:
    """Delete ``source`` if it is an upload; anything else is a person's own file and stays."""
    path, uploads = Path(source).resolve(), folder(workspace).resolve()
    if uploads in path.parents:
        shutil.rmtree(uploads / path.relative_to(uploads).parts[0], ignore_errors=True)


def forget_old(workspace: Workspace) -> None:
    """Delete uploads that are older than a day."""
    for upload in folder(workspace).glob("*"):
        with contextlib.suppress(OSError):  # another session was faster
            if time.time() - upload.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(upload)
