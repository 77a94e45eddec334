"""``tidyset cache``."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from core.cache import cached_json
from core.cli import app
from core.cli.cache import bytes_of
from core.errors import BadInput
from core.workspace import Workspace, current


def test_status_and_prune(workspace: Workspace) -> None:
    cached_json(current(), "test-1", {}, lambda: "a" * 500)
    found = json.loads(CliRunner().invoke(app, ["cache", "status", "--json"]).stdout)
    assert found["n_entries"] == 1
    assert found["by_kind"]["test-1"][0] == found["n_bytes"] == 502
    gone = CliRunner().invoke(app, ["cache", "prune", "--keep", "0"])
    assert "in 1 files deleted" in gone.stdout
    assert "0.0 MB in 0 files" in CliRunner().invoke(app, ["cache", "status"]).stdout


def test_sizes() -> None:
    assert [bytes_of(text) for text in ("5GB", "1.5 mb", "0", "7k")] == [5 * 10**9, 1_500_000, 0, 7_000]
    for text in ("five", "5 XB", "-1", ""):
        with pytest.raises(BadInput, match="no size"):
            bytes_of(text)


def test_a_wrong_size_is_a_sentence(workspace: Workspace) -> None:
    done = CliRunner().invoke(app, ["cache", "prune", "--keep", "lots"])
    assert done.exit_code == 1
    assert "'lots' is no size" in done.output
