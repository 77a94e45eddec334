"""Where Optuna keeps a study: a file in the run's folder, or the database that a team shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import uuid4

from optuna.storages.journal import (
    BaseJournalBackend,
    JournalFileBackend,
    JournalFileOpenLock,
    JournalStorage,
)
from sqlalchemy import Engine

from core.database.address import sqlite_file
from core.database.engine import connect
from core.database.migrate import prepare
from core.errors import Busy, StorageFailed
from core.runs.store import Run
from core.tuning import studies
from core.tuning.study_log import append_entries, read_entries
from core.workspace import Workspace

PATIENCE_SECONDS = 300.0
"""So long a search waits for a database that went away in the middle."""

T = TypeVar("T")


def storage_of(workspace: Workspace, run: Run) -> JournalStorage:
    """Optuna's storage of a study; one that was begun in a file stays there. Raises StorageFailed."""
    file = studies.study_file(run)
    if file.exists() or sqlite_file(workspace.database_url) is not None:
        return JournalStorage(JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file))))
    engine = patiently(lambda: prepare(connect(workspace)))
    return JournalStorage(DatabaseBackend(engine, run.id))


class DatabaseBackend(BaseJournalBackend):
    """Optuna's journal of one study in the database; waits where the database is away."""

    def __init__(self, engine: Engine, study: str) -> None:
        self._engine, self._study = engine, study

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The entries from a number on."""
        return patiently(lambda: read_entries(self._engine, self._study, log_number_from))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries, once, however often it is tried."""
        batch = uuid4().hex
        patiently(lambda: append_entries(self._engine, self._study, batch, logs))


def patiently(act: Callable[[], T]) -> T:
    """Try until the database answers. Raises StorageFailed or Busy after PATIENCE_SECONDS."""
    end, pause = time.monotonic() + PATIENCE_SECONDS, 0.1
    while True:
        try:
            return act()
        except (StorageFailed, Busy):
            if time.monotonic() > end:
                raise
        time.sleep(pause)
        pause = min(5.0, pause * 2)
