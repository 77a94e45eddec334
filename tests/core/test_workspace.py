"""Where things are kept, and what may name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadInput
from core.workspace import PROJECT_ROOT, check_name, current


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(tmp_path / "w"))
    monkeypatch.delenv("TIDYSET_DATABASE_URL", raising=False)
    workspace = current()
    assert workspace.root == tmp_path / "w"
    assert workspace.database_url == f"sqlite:///{tmp_path / 'w' / 'labels.db'}"
    monkeypatch.setenv("TIDYSET_DATABASE_URL", "postgresql+psycopg://team")
    assert workspace.database_url == "postgresql+psycopg://team"


def test_a_checkout_keeps_it_in_its_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIDYSET_WORKSPACE", raising=False)
    assert current().root == PROJECT_ROOT / "data" / "workspace"


@pytest.mark.parametrize("name", ["a", "fashion-mnist", "0.9_x", "a" * 64])
def test_good_names(name: str) -> None:
    assert check_name(name, "run") == name


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "A", "a b", "a/b", ".hidden", "a" * 65, "ä", "a\n"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match="cannot name a run"):
        check_name(name, "run")
