"""Accounts: made, changed, removed; a damaged file names its line and lets nobody in."""

from __future__ import annotations

import json
import stat

import pytest
from typer.testing import CliRunner, Result

from core.cli import app
from core.errors import BadInput, DamagedFile, NameTaken, NotAllowed, NotFound
from core.people import sessions
from core.people.accounts import (
    accounts,
    add_account,
    has_accounts,
    people_file,
    remove_account,
    set_password,
    set_role,
)
from core.people.acting import acting, acting_as, allow
from core.people.passwords import check_password
from core.people.roles import LOCAL, Right, Role, role_named
from core.workspace import Workspace

GOOD = "correct horse battery"
HASH = "$argon2id$v=19$m=65536,t=3,p=4$wkAuHVTyTfILSwg7Dfm+Mw$aC+Z6avQwjLF94Hj+12URaTSfmW+H4IAo0j1rvLhJIY"


@pytest.fixture
def team(workspace: Workspace) -> Workspace:
    """Ada is admin, Bob annotator, Vic viewer; only Ada and Bob have a password."""
    add_account(workspace, "Ada", Role.ADMIN, GOOD)
    with acting_as("Ada"):
        add_account(workspace, "Bob", Role.ANNOTATOR, GOOD)
        add_account(workspace, "vic@example.org", Role.VIEWER)
    return workspace


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def test_without_accounts_whoever_uses_it_may_do_everything(workspace: Workspace) -> None:
    assert not has_accounts(workspace)
    assert acting(workspace) == LOCAL
    for right in Right:
        assert allow(workspace, right) == LOCAL


def test_the_roles_are_nested() -> None:
    assert [role for role in Role if role.includes(Role.ANNOTATOR)] == [Role.ANNOTATOR, Role.ADMIN]
    with pytest.raises(BadInput, match=r"no role 'boss'.*viewer, annotator, admin"):
        role_named("boss")


def test_with_accounts_nobody_may_do_anything_unnamed(team: Workspace) -> None:
    with pytest.raises(NotAllowed, match="Nobody is signed in"):
        allow(team, Right.LOOK)
    with acting_as("mallory"), pytest.raises(NotAllowed, match="'mallory' has no account here"):
        allow(team, Right.LOOK)
    with acting_as("vic@example.org"), pytest.raises(NotAllowed, match="is a viewer here and may not change"):
        allow(team, Right.LABEL)


def test_a_role_counts_from_the_next_thing_on(team: Workspace) -> None:
    with acting_as("Ada"):
        set_role(team, "Bob", Role.VIEWER)
    with acting_as("Bob"), pytest.raises(NotAllowed):
        allow(team, Right.LABEL)


def test_only_an_admin_changes_accounts_and_everybody_their_own_password(team: Workspace) -> None:
    with acting_as("Bob"):
        for forbidden in (
            lambda: add_account(team, "Eve", Role.ADMIN),
            lambda: set_role(team, "Bob", Role.ADMIN),
            lambda: set_password(team, "Ada", GOOD),
            lambda: remove_account(team, "Ada"),
        ):
            with pytest.raises(NotAllowed):
                forbidden()
        set_password(team, "Bob", "another one entirely")
    assert list(accounts(team) or {}) == ["Ada", "Bob", "vic@example.org"]


def test_what_cannot_be_an_account_is_refused(team: Workspace) -> None:
    with acting_as("Ada"):
        for name in ("", " x", "a:b", "a\nb", "x" * 101):
            with pytest.raises(BadInput, match="cannot be a name"):
                add_account(team, name, Role.VIEWER)
        with pytest.raises(NameTaken):
            add_account(team, "BOB", Role.VIEWER)
        with pytest.raises(NotFound):
            remove_account(team, "Eve")
        for change in (lambda: set_role(team, "Ada", Role.VIEWER), lambda: remove_account(team, "Ada")):
            with pytest.raises(BadInput, match="last admin"):
                change()


@pytest.mark.parametrize(
    ("password", "name"),
    [("short", "x"), ("a" * 300, "x"), ("aaaaaaaaaaaa", "x"), ("Ada Lovelace", "ada lovelace")],
)
def test_weak_passwords_are_refused_and_never_repeated(password: str, name: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_password(password, name)
    assert password not in str(refused.value)


def test_the_file_is_for_its_owner_only_and_holds_no_password(team: Workspace) -> None:
    file = people_file(team)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert GOOD not in file.read_text()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["Ada:admin:"], None),
        (["Ada:admin:", "Bob:boss:"], "line 2, has the role 'boss'"),
        (["Ada:admin:", "", "Bob"], "line 3, has 1 fields"),
        (["Ada:admin:plain-text-password"], "line 1, has a hash that is none of Argon2id"),
        (["Ada:admin:" + HASH.replace("m=65536", "m=99999999")], "line 1, has a hash"),
        (["Ada:admin:" + HASH[:60]], None),
        (["Ada:admin:", "ada:viewer:"], "line 2, names somebody a second time"),
        (["Ada:admin:", ":viewer:"], "line 2, has a name"),
        (["# nobody"], "names no admin"),
        (["\udcff"], "cannot be read"),
    ],
)
def test_a_damaged_file_names_the_line_and_lets_nobody_in(
    workspace: Workspace, lines: list[str], says: str | None
) -> None:
    token = ""
    workspace.root.mkdir(parents=True)
    people_file(workspace).write_text("Ada:admin:\n")
    with acting_as("Ada"):
        token = sessions.begin(workspace, "Ada")
    people_file(workspace).write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    if says is None:
        accounts(workspace)
        return
    for use in (
        lambda: accounts(workspace),
        lambda: allow(workspace, Right.LOOK),
        lambda: sessions.name_of(workspace, token),
    ):
        with acting_as("Ada"), pytest.raises(DamagedFile, match=says) as damaged:
            use()
        assert str(people_file(workspace)) in str(damaged.value)
        assert "plain-text-password" not in str(damaged.value)


def test_the_command_line_does_all_of_it(workspace: Workspace) -> None:
    assert "whoever uses this workspace may do everything" in run("people", "list").output
    refused = run("people", "add", "Bob", "--no-password")
    assert (refused.exit_code, "first account must be an admin's" in refused.stderr) == (1, True)
    assert "no role 'boss'" in run("people", "add", "Ada", "--role", "boss", "--no-password").stderr
    assert run("people", "add", "Ada", "--role", "admin", "--stdin", stdin=f"{GOOD}\n").exit_code == 0
    typed = run("--as", "Ada", "people", "add", "Bob", stdin=f"{GOOD}\n{GOOD}\n")
    assert typed.exit_code == 0
    assert GOOD not in typed.output
    assert (
        "has 3 characters" in run("--as", "Ada", "people", "password", "Bob", "--stdin", stdin="abc\n").stderr
    )
    assert run("--as", "Ada", "people", "role", "Bob", "viewer").exit_code == 0
    found = json.loads(run("people", "list", "--json").output)
    assert found == [
        {"name": "Ada", "role": "admin", "password": True},
        {"name": "Bob", "role": "viewer", "password": True},
    ]
    assert run("--as", "Ada", "people", "remove", "Bob").exit_code == 0
    assert list(accounts(workspace) or {}) == ["Ada"]


def test_the_environment_names_who_acts(team: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDYSET_PERSON", "Ada")
    assert run("people", "role", "Bob", "viewer").exit_code == 0
    monkeypatch.setenv("TIDYSET_PERSON", "Bob")
    assert "Bob is a viewer here and may not manage people" in run("people", "role", "Bob", "admin").stderr


def test_no_command_takes_a_password_as_an_argument() -> None:
    help_text = run("people", "add", "--help").output + run("people", "password", "--help").output
    assert "--password" not in help_text.replace("--no-password", "")
