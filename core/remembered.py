"""What this machine remembers of workspaces, outside of them: that one was there, that it has accounts.

A workspace may lie on a share that is not mounted at times. An empty folder in its place must not be taken
for a new workspace, and one whose accounts are out of sight not for one without any. Kept in memory and in
small files below ``$XDG_STATE_HOME/tidyset`` (``~/.local/state/tidyset``), where that can be written.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

_REMEMBERED: set[tuple[Path, str]] = set()


def state_file(root: Path, what: str) -> Path:
    """The file that stands for it."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(home) / "tidyset" / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.{what}"


def remember(root: Path, what: str) -> None:
    """Remember it of the workspace in that folder; for this process only where nothing can be written."""
    if (root, what) in _REMEMBERED:
        return
    _REMEMBERED.add((root, what))
    file = state_file(root, what)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{root}\n", "utf-8")


def remembers(root: Path, what: str) -> bool:
    """Whether it is remembered, by this process or from an earlier one."""
    return (root, what) in _REMEMBERED or os.path.exists(state_file(root, what))


def forget(root: Path, what: str) -> None:
    """Forget it."""
    _REMEMBERED.discard((root, what))
    with contextlib.suppress(OSError):
        state_file(root, what).unlink()
