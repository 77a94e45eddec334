"""``tidyset labels``: edit, undo, redo, history, versions; label_files has the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from core.cli.app import account, app
from core.cli.output import JsonFlag, emit, errors_explained
from core.data import catalog
from core.errors import BadInput
from core.people.acting import signed
from core.workspace import current

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.labels.compare import VersionDifference
    from core.labels.journal import Edit, EditFilter, NewEdit

labels = typer.Typer(
    help="Labels: edit, undo, history, versions; patches, agreement, export and import.", no_args_is_help=True
)
app.add_typer(labels, name="labels")

DataOption = Annotated[str, typer.Option("--data", help="Name of the data set.")]
WhoOption = Annotated[str | None, typer.Option(help="Your name; that of your account when not given.")]
WhyOption = Annotated[str, typer.Option(help="The reason, kept with the edit.")]
PersonOption = Annotated[str | None, typer.Option(help="Only the edits of this person.")]
SessionOption = Annotated[
    str | None, typer.Option(help="Only the edits of this session, as the history shows it.")
]
SinceOption = Annotated[
    str | None, typer.Option(help="Only edits from this time on: 2026-11-23, or 2026-11-23T09:30.")
]
FirstOption = Annotated[int | None, typer.Option("--from", min=1, help="Only edits from this number on.")]
LastOption = Annotated[int | None, typer.Option("--to", min=1, help="Only edits up to this number.")]
SAMPLE = "fashion-mnist-sample"


@labels.command("edit")
def edit_command(
    item: Annotated[list[str], typer.Option("--item", help="Id of the item. Can be repeated.")],
    label: Annotated[
        str | None, typer.Option(help="The class to give it; yes, no or unknown together with --class.")
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="The class to set, where images have several labels.")
    ] = None,
    kind_of_label: Annotated[
        Literal["label", "look", "settle", "propose"],
        typer.Option(
            "--as",
            help="What the label is: a decision, what a blind second look saw (it changes no label), what "
            "people who disagreed have settled on, or a class that the data set lacks.",
        ),
    ] = "label",
    mark: Annotated[
        Literal["confirm", "exclude", "include", "unsure"] | None,
        typer.Option(
            help="Instead of a label: confirm the given one, leave the image out, take it back in, or say "
            "that you cannot tell."
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
        kind = EditKind(mark or kind_of_label)
        person = writer(who)
        new = [NewEdit(one, kind, label, who=person, why=why, class_name=class_name) for one in item]
        _append(data, new, as_json=as_json)


@labels.command("new-classes")
def new_classes_command(
    name: Annotated[str, typer.Option(help="Name of the new data set.")],
    data: DataOption = SAMPLE,
    as_json: JsonFlag = False,
) -> None:
    """Make a data set of the same images with the proposed classes, labelled as in the newest version."""
    with errors_explained(as_json=as_json):
        from core.labels.new_classes import proposals, with_new_classes
        from core.labels.versions import labels_at

        workspace = current()
        dataset = catalog.open_dataset(workspace, data)
        added = proposals(dict(labels_at(workspace, dataset).proposed))
        made = with_new_classes(workspace, dataset, name)
        value = {"data": made.name, "classes": list(made.classes), "added": dict(added), "n": len(made)}
        lines = [f"{made.name}: {len(made.classes)} classes, {len(made):,} images"]
        lines += [f"  {one:<24} {n:>6,}" for one, n in added]
        emit(value, "\n".join(lines), as_json=as_json)


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
        new = NewEdit("", EditKind.UNDO, undoes=number, who=writer(who), why=why)
        _append(data, [new], as_json=as_json)


@labels.command("redo")
def redo_command(
    person: PersonOption = None,
    data: DataOption = SAMPLE,
    who: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonFlag = False,
) -> None:
    """Make valid again what was undone last, unless something was decided since."""
    with errors_explained(as_json=as_json):
        from core.labels.journal import EditKind, LabelJournal, NewEdit

        dataset = catalog.open_dataset(current(), data)
        number = LabelJournal(current()).last_to_redo(dataset.name, person).number
        new = NewEdit("", EditKind.UNDO, undoes=number, who=writer(who), why=why)
        _append(data, [new], as_json=as_json)


@labels.command("history")
def history_command(
    data: DataOption = SAMPLE,
    item: Annotated[str | None, typer.Option(help="Only the edits of this item.")] = None,
    person: PersonOption = None,
    session: SessionOption = None,
    since: SinceOption = None,
    first: FirstOption = None,
    last: LastOption = None,
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

            chosen = chosen_edits(person, session, since, first, last, item=item)
            found = LabelJournal(current()).edits(dataset.name, newest=limit, chosen=chosen)
        text = "\n".join(line_of(edit) for edit in found)
        if not text:
            text = (
                "No edits."
                if person or session or since or first or last
                else "No edits: the labels are as given."
            )
        emit([row_of(edit) for edit in found], text, as_json=as_json)


@labels.command("versions")
def versions_command(
    name: Annotated[str | None, typer.Option(help="Give a version this name, for good.")] = None,
    at: Annotated[str, typer.Option(help="The version to name: a number, a name, or newest.")] = "newest",
    compare: Annotated[
        tuple[str, str] | None, typer.Option(help="Two versions: what changed from the first to the second.")
    ] = None,
    data: DataOption = SAMPLE,
    who: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonFlag = False,
) -> None:
    """List the label versions that have a name; name one; or compare two. Version 0 is the given labels."""
    with errors_explained(as_json=as_json):
        from core.labels.compare import version_number
        from core.labels.journal import LabelJournal
        from core.labels.versions import current_version

        dataset = catalog.open_dataset(current(), data)
        if compare is not None:
            _compare(dataset, compare, as_json=as_json)
            return
        if name is not None:
            number = version_number(current(), dataset.name, at)
            LabelJournal(current()).name_version(dataset.name, name, number, writer(who), why)
        newest = current_version(current(), dataset.name)
        named = LabelJournal(current()).named_versions(dataset.name) if newest or name else []
        rows = [
            {"name": one.name, "version": one.version, "who": one.who, "at": time_of(one.at), "why": one.why}
            for one in named
        ]
        lines = [
            f"{row['version']:>6}  {row['name']:<24} {row['at']}  {row['who']}  {row['why']}" for row in rows
        ]
        text = "\n".join([*lines, f"{newest:>6}  (newest)"])
        emit({"newest": newest, "named": rows}, text, as_json=as_json)


def _compare(dataset: Dataset, versions: tuple[str, str], *, as_json: bool) -> None:
    from core.labels.compare import compare_versions, version_number
    from core.labels.versions import labels_at

    before, after = (
        labels_at(current(), dataset, version_number(current(), dataset.name, one)) for one in versions
    )
    found = compare_versions(dataset, before, after)
    ids = dataset.item_ids
    value = {
        "before": found.before,
        "after": found.after,
        "n_changed": len(found.changed),
        "pairs": [
            {"class": name, "before": old, "after": new, "n": n} for (name, old, new), n in found.pairs
        ],
        "changed": ids[found.changed].tolist(),
        "left_out": ids[found.left_out].tolist(),
        "taken_in": ids[found.taken_in].tolist(),
        "confirmed": ids[found.confirmed].tolist(),
    }
    emit(value, _difference_text(found), as_json=as_json)


def _difference_text(found: VersionDifference) -> str:
    head = f"From version {found.before} to {found.after}: {len(found.changed):,} items have another label"
    marks = (("left out", found.left_out), ("taken in", found.taken_in), ("confirmed", found.confirmed))
    head += "".join(f", {len(positions):,} {word}" for word, positions in marks if len(positions))
    lines = [
        f"{n:>6}  {f'{name}: ' if name else ''}{old or 'unlabelled'} -> {new or 'unlabelled'}"
        for (name, old, new), n in found.pairs
    ]
    return "\n".join([head, *lines])


def chosen_edits(
    person: str | None,
    session: str | None,
    since: str | None,
    first: int | None,
    last: int | None,
    item: str | None = None,
) -> EditFilter:
    """The filter that the options mean. Raises BadInput for a time that cannot be read."""
    from core.labels.journal import EditFilter

    try:
        start = None if since is None else datetime.fromisoformat(since).timestamp()
    except ValueError:
        raise BadInput(f"--since {since!r} is no time.", "Write 2026-11-23, or 2026-11-23T09:30.") from None
    return EditFilter(item_id=item, who=person, session=session, since=start, first=first, last=last)


def _append(data: str, new: list[NewEdit], *, as_json: bool) -> None:
    from core.labels.journal import LabelJournal

    dataset = catalog.open_dataset(current(), data)
    made = LabelJournal(current()).append(dataset, new)
    emit([row_of(edit) for edit in made], "\n".join(line_of(edit) for edit in made), as_json=as_json)


def writer(who: str | None) -> str:
    """The name to write under: the one that was given, else that of whoever acts."""
    return who or signed(current(), account())


def row_of(edit: Edit) -> dict[str, Any]:
    """An edit for --json."""
    return {
        "id": edit.number,
        "item": edit.item_id,
        "kind": str(edit.kind),
        "class": edit.class_name,
        "old": edit.old,
        "new": edit.new,
        "undoes": edit.undoes,
        "who": edit.who,
        "at": time_of(edit.at),
        "why": edit.why,
        "evidence": edit.evidence,
        "session": edit.session,
    }


def line_of(edit: Edit) -> str:
    """An edit for people."""
    what = f"{edit.kind} {edit.undoes}" if edit.undoes else str(edit.kind)
    named = f"{edit.class_name}: " if edit.class_name else ""
    if edit.kind == "look":
        change = f"saw {edit.new}"
    elif edit.old != edit.new:
        change = f"{edit.old or 'unlabelled'} -> {edit.new or 'unlabelled'}"
    else:
        change = edit.new or ""
    why = f"  ({edit.why})" if edit.why else ""
    head = f"{edit.number:>6}  {time_of(edit.at)}  {edit.who:<12} {edit.item_id:<16} {what:<10}"
    return f"{head} {named}{change}{why}"


def time_of(at: float) -> str:
    """A Unix time as people and programs read it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
