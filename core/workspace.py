"""Where things are kept: one folder with datasets/, labels.db, runs/ and cache/."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from core import remembered
from core.errors import BadInput, StorageFailed

PROJECT_ROOT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder that holds all that a person made; everything else can be made again from it."""

    root: Path

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def cache(self) -> Path:
        """Derived files, named by a hash of what went in. Safe to delete at any time."""
        return self.root / "cache"

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the label journal: TIDYSET_DATABASE_URL, else labels.db in this folder."""
        return os.environ.get("TIDYSET_DATABASE_URL") or f"sqlite:///{self.root / 'labels.db'}"

    @property
    def cache_key(self) -> tuple[str, str]:
        """What a result in memory that is read from this workspace depends on: the folder and its journal."""
        return str(self.root), self.database_url


def current() -> Workspace:
    """The workspace of this process.

    TIDYSET_WORKSPACE if set; data/workspace of the checkout; for an installed wheel, ~/.tidyset.

    Raises:
        StorageFailed: The folder that TIDYSET_WORKSPACE names held a workspace before, and is gone or empty:
            a share that is not mounted. Where it never did, whoever writes first makes one.
    """
    chosen = os.environ.get("TIDYSET_WORKSPACE")
    if chosen:
        root = Path(chosen).expanduser().resolve()
        _check_there(root)
        return Workspace(root)
    if (PROJECT_ROOT / "pyproject.toml").exists():
        return Workspace(PROJECT_ROOT / "data" / "workspace")
    return Workspace(Path.home() / ".tidyset")


def _check_there(root: Path) -> None:
    try:
        with os.scandir(root) as entries:
            is_there = next(entries, None) is not None
    except (FileNotFoundError, NotADirectoryError):
        is_there = False
    except PermissionError:  # said, with the file, by whatever needs one
        return
    except OSError as error:
        raise StorageFailed(
            f"The workspace {root} cannot be read ({error.strerror}).", "Mount it again."
        ) from error
    if is_there:
        remembered.remember(root, "workspace")
    elif remembered.remembers(root, "workspace"):
        file = remembered.state_file(root, "workspace")
        raise StorageFailed(
            f"The workspace {root} is gone: there is no such folder, or it is empty.",
            f"Mount it again. To begin a new one there, delete {file} and start anew.",
        )


def is_name(name: str) -> bool:
    """Whether ``name`` can name a data set or a run."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str, kind: str) -> str:
    """Return ``name`` if it can name a ``kind`` ("data set", "run"). Raises BadInput."""
    if not is_name(name):
        raise BadInput(
            f"{name!r} cannot name a {kind}.",
            "Use 1 to 64 lower-case letters, digits, '.', '_' or '-', beginning with a letter or digit.",
        )
    return name
