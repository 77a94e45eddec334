"""Everything works where nothing outside this machine can be reached, and nothing tries to reach it.

A ``sitecustomize`` on PYTHONPATH closes the way out in the command, in the server and in workers: each try to
reach another machine, or to look one up, is refused and written down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.sessions import PAGES, Session
from core.data.dataset import Dataset
from core.workspace import Workspace
from tests.browser.conftest import Server

ROOT = Path(__file__).resolve().parents[2]
BLOCK = """
import os, socket
inside = {"localhost", "127.0.0.1", "::1", None, ""}

def refuse(where):
    with open(os.environ["TIDYSET_TEST_TRIES"], "a") as log:
        log.write(f"{where}\\n")
    raise OSError(101, "Network is unreachable (blocked by the test)")

def guarded(method):
    def call(self, *rest):
        if self.family in (socket.AF_INET, socket.AF_INET6) and rest[-1][0] not in inside:
            refuse(rest[-1])
        return method(self, *rest)
    return call

def guarded_look_up(host, *rest, look_up=socket.getaddrinfo, **more):
    if host not in inside:
        refuse(host)
    return look_up(host, *rest, **more)

socket.getaddrinfo = guarded_look_up
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
"""


@pytest.fixture
def blocked(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """The environment of a process that cannot get out, and the file that names what it tried."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BLOCK)
    tries = tmp_path / "tries"
    tries.touch()
    return {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "TIDYSET_TEST_TRIES": str(tries)}, tries


def tidyset(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from core.cli import app; app()", *arguments]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


def test_import_train_and_evaluate_need_no_network(
    workspace: Workspace, sample: Dataset, tmp_path: Path, blocked: tuple[dict[str, str], Path]
) -> None:
    environment, tries = blocked
    pixels = sample.images.resized(range(0, 6_000, 20), 28, 28, 1)[..., 0]  # type: ignore[arg-type]
    rows = [
        ",".join(map(str, [int(label), *image.ravel()]))
        for label, image in zip(sample.labels[::20], pixels, strict=True)
    ]
    (tmp_path / "clothes.csv").write_text("\n".join(rows))
    told = [
        tidyset(environment, "data", "import", str(tmp_path / "clothes.csv"), "--name", "clothes", "--json"),
        tidyset(
            environment,
            "train",
            "--data",
            "clothes",
            "--recipe",
            "fast",
            "--name",
            "r1",
            "--set",
            "epochs=1",
            "--set",
            "model=plain-cnn",
            "--json",
        ),
        tidyset(environment, "evaluate", "r1", "--data", str(tmp_path / "clothes.csv"), "--json"),
    ]
    assert [one.returncode for one in told] == [0, 0, 0], [one.stderr for one in told]
    assert json.loads(told[2].stdout)
    assert tries.read_text() == ""


def test_the_app_shows_every_page_without_a_network(
    workspace: Workspace,
    sample: Dataset,
    blocked: tuple[dict[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment, tries = blocked
    for name in ("PYTHONPATH", "TIDYSET_TEST_TRIES"):
        monkeypatch.setenv(name, environment[name])
    server = Server(workspace.root)
    server.start()
    try:
        with Session(server.port, sample.name) as session:
            for page in PAGES:
                session.run(page)
            assert session.errors == []
    finally:
        server.kill()
    assert tries.read_text() == ""


def test_what_needs_the_network_says_so_and_ends(
    blocked: tuple[dict[str, str], Path], workspace: Workspace
) -> None:
    environment, tries = blocked
    told = tidyset(environment, "data", "import", "ylecun/mnist", "--name", "mnist", "--json")
    assert told.returncode == 1
    assert "hub cannot be reached" in json.loads(told.stderr.splitlines()[-1])["error"]
    assert tries.read_text()  # so the block of the test above is not without effect
