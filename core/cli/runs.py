"""``tidyset runs``: list, compare, show, stop, resume, rename, note, tag, export, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.engines import Address, Workers
from core.cli.output import JsonFlag, emit, errors_explained
from core.data import catalog
from core.engines import assign, engine_plan, plan_of
from core.errors import BadInput
from core.runs import launch, store
from core.runs.store import Run, RunStatus
from core.wording import percent
from core.workspace import current

runs = typer.Typer(
    help="Runs: list, compare, show, stop, resume, rename, note, tag, export, delete.", no_args_is_help=True
)
app.add_typer(runs, name="runs")

Name = Annotated[str, typer.Argument(help="The run's name or id.")]


def as_row(run: Run, now: RunStatus) -> dict[str, Any]:
    """One line of the list."""
    keys = ("test_accuracy", "test_macro_f1", "valid_accuracy", "seconds")
    return {
        "run": run.name,
        "id": run.id,
        "state": str(now.state),
        "share": round(now.share, 4),
        "seconds_left": now.seconds_left,
        "data": run.dataset,
        "label_version": run.label_version,
        "epochs": len(now.epochs),
        **{key: now.summary.get(key) for key in keys},
        "error": now.error,
        "notes": run.notes,
        "tags": list(run.tags),
        "created": run.created,
    }


def _line(row: dict[str, Any]) -> str:
    accuracy = row["test_accuracy"]
    tested = f"test {accuracy:.4f}" if accuracy is not None else f"{percent(row['share'], 0)} done"
    labels = f"labels {row['label_version']}"
    why = f": {row['error']}" if row["error"] else ""
    return f"{row['run']:<24} {row['state']:<9} {row['data']:<24} {labels:<12} {tested}{why}"


@runs.command("list")
def list_command(
    data: Annotated[str | None, typer.Option(help="Only runs on this data set.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only runs with this tag; all of several.")] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Mean and deviation by a field of the recipe, dataset or tags.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """All runs, newest first; or how they fare by group."""
    with errors_explained(as_json=as_json):
        found = [run for run in store.list_runs(current(), dataset=data) if set(tag or []) <= set(run.tags)]
        if data is not None and not found and not tag:
            catalog.check_there(
                current(), data
            )  # runs may outlive their data set, so only where there are none
        if group_by is not None:
            from core.runs.compare import grouped

            groups = grouped([(run, store.status(run)) for run in found], group_by)
            emit(groups, "\n".join(_group_line(row, group_by) for row in groups), as_json=as_json)
            return
        rows = [as_row(run, store.status(run)) for run in found]
        damaged = [
            {"folder": str(folder), "state": "damaged", "error": reason}
            for folder, reason in store.damaged_runs(current())
        ]
        lines = [_line(row).rstrip() for row in rows] + [
            f"{d['folder']} is damaged: {d['error']}" for d in damaged
        ]
        emit([*rows, *damaged], "\n".join(lines) or _none(data, tag), as_json=as_json)


def _none(data: str | None, tags: list[str] | None) -> str:
    """What is said where no run is listed."""
    on = f" on {data}" if data else ""
    return f"No run{on} is tagged {' and '.join(tags)}." if tags else f"There are no runs{on} yet."


def _group_line(row: dict[str, Any], by: str) -> str:
    parts = [f"{row[by]:<24} {row['n']:>4} {'run' if row['n'] == 1 else 'runs'}"]
    for figure, title in (("valid_accuracy", "validation"), ("test_accuracy", "test")):
        if row[figure] is not None:
            sd = row[f"{figure}_sd"]
            parts.append(f"{title} {row[figure]:.4f}" + (f" ± {sd:.4f}" if sd is not None else ""))
    return "  ".join(parts)


@runs.command("diff")
def diff_command(
    names: Annotated[list[str], typer.Argument(help="Runs, by name or id.")], *, as_json: JsonFlag = False
) -> None:
    """What differs between the recipes of runs."""
    with errors_explained(as_json=as_json):
        from core.runs.compare import recipe_differences

        found = [store.find_run(current(), name) for name in names]
        differences = recipe_differences(found)
        about = {"runs": [run.name for run in found], "differences": differences}
        width = max(map(len, [*differences, "run"]))
        lines = [f"{'run':<{width}}  " + "  ".join(f"{run.name:<20}" for run in found)]
        lines += [
            f"{name:<{width}}  " + "  ".join(f"{value!s:<20}" for value in row)
            for name, row in differences.items()
        ]
        text = "\n".join(line.rstrip() for line in lines) if differences else "They have the same recipe."
        emit(about, text, as_json=as_json)


@runs.command("export")
def export_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Runs, by name or id; all trainings when none is given.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="A folder for runs.csv and epochs.csv.")] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="A folder for event files: `tensorboard --logdir FOLDER`.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Write runs for other tools: CSV tables, or event files that TensorBoard reads."""
    with errors_explained(as_json=as_json):
        from core.runs.export import export_csv, export_tensorboard

        if csv is None and tensorboard is None:
            raise BadInput("Neither --csv nor --tensorboard was given.", "Say where to: --csv FOLDER.")
        found = [store.find_run(current(), name) for name in names or []] or store.list_runs(current())
        written = [*(export_csv(found, csv) if csv else ())]
        written += export_tensorboard(found, tensorboard) if tensorboard else ()
        paths = [str(path) for path in written]
        emit({"n_runs": len(found), "written": paths}, "\n".join(paths), as_json=as_json)


@runs.command("show")
def show_command(name: Name, *, as_json: JsonFlag = False) -> None:
    """One run: state, recipe, epochs, report."""
    with errors_explained(as_json=as_json):
        run = store.find_run(current(), name)
        now = store.status(run)
        recipe = run.recipe.model_dump() if run.recipe_file.exists() else None
        about = as_row(run, now) | {
            "recipe": recipe,
            "history": list(now.epochs),
            "worker_notes": list(now.notes),
        }
        report = run.report_file.read_text(encoding="utf-8") if run.report_file.exists() else ""
        emit(about, f"{_line(about)}\n\n{report}".strip(), as_json=as_json)


@runs.command("stop")
def stop_command(name: Name, *, as_json: JsonFlag = False) -> None:
    """Ask a run to end; it writes a checkpoint first."""
    with errors_explained(as_json=as_json):
        run = store.find_run(current(), name)
        launch.request_stop(run)
        now = launch.wait(run, timeout=60)
        emit(as_row(run, now), f"{run.name} is {now.state}.", as_json=as_json)


@runs.command("resume")
def resume_command(
    name: Name,
    *,
    engine: Annotated[str | None, typer.Option(help="Go on elsewhere: local or ray.")] = None,
    address: Address = None,
    workers: Workers = None,
    detach: Annotated[bool, typer.Option(help="Return at once.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Go on with a stopped, failed or lost run from its last checkpoint, where it was or elsewhere."""
    with errors_explained(as_json=as_json):
        run = store.find_run(current(), name)
        if not (engine is None and address is None and workers is None):
            launch.check_resumable(run)
            run = assign(run, engine_plan(engine or plan_of(run).name, address, workers))
        launch.resume(run)
        if detach:
            emit(
                {"run": run.name, "id": run.id, "state": "starting"}, f"{run.name} goes on.", as_json=as_json
            )
            return
        from core.cli.training import follow

        follow(run, as_json=as_json)


@runs.command("rename")
def rename_command(name: Name, new: str, *, as_json: JsonFlag = False) -> None:
    """Give a run another name."""
    with errors_explained(as_json=as_json):
        run = store.rename_run(current(), store.find_run(current(), name), new)
        emit({"run": run.name, "id": run.id}, f"{name} is now {run.name}.", as_json=as_json)


@runs.command("note")
def note_command(name: Name, text: str, *, as_json: JsonFlag = False) -> None:
    """Keep a note on a run."""
    with errors_explained(as_json=as_json):
        run = store.set_notes(store.find_run(current(), name), text)
        emit({"run": run.name, "id": run.id, "notes": run.notes}, "Noted.", as_json=as_json)


@runs.command("tag")
def tag_command(
    name: Name,
    tags: Annotated[list[str] | None, typer.Argument(help="Its tags from now on; none to take all.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Give a run tags, to find and group it by."""
    with errors_explained(as_json=as_json):
        run = store.set_tags(store.find_run(current(), name), tags or [])
        text = f"{run.name}: {', '.join(run.tags) or 'no tags'}"
        emit({"run": run.name, "id": run.id, "tags": list(run.tags)}, text, as_json=as_json)


@runs.command("delete")
def delete_command(
    names: Annotated[list[str], typer.Argument(help="Runs, by name or id.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete runs and all in their folders."""
    with errors_explained(as_json=as_json):
        found = [store.find_run(current(), name) for name in names]
        which = repr(found[0].name) if len(found) == 1 else f"these {len(found)} runs"
        if not yes and not typer.confirm(f"Delete {'the run ' if len(found) == 1 else ''}{which}?"):
            raise typer.Exit(1)
        gone = store.delete_runs(found)
        value: dict[str, Any] = {"deleted": gone[0].name, "id": gone[0].id}
        if len(gone) > 1:
            value = {"deleted": [run.name for run in gone], "id": [run.id for run in gone]}
        names_gone = ", ".join(run.name for run in gone)
        emit(value, f"{names_gone} {'is' if len(gone) == 1 else 'are'} deleted.", as_json=as_json)
