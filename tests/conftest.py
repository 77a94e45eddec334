"""Fixtures that every test may use: a fresh workspace, and the shipped sample opened in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.workspace import Workspace

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace that this process and its children use."""
    root = tmp_path / "workspace"
    monkeypatch.setenv("TIDYSET_WORKSPACE", str(root))
    monkeypatch.delenv("TIDYSET_DATABASE_URL", raising=False)
    return Workspace(root)


@pytest.fixture
def sample(workspace: Workspace) -> Dataset:
    """The shipped Fashion-MNIST sample: real data, 6,000 images."""
    return open_dataset(workspace, "fashion-mnist-sample")
