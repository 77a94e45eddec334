"""Accounts that are lost or out of sight let nobody in; a workspace that is gone is not made anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core import remembered
from core import workspace as workspaces
from core.errors import DamagedFile, NotAllowed, StorageFailed
from core.people.accounts import accounts, add_account, clear_accounts, has_accounts, people_file
from core.people.acting import acting, acting_as, allow
from core.people.roles import LOCAL, Right, Role
from core.workspace import PROJECT_ROOT, Workspace
from dashboard import links, routes, upload_bounds


@pytest.fixture
def team(workspace: Workspace) -> Workspace:
    add_account(workspace, "Ada", Role.ADMIN)
    with acting_as("Ada"):
        add_account(workspace, "Vic", Role.VIEWER)
    return workspace


def restart() -> None:
    """What a new process knows: only what is on the disk."""
    remembered._REMEMBERED.clear()


@pytest.mark.parametrize("again", [True, False], ids=["after a restart", "while it runs"])
def test_without_its_people_file_a_workspace_lets_nobody_in(team: Workspace, again: bool) -> None:
    people_file(team).unlink()
    if again:
        restart()
    assert has_accounts(team)
    with pytest.raises(DamagedFile, match="is gone"):
        acting(team)
    with pytest.raises(DamagedFile, match="is gone"):
        add_account(team, "Eve", Role.ADMIN)
    with acting_as("Ada"), pytest.raises(DamagedFile, match="is gone"):
        allow(team, Right.LOOK)
    assert not people_file(team).exists()


def test_a_copy_elsewhere_without_the_file_lets_nobody_in(team: Workspace, tmp_path: Path) -> None:
    people_file(team).unlink()
    copy = Workspace(team.root.rename(tmp_path / "copy"))
    with pytest.raises(DamagedFile, match="people clear"):
        accounts(copy)


@pytest.mark.parametrize("again", [True, False], ids=["after a restart", "while it runs"])
@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_workspace_that_is_gone_is_not_made_anew(
    team: Workspace, tmp_path: Path, left: str, again: bool
) -> None:
    workspaces.current()
    team.root.rename(tmp_path / "away")
    if left == "an empty folder":
        team.root.mkdir()
    if again:
        restart()
    with pytest.raises(StorageFailed, match="is gone"):
        workspaces.current()
    client = TestClient(Starlette(routes=routes.ROUTES, middleware=routes.MIDDLEWARE))
    answer = client.get(f"/{links.ROOT}/points/{'0' * 32}.bin")
    assert (answer.status_code, "is gone" in answer.text) == (503, True)
    page = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=60).run()
    assert "is gone" in " ".join(one.value for one in page.error)
    assert not page.sidebar.selectbox
    assert not team.root.exists() or not list(team.root.iterdir())
    if left == "an empty folder":
        team.root.rmdir()
    (tmp_path / "away").rename(team.root)
    assert workspaces.current() == team


def test_a_first_start_makes_a_workspace(workspace: Workspace) -> None:
    assert workspaces.current() == workspace
    assert not workspace.root.exists()
    assert acting(workspace) is LOCAL


def test_an_admin_gives_accounts_up_or_whoever_has_the_folder_of_lost_ones(
    team: Workspace,
) -> None:
    with acting_as("Vic"), pytest.raises(NotAllowed):
        clear_accounts(team)
    with acting_as("Ada"):
        clear_accounts(team)
    assert acting(team) is LOCAL
    add_account(team, "Ada", Role.ADMIN)
    people_file(team).unlink()
    clear_accounts(team)
    assert acting(team) is LOCAL


def test_uploads_are_for_those_who_may_edit_and_bounded(
    team: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("Streamlit's upload was reached")

    def put(who: str | None, n_bytes: int = 5) -> int:
        with acting_as(who):
            bounds = upload_bounds.UploadBounds(app, "/_stcore/upload_file/")
            return TestClient(bounds).put("/_stcore/upload_file/s/f", content=bytes(n_bytes)).status_code

    assert put("Vic") == 403
    with pytest.raises(AssertionError, match="was reached"):
        put("Ada")
    monkeypatch.setattr(upload_bounds, "MOST_BYTES", 100)
    assert put("Ada", 101) == 503
    with upload_bounds.room_for("s", 96):
        assert put("Ada") == 503
    monkeypatch.setattr(upload_bounds, "MOST_FILES_IN_ALL", 1)
    with upload_bounds.room_for("other", 1):
        assert put("Ada") == 503
    with pytest.raises(AssertionError, match="was reached"):  # what is over counts no longer
        put("Ada")


def test_every_upload_passes_the_bounds() -> None:
    async def reached(request: object) -> object:
        raise AssertionError

    path = "/_stcore/upload_file/{session}/{file}"
    app = Starlette(routes=[Route(path, reached, methods=["PUT"])], middleware=routes.MIDDLEWARE)
    answer = TestClient(app).put("/_stcore/upload_file/s/f", content=iter([b"x"]))
    assert (answer.status_code, "how long" in answer.text) == (400, True)
