"""A wrong address, a wrong password, an absent server: a clear message, never with the password."""

from __future__ import annotations

import socket

import pytest
from sqlalchemy.engine import make_url

from core.database.address import parsed, place, without_password
from core.database.engine import forget_engines
from core.errors import StorageFailed
from core.labels.journal import LabelJournal
from core.workspace import Workspace

SECRET = "hunter2-and-more"


def message(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    monkeypatch.setenv("TIDYSET_DATABASE_URL", url)
    with pytest.raises(StorageFailed) as caught:
        LabelJournal(workspace).version("any")
    forget_engines()
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"not an address {SECRET}", "is no address of a database"),
        (f"postgresql+psycopg://ann:{SECRET}", "is no address of a database"),
        (
            f"postgresql+psycopg://ann:more@{SECRET}@host/labels",
            "an '@' too many; in a password",
        ),
        (f"mysql://ann:{SECRET}@host/labels", "of kind 'mysql', which is not supported"),
        ("sqlite://", "names no file"),
    ],
)
def test_an_address_that_is_none(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, url: str, says: str
) -> None:
    found = message(workspace, monkeypatch, url)
    assert says in found
    assert "postgresql+psycopg://USER:PASSWORD@HOST:5432/DATABASE" in found


def test_nobody_answers(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = message(workspace, monkeypatch, f"postgresql://ann:{SECRET}@127.0.0.1:{port}/labels")
    assert f"127.0.0.1:{port}/labels cannot be used (Connection refused" in found
    assert "Start the server, or check host and port" in found


def test_no_such_host(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found = message(workspace, monkeypatch, f"postgresql://ann:{SECRET}@host.invalid/labels")
    assert "Check the host" in found


def test_no_such_database(workspace: Workspace, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_url(postgres).set(database="nothing")
    found = message(workspace, monkeypatch, url.render_as_string(hide_password=False))
    assert "Make it (createdb)" in found


def test_a_wrong_password(workspace: Workspace, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_url(postgres).set(username="nobody-known", password=SECRET)
    assert "Check user and password" in message(
        workspace, monkeypatch, url.render_as_string(hide_password=False)
    )


def test_a_database_is_named_without_user_password_and_options() -> None:
    url = f"postgresql://ann:{SECRET}@host:5433/labels?sslpassword={SECRET}"
    assert place(url) == "host:5433/labels"
    assert place("postgresql://host/labels") == "host:5432/labels"
    assert without_password(url, f"what {SECRET} is") == "what *** is"
    assert parsed("postgres://host/labels").drivername == "postgresql+psycopg"
