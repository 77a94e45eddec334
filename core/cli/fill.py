"""``tidyset fill``: let a model answer unknown labels, where it is right often enough."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained


@app.command("fill")
def fill(
    data: Annotated[str, typer.Option(help="Name of the data set.")],
    method: Annotated[
        str, typer.Option(help="per-label: a network for each label; joint: one for all of them.")
    ] = "joint",
    precision: Annotated[
        float, typer.Option(help="How often a filled label is to be right, measured on known ones.")
    ] = 0.95,
    recipe: Annotated[str, typer.Option(help="A preset or a .toml file: what is trained.")] = "fast",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set epochs=3.")
    ] = None,
    folds: Annotated[int, typer.Option(help="By how many models the known labels are judged.")] = 3,
    dry_run: Annotated[bool, typer.Option(help="Only tell what would be filled.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of this run; made up when not given.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Fill unknown labels of the training images, as edits made by a model that can all be taken back.

    Ctrl-C stops; the same command goes on with the trainings that are missing.
    """
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.data.catalog import open_dataset
        from core.engines import assign, engine_plan
        from core.labels.versions import current_version
        from core.quality.filling import create_fill, read_fill, text_fill
        from core.runs.launch import start
        from core.runs.presets import find_recipe
        from core.runs.recipe import parse_settings
        from core.workspace import current

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = open_dataset(workspace, data)
        chosen = find_recipe(workspace, recipe).with_changes(parse_settings(settings or []))
        version = current_version(workspace, dataset.name)
        run = create_fill(
            workspace,
            dataset,
            chosen,
            method=method,
            precision=precision,
            n_folds=folds,
            apply=not dry_run,
            label_version=version,
            name=name,
        )
        start(assign(run, where))
        wait_for(run, as_json=as_json)
        value = read_fill(run)
        emit({**value, "id": run.id}, text_fill(value), as_json=as_json)
