"""A read-only workspace: everything can be looked at, and what would be written says why it is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.pages import ALL
from tests.crash.whole import unpacked
from tests.crash.writes import prepare

ROOT = Path(__file__).resolve().parents[2]
AS_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Without these rights root is held by a folder's permissions like everybody else."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What tests.crash.read_only told of a workspace without a right to write."""
    root = unpacked(tmp_path_factory.mktemp("read-only") / "workspace")
    prepare(root)
    command = [sys.executable, "-m", "tests.crash.read_only", str(root)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None or subprocess.run([*AS_OTHERS, "true"], check=False).returncode:
            pytest.skip("root may write everywhere, and cannot give that up here")
        command = [*AS_OTHERS, *command]
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for path in root.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    root.chmod(0o555)
    environment = {name: value for name, value in os.environ.items() if name != "TIDYSET_DATABASE_URL"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    yield json.loads(done.stdout.splitlines()[-1])
    for path in folders:
        path.chmod(0o755)


def test_every_page_can_be_looked_at(told: dict[str, Any]) -> None:
    assert set(told["pages"]) == set(ALL)
    assert {
        page: broke + errors for page, (broke, errors, _) in told["pages"].items() if broke + errors
    } == {}


def test_every_write_says_why_and_what_to_do(told: dict[str, Any]) -> None:
    for name, (kind, problem, mend) in told["writes"].items():
        assert kind == "StorageFailed", f"{name}: {kind}: {problem}"
        assert mend, f"{name}: {problem}"


def test_what_only_wanted_to_keep_a_result_does_without(told: dict[str, Any]) -> None:
    assert {name: found for name, found in told["without"].items() if found} == {}
