"""Old schemas become the newest one, on both databases, with a copy before; newer ones are left alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.database import engine as engine_module
from core.database import migrate
from core.database.engine import connect, forget_engines, reading, writing
from core.database.tables import metadata
from core.errors import DamagedFile, StorageFailed
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.runs import index  # noqa: F401  (declares its table)
from core.team import schema as team_schema  # noqa: F401  (declares its tables)
from core.team.lists import lists_of
from core.tuning import study_log  # noqa: F401  (declares its table)
from core.workspace import Workspace

OLD = Path(__file__).parent / "old"
HOME = Path(__file__).resolve().parents[3] / "dashboard" / "Home.py"


def old_workspace(workspace: Workspace, schema: str) -> Path:
    """labels.db as an old version of Tidyset left it: three edits, the last of which takes one back."""
    file = workspace.root / "labels.db"
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript((OLD / f"schema-{schema}.sql").read_text())
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "postgresql":
        monkeypatch.setenv("TIDYSET_DATABASE_URL", request.getfixturevalue("postgres"))
    return str(request.param)


def test_the_newest_schema_is_the_last_step() -> None:
    assert ScriptDirectory.from_config(migrate.alembic_config()).get_heads() == [migrate.NEWEST]


def test_the_steps_lead_to_the_declared_tables(backend: str, workspace: Workspace) -> None:
    with reading(migrate.prepare(connect(workspace))) as connection:
        options = {"version_table": migrate.VERSION_TABLE, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


@pytest.mark.parametrize("schema", sorted(file.stem[-4:] for file in OLD.glob("*.sql")))
def test_a_workspace_of_every_old_schema_is_opened_with_all_its_edits(
    workspace: Workspace, sample: Dataset, schema: str
) -> None:
    file = old_workspace(workspace, schema)
    journal = LabelJournal(workspace)
    edits = journal.edits(sample.name)
    assert [(edit.kind, edit.new, edit.who) for edit in edits] == [
        ("label", "Bag", "ann"),
        ("exclude", "Sneaker", "bob"),
        ("undo", "Sneaker", "bob"),
    ]
    assert edits[0].evidence == {"guess": "Bag", "confidence": 0.875}
    assert int(labels_at(workspace, sample).edited.sum()) == 1
    journal.append(sample, [NewEdit(str(sample.item_ids[0]), EditKind.LABEL, "Bag")])
    journal.name_version(sample.name, "now", 4, "ann")
    copies = list(file.parent.glob("labels.db.before-*"))
    assert len(copies) == (schema != migrate.NEWEST)
    for copy in copies:
        check_copy(copy)


def check_copy(copy: Path) -> None:
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM edits").fetchone() == (3,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("schema", ["0001", "0002", "0003"])
def test_every_step_is_made_from_the_one_before(backend: str, workspace: Workspace, schema: str) -> None:
    engine = connect(workspace)
    with writing(engine) as connection:
        config = migrate.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, schema)
    with reading(engine) as connection:
        assert migrate.schema_of(connection) == schema
    assert LabelJournal(workspace).version("any") == 0
    with reading(engine) as connection:
        assert migrate.schema_of(connection) == migrate.NEWEST


def sealed(workspace: Workspace, schema: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """An old workspace on a disk that takes no writes; returns what is in its file."""
    file = old_workspace(workspace, schema)
    monkeypatch.setattr(engine_module, "_is_sealed", lambda _file: True)
    forget_engines()
    return file.read_bytes()


@pytest.mark.parametrize("schema", ["0001", "0003"])
def test_an_old_database_that_can_only_be_read_shows_what_it_has(
    workspace: Workspace, sample: Dataset, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sealed(workspace, schema, monkeypatch)
    assert int(labels_at(workspace, sample).edited.sum()) == 1
    assert lists_of(workspace, sample.name) == []
    assert len(LabelJournal(workspace).named_versions(sample.name)) == (schema == "0003")
    why = migrate.why_behind(workspace)
    assert f"schema {schema}, not {migrate.NEWEST}" in why
    assert "Make the folder writable" in why
    with pytest.raises(StorageFailed, match="readonly"):
        LabelJournal(workspace).append(sample, [NewEdit(str(sample.item_ids[0]), EditKind.LABEL, "Bag")])
    assert (workspace.root / "labels.db").read_bytes() == before


@pytest.mark.parametrize("page", ["relabel", "team"])
def test_the_pages_say_so_and_show_the_rest(
    workspace: Workspace, sample: Dataset, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(workspace, "0003", monkeypatch)
    test = AppTest.from_file(str(HOME), default_timeout=60).run()
    test.switch_page(f"../pages/{page}.py").run()
    assert not test.exception
    assert not test.error
    assert "older than this version of Tidyset" in test.warning[0].value
    said = [*(one.value for one in test.main.subheader), *(one.label for one in test.main.selectbox)]
    assert {"relabel": "Show", "team": "Shared lists"}[page] in said


OPEN = (
    "from core.labels.journal import LabelJournal; from core.workspace import current;"
    "print(LabelJournal(current()).version('fashion-mnist-sample'))"
)


def test_two_processes_that_open_an_old_workspace_at_once_upgrade_it_once(workspace: Workspace) -> None:
    file = old_workspace(workspace, "0001")
    both = [subprocess.Popen([sys.executable, "-c", OPEN], stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [b"3", b"3"]
    assert len(list(file.parent.glob("labels.db.before-*"))) == 1


def test_a_newer_schema_is_left_alone(backend: str, workspace: Workspace) -> None:
    with writing(migrate.prepare(connect(workspace))) as connection:
        connection.execute(text("UPDATE schema_version SET version_num = '9001'"))
    forget_engines()
    with pytest.raises(DamagedFile, match=r"has schema 9001; this version of Tidyset knows up to"):
        LabelJournal(workspace).version("any")
    with reading(connect(workspace)) as connection:
        assert connection.scalar(text("SELECT version_num FROM schema_version")) == "9001"


def test_a_journal_of_an_unknown_format_is_left_alone(workspace: Workspace) -> None:
    file = old_workspace(workspace, "0001")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE journal SET format = 99")
    with pytest.raises(DamagedFile, match="format 99"):
        LabelJournal(workspace).version("any")


def test_without_a_copy_nothing_is_changed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    file = old_workspace(workspace, "0001")
    monkeypatch.setattr(migrate.time, "strftime", lambda _form: "x" * 300)
    with pytest.raises(StorageFailed, match="could not be copied"):
        LabelJournal(workspace).version("any")
    with closing(sqlite3.connect(file)) as connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    assert tables == {"edits", "journal"}


@pytest.mark.parametrize("statement", ["UPDATE edits SET who = 'x'", "DELETE FROM edits", "TRUNCATE edits"])
def test_the_edits_refuse_to_be_rewritten(
    backend: str, workspace: Workspace, sample: Dataset, statement: str
) -> None:
    if backend == "sqlite" and statement.startswith("TRUNCATE"):
        pytest.skip("SQLite has no TRUNCATE")
    LabelJournal(workspace).append(sample, [NewEdit(str(sample.item_ids[0]), EditKind.LABEL, "Bag")])
    with pytest.raises(StorageFailed, match="append-only"), writing(connect(workspace)) as connection:
        connection.execute(text(statement))
