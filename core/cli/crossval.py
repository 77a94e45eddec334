"""``tidyset crossval``: how good a recipe is on average over folds, and how sure that is."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained


@app.command("crossval")
def crossval(
    data: Annotated[str, typer.Option("--data", help="Name of the data set.")] = "fashion-mnist-sample",
    recipe: Annotated[str, typer.Option(help="A preset or a .toml file: what each fold trains.")] = "fast",
    folds: Annotated[int, typer.Option(help="How many; each is judged by a model that did not see it.")] = 5,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set epochs=3.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of this run; made up when not given.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a recipe once without each fold, and tell mean, standard deviation and interval.

    The test split is left out. Ctrl-C stops; the same command goes on with the folds that are missing.
    """
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.data.catalog import open_dataset
        from core.engines import assign, engine_plan
        from core.evaluation.crossval import create_crossval, read_crossval, text_crossval
        from core.labels.versions import current_version
        from core.runs.launch import start
        from core.runs.presets import find_recipe
        from core.runs.recipe import parse_settings
        from core.workspace import current

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = open_dataset(workspace, data)
        chosen = find_recipe(workspace, recipe).with_changes(parse_settings(settings or []))
        version = current_version(workspace, dataset.name)
        run = create_crossval(workspace, dataset, chosen, label_version=version, n_folds=folds, name=name)
        start(assign(run, where))
        wait_for(run, as_json=as_json)
        value = {**read_crossval(run), "id": run.id}
        emit(value, text_crossval(value), as_json=as_json)
