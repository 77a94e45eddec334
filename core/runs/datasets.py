"""Deleting a data set, which nothing that runs may be reading."""

from __future__ import annotations

from core.data import catalog
from core.errors import Busy
from core.people.acting import allow
from core.people.roles import Right
from core.runs.store import list_runs, status
from core.workspace import Workspace


def check_deletable(workspace: Workspace, name: str) -> None:
    """Refuse what could not be deleted, before anybody is asked whether it should.

    Raises:
        NotAllowed: Whoever acts may not.
        NotFound: There is none of that name in the workspace.
        Busy: A run on it is going.
    """
    allow(workspace, Right.DATA)
    catalog.check_there(workspace, name)
    going = [run.name for run in list_runs(workspace, dataset=name, kind=None) if status(run).state.active]
    if going:
        raise Busy(
            f"Data set {name!r} is in use by {', '.join(map(repr, going[:5]))}.",
            "Wait for what runs on it, or stop it first.",
        )


def delete_unused(workspace: Workspace, name: str) -> None:
    """Delete a data set's folder; runs and label edits stay. Raises as check_deletable, and StorageFailed."""
    check_deletable(workspace, name)
    catalog.delete_dataset(workspace, name)
