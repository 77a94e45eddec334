"""What nobody may read in a log: passwords, session tokens, the workspace's key, the database's password."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from benchmarks.sessions import Session
from core.data.dataset import Dataset
from core.people import sessions
from core.people.accounts import add_account
from core.people.roles import Role
from core.workspace import PROJECT_ROOT, Workspace
from dashboard import cookies, links
from dashboard.review.tokens import token
from tests.browser.conftest import Server

PASSWORD, WRONG = "correct horse battery", "wrong horse battery"


def posted(server: Server, address: str, body: dict[str, object], **headers: str) -> int:
    own = {"sec-fetch-site": "same-origin", "content-type": "application/json", **headers}
    request = urllib.request.Request(
        f"{server.url}/{links.ROOT}/{address}", json.dumps(body).encode(), own, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_the_servers_log_holds_no_secret(
    workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account(workspace, "Ada", Role.ADMIN, PASSWORD)
    monkeypatch.setenv("STREAMLIT_LOGGER_LEVEL", "debug")
    server = Server(workspace.root)
    server.start()
    try:
        signed_in = posted(server, "sign-in", {"name": "Ada", "password": PASSWORD})
        refused = posted(server, "sign-in", {"name": "Ada", "password": WRONG})
        held, of_labels = sessions.begin(workspace, "Ada"), token(workspace, sample)
        cookie = {"cookie": f"{cookies.name_of(workspace)}={held}"}
        bad = posted(server, "labels", {"dataset": sample.name}, **cookie, **{"x-tidyset-token": of_labels})
        with Session(server.port, sample.name) as visitor:
            visitor.run("")
            visitor.run("team")
    finally:
        server.kill()
    assert (signed_in, refused, 400 <= bad < 500) == (200, 403, True)
    key = (workspace.root / "secret.key").read_bytes().strip()
    log = server.log.read_bytes()
    assert len(log) > 200, "it does log"
    for name, secret in {
        "password": PASSWORD.encode(),
        "wrong password": WRONG.encode(),
        "session": held.encode(),
        "token of labels": of_labels.encode(),
        "key": key,
    }.items():
        assert secret not in log, name


@pytest.mark.parametrize("command", ["doctor", "labels history --data fashion-mnist-sample", "team status"])
def test_a_database_that_is_away_is_named_without_its_password(
    workspace: Workspace, sample: Dataset, command: str
) -> None:
    address = "postgresql+psycopg://tidyset:hunter2hunter2@127.0.0.1:1/labels"
    done = subprocess.run(
        [sys.executable, "-c", "from core.cli import app; app()", *command.split()],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TIDYSET_DATABASE_URL": address},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode, told
    assert "Usage" not in told
    assert "127.0.0.1" in told
    assert "Traceback" not in told
    assert "hunter2" not in told
    for log in Path(workspace.root).rglob("*.log"):
        assert "hunter2" not in log.read_text()
