"""``tidyset db``: moving everything from SQLite to PostgreSQL and back, all or nothing; status; sending."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from core.cli import app
from core.data.dataset import Dataset
from core.database.engine import connect, open_address, writing
from core.database.migrate import prepare
from core.database.move import move
from core.errors import BadInput
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.outbox import EditsWait
from core.team import lists, presence
from core.tuning.study_log import append_entries
from core.workspace import Workspace
from tests.cable import Cable


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["db", *arguments])


@pytest.fixture
def journal(workspace: Workspace, sample: Dataset) -> LabelJournal:
    """Edits with all kinds of text, an undo, a named version; a study."""
    journal = LabelJournal(workspace)
    ids = [str(item_id) for item_id in sample.item_ids[:40]]
    evidence = {"guess": 'a "quoted" Größe 🧥', "confidence": 0.1 + 0.2, "nested": {"a": [1, None, True]}}
    edits = [
        NewEdit(item_id, EditKind.LABEL, "Bag", session="s", seq=2**40 + n, why="x;'\\", evidence=evidence)
        for n, item_id in enumerate(ids)
    ]
    journal.append(sample, [*edits, NewEdit("", EditKind.UNDO, undoes=("s", 2**40))])
    journal.name_version(sample.name, "first", 41, "ann")
    lists.share(workspace, sample, "first pass", ids[:3], who="ann")
    presence.note(workspace, "ann", sample.name, "Relabel")
    append_entries(connect(workspace), "study", "batch", [{"value": float("nan")}])
    return journal


def test_there_and_back_again(
    journal: LabelJournal,
    workspace: Workspace,
    sample: Dataset,
    postgres: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edits, names = journal.edits(sample.name), journal.named_versions(sample.name)
    for url in (postgres, f"sqlite:///{tmp_path / 'back.db'}"):
        result = run("move", "--to", url, "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.output)["rows"] == {
            "assignments": 3,
            "edits": 41,
            "named_versions": 1,
            "presence": 1,
            "runs": 0,
            "shared_lists": 1,
            "study_log": 1,
        }
        monkeypatch.setenv("TIDYSET_DATABASE_URL", url)
        assert LabelJournal(workspace).edits(sample.name) == edits
        assert LabelJournal(workspace).named_versions(sample.name) == names


def test_a_second_time_changes_nothing(journal: LabelJournal, workspace: Workspace, postgres: str) -> None:
    first = move(connect(workspace), open_address(postgres))
    assert move(connect(workspace), open_address(postgres)) == first


def test_a_database_with_other_contents_is_left_alone(
    journal: LabelJournal,
    workspace: Workspace,
    sample: Dataset,
    postgres: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDYSET_DATABASE_URL", postgres)
    other = LabelJournal(workspace)
    other.append(sample, [NewEdit(str(sample.item_ids[5]), EditKind.EXCLUDE)])
    monkeypatch.delenv("TIDYSET_DATABASE_URL")
    with pytest.raises(BadInput, match="has other contents already"):
        move(connect(workspace), open_address(postgres))
    with pytest.raises(BadInput, match="into itself"):
        move(connect(workspace), connect(workspace))
    assert other.version(sample.name) == 1


def test_what_the_other_cannot_hold_leaves_nothing_there(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, postgres: str
) -> None:
    journal.append(sample, [NewEdit(str(sample.item_ids[5]), EditKind.EXCLUDE, why="a\0b")])
    target = prepare(open_address(postgres))
    with pytest.raises(BadInput, match="cannot hold that"):
        move(connect(workspace), target)
    with writing(target) as connection:
        assert connection.scalar(text("SELECT count(*) FROM edits")) == 0


def test_status_and_sending_tell_what_waits(
    workspace: Workspace, sample: Dataset, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cable(postgres) as cable:
        monkeypatch.setenv("TIDYSET_DATABASE_URL", cable.url)
        assert "not made yet" in run("status").output
        cable.cut()
        with pytest.raises(EditsWait):
            LabelJournal(workspace).append(sample, [NewEdit(str(sample.item_ids[0]), EditKind.EXCLUDE)])
        result = run("status", "--json")
        assert result.exit_code == 1
        assert json.loads(result.output)["waiting"] == 1
        assert run("send").exit_code == 1
        cable.mend()
        assert "First `tidyset db send`" in run("move", "--to", f"sqlite:///{workspace.root}/x.db").stderr
        assert "1 sent, 0 wait" in run("send").output
        result = json.loads(run("status", "--json").output)
    assert result["kind"] == "postgresql"
    assert (result["rows"]["edits"], result["waiting"], result["fsync"]) == (1, 0, "on")
    assert result["schema"] == result["newest"]


def test_upgrading_says_where_the_copy_is(workspace: Workspace) -> None:
    assert json.loads(run("upgrade", "--json").output)["copy"] is None
    assert json.loads(run("status", "--json").output)["rows"]["edits"] == 0
