"""``tidyset runs``: list, show, stop, resume, rename, note, delete."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.runs import launch, store
from core.runs.store import Run, RunStatus
from core.workspace import current

runs = typer.Typer(help="Runs: list, show, stop, resume, rename, note, delete.", no_args_is_help=True)
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
        "created": run.created,
    }


def _line(row: dict[str, Any]) -> str:
    accuracy = row["test_accuracy"]
    tested = f"test {accuracy:.4f}" if accuracy is not None else f"{row['share']:.0%}"
    labels = f"labels {row['label_version']}"
    return f"{row['run']:<24} {row['state']:<9} {row['data']:<24} {labels:<12} {tested} {row['error']}"


@runs.command("list")
def list_command(
    data: Annotated[str | None, typer.Option(help="Only runs on this data set.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """All runs, newest first."""
    with errors_explained(as_json=as_json):
        rows = [as_row(run, store.status(run)) for run in store.list_runs(current(), dataset=data)]
        damaged = [
            {"folder": str(folder), "state": "damaged", "error": reason}
            for folder, reason in store.damaged_runs(current())
        ]
        lines = [_line(row).rstrip() for row in rows] + [
            f"{d['folder']} is damaged: {d['error']}" for d in damaged
        ]
        emit([*rows, *damaged], "\n".join(lines) or "There are no runs yet.", as_json=as_json)


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
    detach: Annotated[bool, typer.Option(help="Return at once.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Go on with a stopped, failed or lost run from its last checkpoint."""
    with errors_explained(as_json=as_json):
        run = store.find_run(current(), name)
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


@runs.command("delete")
def delete_command(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete a run and all in its folder."""
    with errors_explained(as_json=as_json):
        run = store.find_run(current(), name)
        if not yes and not typer.confirm(f"Delete the run {run.name!r}?"):
            raise typer.Exit(1)
        store.delete_run(run)
        emit({"deleted": run.name, "id": run.id}, f"{run.name} is deleted.", as_json=as_json)
