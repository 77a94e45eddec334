"""``tidyset team``: lists that are shared out, without two people getting the same image; who is here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.labels import SAMPLE, DataOption, WhoOption, time_of, writer
from core.cli.output import JsonFlag, emit, errors_explained
from core.errors import BadInput
from core.workspace import current

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.team.lists import Progress, SharedList

team = typer.Typer(
    help="Working together: share a list out, take images of it, see who is here.", no_args_is_help=True
)
app.add_typer(team, name="team")

ListArgument = Annotated[str, typer.Argument(help="Name of the shared list.")]


@team.command("share")
def share_command(
    name: Annotated[str, typer.Argument(help="What to call the list.")],
    data: DataOption = SAMPLE,
    items: Annotated[Path | None, typer.Option(help="A file with an item id a line.")] = None,
    tag: Annotated[str | None, typer.Option(help="The images with this tag.")] = None,
    queue: Annotated[
        str, typer.Option(help="all, misclassified, least-confident, not-sure, ...: as on the Relabel page.")
    ] = "all",
    run: Annotated[str | None, typer.Option(help="The run whose guesses count, and are shown.")] = None,
    split: Annotated[str | None, typer.Option(help="Only of this split.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Without what is reviewed already.")] = False,
    overlap: Annotated[int, typer.Option(help="How many people see each image.")] = 1,
    at_once: Annotated[int, typer.Option(help="How many images a person gets at a time.")] = 25,
    minutes: Annotated[float, typer.Option(help="How long they are kept for who does nothing.")] = 20.0,
    who: WhoOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Share a list of images out to whoever takes some."""
    with errors_explained(as_json=as_json):
        from core.data.catalog import open_dataset
        from core.runs.store import find_run
        from core.team.lists import share

        workspace = current()
        dataset = open_dataset(workspace, data)
        ids = _ids(dataset, items, tag, queue, run, split, open_only=open_only)
        shared = share(
            workspace,
            dataset,
            name,
            ids,
            who=writer(who),
            overlap=overlap,
            at_once=at_once,
            seconds=60 * minutes,
            about={"run": find_run(workspace, run).id if run else None},
        )
        value = {"list": shared.name, "id": shared.id, "n": len(ids), "overlap": shared.overlap}
        emit(value, f"{shared.name!r}: {len(ids):,} images are shared.", as_json=as_json)


def _ids(
    dataset: Dataset,
    items: Path | None,
    tag: str | None,
    queue: str,
    run: str | None,
    split: str | None,
    *,
    open_only: bool,
) -> list[str]:
    """Of a file, a tag, or a queue."""
    from core.data.tags import tags_of
    from core.evaluation.predictions import load_predictions
    from core.files import read_limited
    from core.labels.versions import labels_at
    from core.quality.queue import QueueRequest, build_queue
    from core.runs.store import find_run

    if items is not None:
        try:
            text = read_limited(items.expanduser(), 2**26).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{items} cannot be read ({error}).", "Write an item id a line.") from error
        return [line.strip() for line in text.splitlines() if line.strip()]
    if tag is not None:
        tags = tags_of(current(), dataset)
        if tag not in tags:
            raise BadInput(f"There is no tag {tag!r}.", f"Tags are: {', '.join(tags) or 'none yet'}.")
        return list(tags[tag])
    judge = find_run(current(), run) if run else None
    found = build_queue(
        dataset,
        QueueRequest(kind=queue, run=judge.id if judge else None, split=split),
        labels_at(current(), dataset),
        load_predictions(judge.predictions_file) if judge else None,
        skip_reviewed=open_only,
    )
    return [str(one) for one in dataset.item_ids[found.positions]]


@team.command("lists")
def lists_command(
    data: DataOption = SAMPLE,
    closed: Annotated[bool, typer.Option("--closed", help="Closed ones too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """The shared lists, how far each is, and by whom."""
    with errors_explained(as_json=as_json):
        from core.team.lists import lists_of, progress

        found = [(one, progress(current(), one)) for one in lists_of(current(), data, closed=closed)]
        lines = [line for one, now in found for line in _lines(one, now)]
        text = "\n".join(lines) or f"{data!r} has no shared list."
        emit([_row(one, now) for one, now in found], text, as_json=as_json)


def _row(shared: SharedList, now: Progress) -> dict[str, Any]:
    return {
        "list": shared.name,
        "id": shared.id,
        "open": shared.closed is None,
        "overlap": shared.overlap,
        "n": now.n_images,
        "decisions": now.n_places,
        "done": now.n_done,
        "people": [{"name": one.person, "done": one.n_done, "taken": one.n_kept} for one in now.shares],
    }


def _lines(shared: SharedList, now: Progress) -> list[str]:
    state = "" if shared.closed is None else "  closed"
    head = f"{shared.name:<24} {now.n_done:>9,} of {now.n_places:,}{state}"
    return [head, *(f"  {one.person:<22} {one.n_done:>9,} done, {one.n_kept:,} taken" for one in now.shares)]


@team.command("take")
def take_command(
    name: ListArgument,
    data: DataOption = SAMPLE,
    n: Annotated[int | None, typer.Option("-n", min=1, help="How many in all.")] = None,
    who: WhoOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take images of a list: ids of what is kept for you now, and given to nobody else meanwhile."""
    with errors_explained(as_json=as_json):
        from core.data.catalog import open_dataset
        from core.team.lists import find_list, take

        workspace = current()
        dataset = open_dataset(workspace, data)
        taken = take(workspace, dataset, find_list(workspace, data, name), writer(who), n)
        emit({"list": name, "items": taken}, "\n".join(taken) or "Nothing is left for you.", as_json=as_json)


@team.command("release")
def release_command(
    name: ListArgument,
    data: DataOption = SAMPLE,
    who: Annotated[str | None, typer.Option(help="Whose images; yours when not given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Give back the images that were taken and not decided on."""
    with errors_explained(as_json=as_json):
        from core.team.lists import find_list, release

        n = release(current(), find_list(current(), data, name), writer(who))
        emit({"list": name, "released": n}, f"{n:,} images are given back.", as_json=as_json)


@team.command("close")
def close_command(name: ListArgument, data: DataOption = SAMPLE, as_json: JsonFlag = False) -> None:
    """Give out nothing more of a list; what was decided stays."""
    with errors_explained(as_json=as_json):
        from core.team.lists import close, find_list

        close(current(), find_list(current(), data, name))
        emit({"closed": name}, f"{name!r} is closed.", as_json=as_json)


@team.command("status")
def status_command(data: DataOption = SAMPLE, as_json: JsonFlag = False) -> None:
    """Who is here now, and who edited how much."""
    with errors_explained(as_json=as_json):
        from core.labels.work import work_of
        from core.team.presence import who_is_here

        here, work = who_is_here(current()), work_of(current(), data)
        value = {
            "here": [
                {"name": one.person, "data": one.dataset, "doing": one.doing, "at": time_of(one.at)}
                for one in here
            ],
            "work": [
                {"name": one.person, "edits": one.n_edits, "last_day": one.n_last_day, "at": time_of(one.at)}
                for one in work
            ],
        }
        lines = [f"here: {one.person}, {one.doing} ({one.dataset})" for one in here]
        lines += [f"{one.person:<24} {one.n_edits:>9,} edits, {one.n_last_day:,} in a day" for one in work]
        emit(value, "\n".join(lines) or "Nobody is here, and nothing was edited.", as_json=as_json)
