"""Edits that wait for the team's database: every page says so, and the server sends them."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.outbox import EditsWait, n_waiting
from core.workspace import Workspace
from dashboard import waiting
from tests.cable import Cable


def sidebar() -> AppTest:
    return AppTest.from_function(_draw).run()


def _draw() -> None:
    from dashboard import waiting

    waiting.draw()


def test_the_sidebar_says_what_waits_until_it_is_sent(
    workspace: Workspace, sample: Dataset, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cable(postgres) as cable:
        monkeypatch.setenv("TIDYSET_DATABASE_URL", cable.url)
        assert not sidebar().sidebar.warning
        cable.cut()
        edits = [
            NewEdit(str(sample.item_ids[0]), EditKind.LABEL, "Bag", session="s", seq=1),
            NewEdit(str(sample.item_ids[1]), EditKind.LABEL, "Hat", session="s", seq=2),
        ]
        with pytest.raises(EditsWait):
            LabelJournal(workspace).append_each(sample, edits)
        waiting.send(workspace)  # still away
        assert sidebar().sidebar.warning[0].value.startswith("2 label edits made here wait for the database")
        cable.mend()
        waiting.send(workspace)
        assert n_waiting(workspace) == 0
        assert LabelJournal(workspace).version(sample.name) == 1
    shown = sidebar().sidebar
    assert not shown.warning
    assert "1 label edit could not be made: 'Hat' is no class" in shown.error[0].value
