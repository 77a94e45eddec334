"""The run index of a team: several servers over one workspace, and a database that is away."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import NameTaken
from core.runs import index
from core.runs.store import Run, create_run, delete_run, list_runs, load_run, rename_run, set_notes
from core.workspace import Workspace
from tests.cable import Cable


@pytest.fixture
def cable(postgres: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    with Cable(postgres) as cable:
        monkeypatch.setenv("TIDYSET_DATABASE_URL", cable.url)
        yield cable


def made(workspace: Workspace, name: str | None = None) -> Run:
    return create_run(workspace, None, None, name=name, kind="issues", job={"share": float("inf")})


def names(workspace: Workspace) -> list[str]:
    return sorted(run.name for run in list_runs(workspace, kind=None))


def test_the_index_says_what_the_folders_say(cable: Cable, workspace: Workspace) -> None:
    one, other = made(workspace, "one"), made(workspace, "other")
    set_notes(rename_run(workspace, one, "uno"), "seen")
    other.events.append("stopped")
    delete_run(other)
    assert set(index.listed(workspace)) == {one.id}
    (listed,) = list_runs(workspace, kind="issues")
    (folder,) = workspace.runs.iterdir()
    kept = load_run(folder)
    assert (listed.name, listed.notes, listed.folder, listed.job) == ("uno", "seen", folder, kept.job)


def test_a_folder_that_was_copied_or_deleted_is_noticed(
    cable: Cable, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.store.STARTING_SECONDS", -1.0)  # even of a run as young as this
    run = made(workspace, "one")
    copy = Path(shutil.copytree(run.folder, workspace.runs / "copied"))
    assert names(workspace) == ["one", "one"]
    shutil.rmtree(run.folder)
    assert [one.folder for one in list_runs(workspace, kind=None)] == [copy]
    assert set(index.listed(workspace)) == {"copied"}


def test_servers_that_make_runs_at_once_give_each_a_name_of_its_own(
    cable: Cable, workspace: Workspace
) -> None:
    servers = [threading.Thread(target=made, args=(workspace,)) for _ in range(8)]
    for server in servers:
        server.start()
    for server in servers:
        server.join()
    assert names(workspace) == [f"issues-{n}" for n in range(1, 9)]
    with pytest.raises(NameTaken):
        made(workspace, "issues-3")


def test_without_the_database_the_folders_tell_the_same(
    cable: Cable, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(workspace, "before")
    cable.cut()
    made(workspace, "while-away")
    assert names(workspace) == ["before", "while-away"]
    cable.mend()
    monkeypatch.setattr(index, "_away_until", {})
    assert names(workspace) == ["before", "while-away"]
    assert len(index.listed(workspace)) == 2
