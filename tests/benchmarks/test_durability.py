"""The benchmark would see a lost or doubled edit: it counts in the file, past our own code."""

from __future__ import annotations

import sqlite3

import pytest

from benchmarks.durability import Client, rows, tally
from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.workspace import Workspace


def test_a_lost_and_a_doubled_edit_are_seen(workspace: Workspace, sample: Dataset) -> None:
    edits = [NewEdit(str(sample.item_ids[k]), EditKind.EXCLUDE, session="one", seq=k) for k in range(1, 5)]
    made = LabelJournal(workspace).append(sample, edits)
    acknowledged = {edit.seq: edit.number for edit in made}
    journal = workspace.root / "labels.db"
    whole = {"in_journal": 4, "lost": 0, "doubled": 0, "gaps": 0}
    assert tally(journal, {"one": acknowledged}) == whole
    assert tally(journal, {"one": {**acknowledged, 5: 5}})["lost"] == 1
    assert tally(journal, {"one": {**acknowledged, 1: 2}})["lost"] == 1
    bare = workspace.root / "bare.db"
    database = sqlite3.connect(bare)
    with database:
        database.execute("CREATE TABLE edits (session, seq, number)")
        database.executemany("INSERT INTO edits VALUES ('one', ?, ?)", [(1, 1), (1, 2), (2, 4)])
    database.close()
    assert tally(bare, {"one": {1: 2}}) == {"in_journal": 3, "lost": 0, "doubled": 1, "gaps": 1}
    assert rows(bare)[-1] == ("one", 2, 4)


def test_a_client_says_when_the_server_is_away(workspace: Workspace, sample: Dataset) -> None:
    client = Client(workspace, sample, "nobody-listens")
    with pytest.raises(OSError, match="refused"):
        client.post(9, 1)
    assert client.acknowledged == {}
    assert client.n_sent == 1
