"""Every command of the command line, as each role: what only reads works, what writes is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.data.tags import add_tag
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.patch import export_patch, write_patch
from core.people.accounts import add_account
from core.people.acting import acting_as
from core.people.roles import Role
from core.runs.recipe import Recipe
from core.runs.store import create_run
from core.team.lists import share
from core.workspace import Workspace

ITEM, RUN = "train-00000", "a-run"
READS = {
    "active next", "app", "blend", "cache prune", "cache status", "captions info", "compare",
    "data diff", "data info", "data list", "db send", "db status", "db upgrade", "doctor", "evaluate",
    "images",
    "labels agreement", "labels export", "labels history", "labels merge", "labels versions",
    "people list", "runs diff", "runs export", "runs list", "runs show", "search", "similar",
    "team lists", "team status",
}  # fmt: skip
"""Write nothing that lasts; those with an option that does are below, with it."""
AS_ANNOTATOR = {
    "labels edit": ["--item", ITEM, "--label", "Bag"],
    "labels versions": ["--name", "first-pass"],
    "active next": ["--run", RUN, "--tag", "next"],
    "team take": ["first"],
    "team release": ["first"],
}
"""What an annotator may do, and a viewer may not."""
AS_ADMIN = {
    "labels undo": ["--id", "1"],  # of edits that somebody else made
    "labels redo": [],
    "labels revert": ["--person", "root"],
    "labels apply": ["{patch}"],
    "labels import": ["{patch}"],
    "labels new-classes": ["--name", "more-classes"],
    "team share": ["second", "--tag", "seen"],
    "team close": ["first"],
    "people add": ["zoe", "--no-password"],
    "people role": ["ann", "admin"],
    "people clear": [],
    "people password": ["root", "--no-password"],
    "people remove": ["vic"],
    "runs stop": [RUN],
    "runs resume": [RUN],
    "runs rename": [RUN, "other"],
    "runs note": [RUN, "seen"],
    "runs tag": [RUN, "seen"],
    "runs delete": [RUN, "--yes"],
    "data import": ["{images}", "--name", "mine"],
    "data hide": ["fashion-mnist-sample", "--name", "few"],
    "data clean": ["fashion-mnist-sample", "blur"],
    "data delete": ["fashion-mnist-sample", "--yes"],
    "db move": ["--to", "sqlite:///{elsewhere}"],
    "db send": ["--forget-refused"],
    "train": [],
    "crossval": [],
    "embed": [],
    "issues": [],
    "tune": [],
    "zero-shot": [],
    "few-shot": [],
    "active compare": [],
    "prove": [RUN],
    "fill": ["--data", "fashion-mnist-sample"],
    "unknown": ["--data", "fashion-mnist-sample"],
    "sweep": ["--data", "fashion-mnist-sample", "--grid", "dropout=0.1|0.2"],
    "captions mismatch": ["--data", "fashion-mnist-sample"],
}
"""What only an admin may do; the last need more than this workspace has, and end before they ask."""
NEEDS_MORE = {"unknown", "fill", "captions mismatch", "data clean", "active next"}


@pytest.fixture
def given(workspace: Workspace, sample: Dataset, tmp_path: Path) -> dict[str, str]:
    """Labels, a run, a tag, a shared list, made before there were accounts; then ann and vic."""
    journal = LabelJournal(workspace)
    exclude = NewEdit(ITEM, EditKind.EXCLUDE, who="root", session="s")
    undo = NewEdit("", EditKind.UNDO, undoes=("s", 1), who="root", session="s", seq=2)
    journal.append(sample, [NewEdit(ITEM, EditKind.PROPOSE, "Hat", who="root"), exclude, undo])
    add_tag(workspace, sample, "seen", [ITEM])
    share(workspace, sample, "first", [ITEM, str(sample.item_ids[1])], who="root")
    create_run(workspace, sample, Recipe(), name=RUN)
    patch = tmp_path / "patch.json"
    write_patch(export_patch(workspace, sample), patch)
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "1.png").write_bytes(b"no image")
    add_account(workspace, "root", Role.ADMIN)
    with acting_as("root"):
        add_account(workspace, "ann", Role.ANNOTATOR)
        add_account(workspace, "vic", Role.VIEWER)
    return {
        "patch": str(patch),
        "images": str(tmp_path / "images"),
        "elsewhere": str(tmp_path / "elsewhere.db"),
    }


def lasting(workspace: Workspace) -> dict[str, object]:
    """All that must not change: every file but caches and the database's own, and the database's rows."""
    root = workspace.root
    skip = {"cache", "labels.db", "labels.db-wal", "labels.db-shm", ".people.lock", ".accounts", "sessions"}
    found: dict[str, object] = {
        str(file.relative_to(root)): file.read_bytes()
        for top in root.iterdir()
        if top.name not in skip
        for file in ([top] if top.is_file() else top.rglob("*"))
        if file.is_file() and file.suffix != ".npy"
    }
    with closing(sqlite3.connect(root / "labels.db")) as connection:
        for table in ("edits", "named_versions", "shared_lists", "assignments"):
            found[table] = connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
    return found


def run(person: str, command: str, arguments: list[str], given: dict[str, str]) -> tuple[int, str]:
    filled = [one.format(**given) for one in arguments]
    result = CliRunner().invoke(app, ["--as", person, *command.split(), *filled])
    assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)
    return result.exit_code, result.output


def test_every_command_is_known_here() -> None:
    def names(group: TyperGroup, before: tuple[str, ...] = ()) -> set[str]:
        found: set[str] = set()
        for name, one in group.commands.items():
            inner = (*before, name)
            found |= names(one, inner) if isinstance(one, TyperGroup) else {" ".join(inner)}
        return found

    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    assert names(root) == READS | AS_ANNOTATOR.keys() | AS_ADMIN.keys()


def test_a_viewer_changes_nothing_and_an_annotator_only_labels(
    workspace: Workspace, given: dict[str, str]
) -> None:
    before = lasting(workspace)
    otherwise = {}
    for person, commands in (("vic", AS_ANNOTATOR | AS_ADMIN), ("ann", AS_ADMIN), ("nobody", AS_ADMIN)):
        for command, arguments in commands.items():
            code, output = run(person, command, arguments, given)
            refused = "may not" in output or "has no account here" in output
            if code == 0 or not refused:
                otherwise[command] = (code, output)
    assert otherwise.keys() == NEEDS_MORE, otherwise
    assert lasting(workspace) == before


def test_an_annotator_may_label_under_their_own_name(workspace: Workspace, given: dict[str, str]) -> None:
    for command in ("team take", "labels edit", "team release"):
        code, output = run("ann", command, AS_ANNOTATOR[command], given)
        assert code == 0, (command, output)
    assert LabelJournal(workspace).edits("fashion-mnist-sample")[-1].who == "ann"
    code, output = run("ann", "labels edit", [*AS_ANNOTATOR["labels edit"], "--who", "root"], given)
    assert code == 1
    assert "in the name of 'root'" in output
    code, output = run("ann", "labels undo", [], given)
    assert code == 0, output


def test_a_viewer_may_read(workspace: Workspace, given: dict[str, str]) -> None:
    for command in ("data list", "runs list", "labels history", "team lists", "team status", "people list"):
        code, output = run("vic", command, [], given)
        assert code == 0, (command, output)
