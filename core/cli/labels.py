"""``tidyset labels``: edit, undo, history, export."""

from __future__ import annotations

from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.data import catalog
from core.errors import BadInput
from core.workspace import current

if TYPE_CHECKING:
    from core.labels.journal import Edit, NewEdit

labels = typer.Typer(help="Labels: edit, undo, list the edits, export.", no_args_is_help=True)
app.add_typer(labels, name="labels")

DataOption = Annotated[str, typer.Option("--data", help="Name of the data set.")]
WhoOption = Annotated[str | None, typer.Option(help="Your name; that of your account when not given.")]
WhyOption = Annotated[str, typer.Option(help="The reason, kept with the edit.")]
SAMPLE = "fashion-mnist-sample"


@labels.command("edit")
def edit_command(
    item: Annotated[list[str], typer.Option("--item", help="Id of the item. Can be repeated.")],
    label: Annotated[str | None, typer.Option(help="The class to give it.")] = None,
    mark: Annotated[
        Literal["confirm", "exclude", "include"] | None,
        typer.Option(
            help="Instead of a label: confirm the given one, leave the image out, or take it back in."
        ),
    ] = None,
    data: DataOption = SAMPLE,
    who: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Give items a label; the given one is kept, and `undo` brings it back. All of it is saved, or none."""
    with errors_explained(as_json=as_json):
        from core.labels.journal import EditKind, NewEdit

        if (label is None) == (mark is None):
            raise BadInput("An edit needs either a label or a mark.", "Give --label CLASS or --mark confirm.")
        kind = EditKind.LABEL if mark is None else EditKind(mark)
        new = [NewEdit(one, kind, label, who=who or _account(), why=why) for one in item]
        _append(data, new, as_json=as_json)


@labels.command("undo")
def undo_command(
    number: Annotated[
        int | None,
        typer.Option("--id", help="Number of the edit, as in the history; the newest when not given."),
    ] = None,
    data: DataOption = SAMPLE,
    who: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Take an edit back; undoing an undo (by its --id) makes the edit valid again."""
    with errors_explained(as_json=as_json):
        from core.labels.journal import EditKind, LabelJournal, NewEdit

        dataset = catalog.open_dataset(current(), data)
        if number is None:
            number = LabelJournal(current()).last_to_undo(dataset.name).number
        new = NewEdit("", EditKind.UNDO, undoes=number, who=who or _account(), why=why)
        _append(data, [new], as_json=as_json)


@labels.command("history")
def history_command(
    data: DataOption = SAMPLE,
    item: Annotated[str | None, typer.Option(help="Only the edits of this item.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Only the newest so many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List the edits, oldest first. A number is also the label version that the edit made."""
    with errors_explained(as_json=as_json):
        from core.labels.versions import current_version

        dataset = catalog.open_dataset(current(), data)
        if item is not None:
            dataset.positions([item])
        found: list[Edit] = []
        if current_version(current(), dataset.name):
            from core.labels.journal import LabelJournal

            found = LabelJournal(current()).edits(dataset.name, item_id=item, newest=limit)
        text = "\n".join(_line(edit) for edit in found) or "No edits: the labels are as given."
        emit([_row(edit) for edit in found], text, as_json=as_json)


@labels.command("export")
def export_command(
    output: Annotated[Path, typer.Option(help="File to write, ending in .csv, .parquet or .jsonl.")],
    data: DataOption = SAMPLE,
    version: Annotated[
        int | None, typer.Option(help="Label version; the newest when not given, 0 for the given labels.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a table of every item's given and current label."""
    with errors_explained(as_json=as_json):
        from core.labels.export import export_labels
        from core.labels.versions import labels_at

        dataset = catalog.open_dataset(current(), data)
        state = labels_at(current(), dataset, version)
        n = export_labels(dataset, state, output.expanduser())
        n_edited = int(state.edited.sum())
        value = {"file": str(output), "n_items": n, "n_edited": n_edited, "version": state.version}
        text = f"{output}: {n:,} items, {n_edited:,} of them relabelled, label version {state.version}"
        emit(value, text, as_json=as_json)


def _append(data: str, new: list[NewEdit], *, as_json: bool) -> None:
    from core.labels.journal import LabelJournal

    dataset = catalog.open_dataset(current(), data)
    made = LabelJournal(current()).append(dataset, new)
    emit([_row(edit) for edit in made], "\n".join(_line(edit) for edit in made), as_json=as_json)


def _account() -> str:
    try:
        return getuser()
    except (OSError, KeyError):
        return "annotator"


def _row(edit: Edit) -> dict[str, Any]:
    return {
        "id": edit.number,
        "item": edit.item_id,
        "kind": str(edit.kind),
        "old": edit.old,
        "new": edit.new,
        "undoes": edit.undoes,
        "who": edit.who,
        "at": _time(edit),
        "why": edit.why,
        "evidence": edit.evidence,
    }


def _line(edit: Edit) -> str:
    what = f"{edit.kind} {edit.undoes}" if edit.undoes else str(edit.kind)
    change = f"{edit.old or 'unlabelled'} -> {edit.new or 'unlabelled'}" if edit.old != edit.new else edit.new
    why = f"  ({edit.why})" if edit.why else ""
    return f"{edit.number:>6}  {_time(edit)}  {edit.who:<12} {edit.item_id:<16} {what:<10} {change}{why}"


def _time(edit: Edit) -> str:
    return datetime.fromtimestamp(edit.at, UTC).isoformat(timespec="seconds")
