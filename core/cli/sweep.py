"""``tidyset sweep``: a recipe trained with every combination of a few values, with time and intervals."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained


@app.command("sweep")
def sweep(
    data: Annotated[str, typer.Option("--data", help="Name of the data set.")],
    grid: Annotated[
        list[str],
        typer.Option("--grid", help="Values of a field: --grid 'dropout=0.5|0.7'. Can be repeated."),
    ],
    recipe: Annotated[
        str, typer.Option(help="A preset or a .toml file: what each training starts from.")
    ] = "fast",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set epochs=3.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of this run; made up when not given.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Train with every combination; time of each, and how far it is from the best on the same test images.

    What images and captions each bring: --grid 'inputs=image|caption|both'. Ctrl-C stops; the same command
    goes on with the trainings that are missing.
    """
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.data.catalog import open_dataset
        from core.engines import assign, engine_plan
        from core.evaluation.sweep import create_sweep, read_sweep, text_sweep
        from core.labels.versions import current_version
        from core.runs.launch import start
        from core.runs.presets import find_recipe
        from core.runs.recipe import parse_settings
        from core.tuning.grid import parse_grid
        from core.workspace import current

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = open_dataset(workspace, data)
        chosen = find_recipe(workspace, recipe).with_changes(parse_settings(settings or []))
        version = current_version(workspace, dataset.name)
        combinations = parse_grid(grid, chosen)
        run = create_sweep(workspace, dataset, chosen, combinations, label_version=version, name=name)
        start(assign(run, where))
        wait_for(run, as_json=as_json)
        value = {**read_sweep(run), "id": run.id}
        emit(value, text_sweep(value), as_json=as_json)
