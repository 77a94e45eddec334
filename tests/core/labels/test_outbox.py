"""A team's database that is away: edits wait on this machine, say so, and none is lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from core.data.dataset import Dataset
from core.database.engine import connect, forget_engines, writing
from core.errors import BadInput, StorageFailed
from core.labels import outbox
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.outbox import EditsWait, deliver, n_waiting, waiting
from core.workspace import Workspace
from tests.cable import Cable


def label(item_id: str, new: str, seq: int = 1, session: str = "s") -> NewEdit:
    return NewEdit(item_id, EditKind.LABEL, new, session=session, seq=seq, evidence={"confidence": 0.5})


@pytest.fixture
def cable(postgres: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    with Cable(postgres) as cable:
        monkeypatch.setenv("TIDYSET_DATABASE_URL", cable.url)
        yield cable


@pytest.fixture
def ids(sample: Dataset) -> list[str]:
    return [str(item_id) for item_id in sample.item_ids]


def test_edits_wait_and_go_before_later_ones(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    journal = LabelJournal(workspace)
    journal.append(sample, [label(ids[0], "Bag", 1)])
    cable.cut()
    with pytest.raises(EditsWait, match="2 label edits wait on this machine") as caught:
        journal.append(sample, [label(ids[1], "Bag", 2), label(ids[2], "Bag", 3)])
    assert "None is lost" in caught.value.mend
    undo = NewEdit("", EditKind.UNDO, undoes=("s", 1), session="s", seq=4)
    with pytest.raises(EditsWait, match="3 label edits wait"):  # one of them was there already
        journal.append_each(sample, [label(ids[2], "Bag", 3), undo])
    cable.mend()
    journal.append(sample, [label(ids[1], "Coat", 1, "later")])
    edits = journal.edits(sample.name)
    assert [(edit.session, edit.seq) for edit in edits] == [
        ("s", 1),
        ("s", 2),
        ("s", 3),
        ("s", 4),
        ("later", 1),
    ]
    assert (edits[1].evidence, edits[3].undoes, edits[4].old) == ({"confidence": 0.5}, 1, "Bag")
    assert n_waiting(workspace) == 0


def test_they_wait_where_the_database_was_never_seen(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    cable.cut()
    with pytest.raises(EditsWait, match="1 label edit waits"):
        LabelJournal(workspace).append(sample, [label(ids[0], "Bag")])
    with pytest.raises(StorageFailed):
        deliver(workspace)
    forget_engines()  # as after a restart
    cable.mend()
    assert deliver(workspace).n_sent == 1
    assert LabelJournal(workspace).version(sample.name) == 1
    assert deliver(workspace).n_sent == 0


def test_a_cable_pulled_again_and_again_loses_and_doubles_nothing(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    journal, waited, is_over = LabelJournal(workspace), 0, threading.Event()

    def pull() -> None:
        while not is_over.wait(0.15):
            cable.cut()
            time.sleep(0.1)
            cable.mend()

    puller = threading.Thread(target=pull)
    puller.start()
    for seq in range(120):
        try:
            journal.append(sample, [label(ids[seq], "Bag", seq)])
        except EditsWait:
            waited += 1
    is_over.set()
    puller.join()
    deliver(workspace)
    assert waited > 0
    assert [edit.seq for edit in journal.edits(sample.name)] == list(range(120))


def test_a_connection_that_the_server_ends_is_opened_again(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    journal = LabelJournal(workspace)
    journal.append(sample, [label(ids[0], "Bag", 1)])
    with writing(connect(workspace)) as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND "
        connection.execute(text(end + "query LIKE '%edits%' AND usename = current_user"))
    journal.append(sample, [label(ids[1], "Bag", 2)])
    assert journal.version(sample.name) == 2


def test_what_the_journal_refuses_stays_with_the_reason(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    cable.cut()
    batch = [label(ids[0], "Hat", 1), label(ids[1], "Bag", 2), label(ids[1], "Bag", 3, "a\0b")]
    with pytest.raises(EditsWait):
        LabelJournal(workspace).append_each(sample, batch)
    cable.mend()
    delivery = deliver(workspace)
    assert delivery.n_sent == 1
    assert "'Hat' is no class" in delivery.refused[0]
    assert len(waiting(workspace, refused=True)) == 2
    assert n_waiting(workspace) == 0
    assert outbox.let_go_of_refused(workspace) == 2


def test_edits_worked_out_from_a_version_do_not_wait(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    cable.cut()
    with pytest.raises(StorageFailed) as caught:
        LabelJournal(workspace).append(sample, [label(ids[0], "Bag")], only_at=0)
    assert not isinstance(caught.value, EditsWait)
    assert n_waiting(workspace) == 0


def test_what_can_wait_nowhere_is_not_said_to_be_safe(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    outbox.outbox_file(workspace).mkdir()
    cable.cut()
    with pytest.raises(StorageFailed, match="Nor can edits wait on this machine") as caught:
        LabelJournal(workspace).append(sample, [label(ids[0], "Bag")])
    assert not isinstance(caught.value, EditsWait)


@pytest.mark.parametrize("strange", ["a\0b", "half of a pair: \ud83d"])
def test_text_that_no_database_holds_is_refused(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str], strange: str
) -> None:
    edit = NewEdit(ids[0], EditKind.LABEL, "Bag", why=strange)
    with pytest.raises(BadInput):
        LabelJournal(workspace).append(sample, [edit])


def test_what_was_shown_waits_with_an_edit(
    cable: Cable, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    given = sample.classes[int(sample.labels[0])]
    other = next(name for name in sample.classes if name != given)
    cable.cut()
    seen = NewEdit(ids[0], EditKind.CONFIRM, session="old tab", shown=(given,))
    with pytest.raises(EditsWait):
        LabelJournal(workspace).append(sample, [label(ids[0], other), seen])
    cable.mend()
    delivery = deliver(workspace)
    assert delivery.n_sent == 1
    assert f"is now {other}" in delivery.refused[0]
