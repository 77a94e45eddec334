"""Fixtures that every test may use: a fresh workspace, and the shipped sample opened in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, text

from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.database.engine import forget_engines
from core.workspace import Workspace

# Tests wait for jobs beside tests that compute; giving way to those is not what they ask.
os.environ.setdefault("TIDYSET_WORKER_NICE", "0")

# The name that Starlette's test client asks for.
os.environ.setdefault("TIDYSET_ALLOWED_HOSTS", "testserver")

# What is remembered of workspaces is not left in the home of whoever runs the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="tidyset-state-")

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may run side by side: files may, tests of one file share fixtures; there is one Ray at a time."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("ray" if "/engines/" in file else file))


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


@pytest.fixture
def postgres() -> Iterator[str]:
    """Address of an empty schema in the PostgreSQL that TIDYSET_TEST_POSTGRES names (.ci/run starts one)."""
    server = os.environ.get("TIDYSET_TEST_POSTGRES")
    if not server:
        pytest.skip("TIDYSET_TEST_POSTGRES names no PostgreSQL server")
    name = f"test_{uuid4().hex[:12]}"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    yield f"{server}?options=-csearch_path%3D{name}"
    forget_engines()
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()
