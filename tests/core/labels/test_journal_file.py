"""The journal in a SQLite file: what it does when the disk fails it, or the file is another one."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.database import engine
from core.database.engine import forget_engines
from core.errors import Busy, DamagedFile, StorageFailed
from core.labels import schema
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import current_version
from core.workspace import Workspace


def label(item_id: str, new: str, seq: int = 1, session: str = "s") -> NewEdit:
    return NewEdit(item_id, EditKind.LABEL, new, session=session, seq=seq, who="ann", evidence={"guess": new})


@pytest.fixture
def journal(workspace: Workspace, sample: Dataset) -> LabelJournal:
    """A journal whose file is there."""
    found = LabelJournal(workspace)
    assert found.version(sample.name) == 0
    return found


@pytest.fixture
def ids(sample: Dataset) -> list[str]:
    return [str(item_id) for item_id in sample.item_ids]


@pytest.mark.parametrize("statement", ["UPDATE edits SET who = 'x'", "DELETE FROM edits"])
def test_the_table_refuses_to_be_rewritten(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str], statement: str
) -> None:
    journal.append(sample, [label(ids[0], "Bag")])
    connection = sqlite3.connect(workspace.root / "labels.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


def test_the_database_commits_to_the_disk(journal: LabelJournal, workspace: Workspace) -> None:
    with schema.writing(schema.database(workspace)) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


FULL = """
import resource, signal, sys
from core.data.catalog import open_dataset
from core.errors import StorageFailed
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.workspace import current
dataset = open_dataset(current(), "fashion-mnist-sample")
journal = LabelJournal(current())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
done = 0
try:
    for seq in range(2000):
        edits = [NewEdit(str(dataset.item_ids[seq]), EditKind.LABEL, "Bag", session="s", seq=seq)]
        journal.append(dataset, edits)
        done += 1
except StorageFailed as error:
    print(done, str(error))
"""


def test_a_full_disk_acknowledges_nothing_that_is_not_kept(sample: Dataset, workspace: Workspace) -> None:
    """The kernel refuses to let a file grow, as it does when a disk is full."""
    result = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    done, message = result.stdout.split(" ", 1)
    assert 0 < int(done) < 2000
    assert "disk" in message
    journal = LabelJournal(workspace)
    assert journal.version(sample.name) == int(done)
    journal.append(sample, [label(str(sample.item_ids[0]), "Bag", 1, session="later")])  # with room again


def test_a_locked_journal_says_so(
    journal: LabelJournal,
    workspace: Workspace,
    sample: Dataset,
    ids: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    forget_engines()
    other = sqlite3.connect(workspace.root / "labels.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="locked by another program"):
        LabelJournal(workspace).append(sample, [label(ids[0], "Bag")])
    other.execute("ROLLBACK")
    other.close()
    forget_engines()


def refuse_writes(workspace: Workspace) -> None:
    """Tell SQLite itself to write nothing: no file mode keeps root from writing."""
    with schema.writing(schema.database(workspace)) as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        connection.exec_driver_sql("INSERT INTO journal VALUES (2)")


def test_a_read_only_journal_says_so(journal: LabelJournal, workspace: Workspace) -> None:
    with pytest.raises(StorageFailed, match="read-only"):
        refuse_writes(workspace)
    forget_engines()


def test_a_file_that_is_no_database_is_reported(workspace: Workspace, sample: Dataset) -> None:
    (workspace.root / "labels.db").write_bytes(b"not a database at all, but long enough to look at" * 40)
    with pytest.raises(DamagedFile, match=r"labels\.db is no label journal"):
        current_version(workspace, sample.name)


def test_a_deleted_journal_is_not_written_to_in_secret(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [label(ids[0], "Bag")])
    for file in Path(workspace.root).glob("labels.db*"):
        file.unlink()
    LabelJournal(workspace).append(sample, [label(ids[1], "Bag", 2)])
    forget_engines()
    assert [edit.item_id for edit in LabelJournal(workspace).edits(sample.name)] == [ids[1]]
