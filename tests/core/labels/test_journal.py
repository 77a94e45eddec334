"""The journal: durable, append-only, deaf to repetition; and what it does when the disk fails it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, Busy, DamagedFile, NotFound, StorageFailed
from core.labels import schema
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import current_version, labels_at
from core.workspace import Workspace


def label(item_id: str, new: str, seq: int = 1, session: str = "s") -> NewEdit:
    return NewEdit(item_id, EditKind.LABEL, new, session=session, seq=seq, who="ann", evidence={"guess": new})


@pytest.fixture
def journal(workspace: Workspace, sample: Dataset) -> LabelJournal:
    return LabelJournal(workspace)


@pytest.fixture
def ids(sample: Dataset) -> list[str]:
    return [str(item_id) for item_id in sample.item_ids]


def test_an_edit_is_kept_with_all_that_was_known(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    old = sample.classes[int(sample.labels[7])]
    journal.append(sample, [label(ids[7], "Bag")])
    (edit,) = LabelJournal(workspace).edits(sample.name)
    assert (edit.number, edit.item_id, edit.old, edit.new) == (1, ids[7], old, "Bag")
    assert (edit.who, edit.evidence, edit.undoes) == ("ann", {"guess": "Bag"}, None)


def test_numbers_count_from_one_in_every_data_set(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    made = journal.append(sample, [label(ids[k], "Bag", k) for k in range(3)])
    assert [edit.number for edit in made] == [1, 2, 3]
    assert journal.version("another") == 0


def test_a_repeated_edit_is_acknowledged_and_not_doubled(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    batch = [label(ids[k], "Bag", k) for k in range(4)]
    first = journal.append(sample, batch[:3])
    again = journal.append(sample, batch)
    assert again[:3] == first
    assert journal.version(sample.name) == 4


def test_the_same_key_twice_in_one_batch_is_one_edit(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    made = journal.append(sample, [label(ids[0], "Bag"), label(ids[0], "Bag")])
    assert [edit.number for edit in made] == [1, 1]
    assert journal.version(sample.name) == 1


def test_old_follows_the_edits_of_the_same_batch(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    made = journal.append(sample, [label(ids[0], "Bag", 1), label(ids[0], "Coat", 2)])
    assert (made[1].old, made[1].new) == ("Bag", "Coat")


def test_undo_and_redo_append(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    given = sample.classes[int(sample.labels[0])]
    journal.append(sample, [label(ids[0], "Bag", 1)])
    undo = NewEdit("", EditKind.UNDO, undoes=("s", 1), session="s", seq=2)
    redo = NewEdit("", EditKind.UNDO, undoes=2, session="s", seq=3)
    (undone,) = journal.append(sample, [undo])
    assert (undone.undoes, undone.old, undone.new) == (1, "Bag", given)
    assert labels_at(workspace, sample).labels[0] == sample.labels[0]
    (redone,) = journal.append(sample, [redo])
    assert (redone.old, redone.new) == (given, "Bag")
    assert labels_at(workspace, sample).labels[0] == sample.classes.index("Bag")
    assert journal.version(sample.name) == 3


def test_an_undo_may_come_in_the_same_batch_as_its_edit(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    undo = NewEdit("", EditKind.UNDO, undoes=("s", 1), session="s", seq=2)
    journal.append(sample, [label(ids[0], "Bag", 1), undo])
    assert not labels_at(workspace, sample).edited.any()


def test_undoing_an_old_edit_leaves_the_later_one_in_force(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [label(ids[0], "Bag", 1), label(ids[0], "Coat", 2)])
    journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=1)])
    assert labels_at(workspace, sample).labels[0] == sample.classes.index("Coat")


def test_last_to_undo_skips_what_is_undone(journal: LabelJournal, sample: Dataset, ids: list[str]) -> None:
    journal.append(sample, [label(ids[0], "Bag", 1), label(ids[1], "Bag", 2)])
    journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=2)])
    assert journal.last_to_undo(sample.name).number == 1
    with pytest.raises(NotFound, match="left to undo"):
        journal.last_to_undo(sample.name, who="bob")


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (NewEdit("train-x", EditKind.LABEL, "Bag"), NotFound),
        (NewEdit("FIRST", EditKind.LABEL, "Hat"), BadInput),
        (NewEdit("FIRST", EditKind.LABEL, None), BadInput),
        (NewEdit("", EditKind.UNDO, undoes=99), NotFound),
        (NewEdit("", EditKind.UNDO, undoes=("s", 99)), NotFound),
    ],
)
def test_an_impossible_edit_is_refused_and_takes_its_batch_along(
    journal: LabelJournal, sample: Dataset, ids: list[str], edit: NewEdit, error: type[Exception]
) -> None:
    if edit.item_id == "FIRST":
        edit = NewEdit(ids[0], edit.kind, edit.new)
    with pytest.raises(error):
        journal.append(sample, [label(ids[1], "Bag"), edit])
    assert journal.version(sample.name) == 0


def test_append_each_makes_the_others(journal: LabelJournal, sample: Dataset, ids: list[str]) -> None:
    made, refused = journal.append_each(sample, [label(ids[0], "Hat", 1), label(ids[1], "Bag", 2)])
    assert [edit.seq for edit in made] == [2]
    assert [(r.session, r.seq) for r in refused] == [("s", 1)]
    assert "Hat" in str(refused[0].error)


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


WRITER = """
import sys
from core.data.catalog import open_dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.workspace import current
session, first = sys.argv[1], int(sys.argv[2])
dataset = open_dataset(current(), "fashion-mnist-sample")
journal = LabelJournal(current())
for seq in range(first, 1001):
    item = str(dataset.item_ids[seq])
    edit = NewEdit(item, EditKind.LABEL, "Bag", session=session, seq=seq)
    journal.append(dataset, [edit])
    print(seq, flush=True)
"""


def writer(session: str, first: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, session, str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_loses_nothing_that_was_acknowledged(sample: Dataset, workspace: Workspace) -> None:
    process = writer("s")
    assert process.stdout is not None
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged == 400:
            os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 400 <= acknowledged < 1000
    kept = [edit.seq for edit in LabelJournal(workspace).edits(sample.name)]
    assert kept[:acknowledged] == list(range(1, acknowledged + 1))
    # Whoever heard nothing sends again, from before the break: none is doubled.
    assert writer("s", first=acknowledged - 50).communicate()[0].split()[-1] == "1000"
    kept = [edit.seq for edit in LabelJournal(workspace).edits(sample.name)]
    assert kept == list(range(1, 1001))


def test_two_writers_at_once_do_not_hinder_each_other(sample: Dataset, workspace: Workspace) -> None:
    both = [writer(session, first=701) for session in ("one", "two")]
    for process in both:
        process.communicate()
        assert process.returncode == 0
    edits = LabelJournal(workspace).edits(sample.name)
    assert [edit.number for edit in edits] == list(range(1, 601))
    assert {(edit.session, edit.seq) for edit in edits} == {
        (session, seq) for session in ("one", "two") for seq in range(701, 1001)
    }


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
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.1)
    schema._engine.cache_clear()
    other = sqlite3.connect(workspace.root / "labels.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="locked by another program"):
        LabelJournal(workspace).append(sample, [label(ids[0], "Bag")])
    other.execute("ROLLBACK")
    other.close()
    schema._engine.cache_clear()


def refuse_writes(workspace: Workspace) -> None:
    """Tell SQLite itself to write nothing: no file mode keeps root from writing."""
    with schema.writing(schema.database(workspace)) as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        connection.exec_driver_sql("INSERT INTO journal VALUES (2)")


def test_a_read_only_journal_says_so(journal: LabelJournal, workspace: Workspace) -> None:
    with pytest.raises(StorageFailed, match="read-only"):
        refuse_writes(workspace)
    schema._engine.cache_clear()


def test_a_file_that_is_no_database_is_reported(workspace: Workspace, sample: Dataset) -> None:
    (workspace.root / "labels.db").write_bytes(b"not a database at all, but long enough to look at" * 40)
    with pytest.raises(DamagedFile, match=r"labels\.db is no label journal"):
        current_version(workspace, sample.name)


def test_a_journal_of_a_newer_version_is_left_alone(journal: LabelJournal, workspace: Workspace) -> None:
    connection = sqlite3.connect(workspace.root / "labels.db")
    with connection:
        connection.execute("UPDATE journal SET format = 99")
    connection.close()
    schema._engine.cache_clear()
    with pytest.raises(DamagedFile, match="format 99"):
        LabelJournal(workspace)


def test_a_deleted_journal_is_not_written_to_in_secret(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [label(ids[0], "Bag")])
    for file in Path(workspace.root).glob("labels.db*"):
        file.unlink()
    LabelJournal(workspace).append(sample, [label(ids[1], "Bag", 2)])
    schema._engine.cache_clear()
    assert [edit.item_id for edit in LabelJournal(workspace).edits(sample.name)] == [ids[1]]
