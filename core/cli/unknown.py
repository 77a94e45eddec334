"""``tidyset unknown``: what to do with unknown labels, five ways judged on the same known test labels."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained


@app.command("unknown")
def unknown(
    data: Annotated[str, typer.Option(help="Name of a data set with several labels an image.")],
    recipe: Annotated[str, typer.Option(help="A preset or a .toml file: what is trained.")] = "fast",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set epochs=3.")
    ] = None,
    ways: Annotated[
        str, typer.Option(help="left-out, as-no, masked, per-label, joint, parted by commas; empty: all.")
    ] = "",
    seeds: Annotated[int, typer.Option(help="How often each is trained.")] = 3,
    hide: Annotated[
        float, typer.Option(help="Share of the known training labels to hide first, to measure by.")
    ] = 0.0,
    precision: Annotated[float, typer.Option(help="How often a filled label is to be right.")] = 0.9,
    name: Annotated[str | None, typer.Option(help="Name of this run; made up when not given.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare: leave images out, count unknown as no, mask it, or fill it, per label or jointly.

    Ctrl-C stops; the same command goes on with the trainings that are missing.
    """
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.data.catalog import open_dataset
        from core.engines import assign, engine_plan
        from core.labels.versions import current_version
        from core.quality.unknown import WAYS, create_unknown, read_unknown, text_unknown
        from core.runs.launch import start
        from core.runs.presets import find_recipe
        from core.runs.recipe import parse_settings
        from core.workspace import current

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = open_dataset(workspace, data)
        chosen = find_recipe(workspace, recipe).with_changes(parse_settings(settings or []))
        run = create_unknown(
            workspace,
            dataset,
            chosen,
            ways=[way.strip() for way in ways.split(",") if way.strip()] or WAYS,
            seeds=seeds,
            hide=hide,
            precision=precision,
            label_version=current_version(workspace, dataset.name),
            name=name,
        )
        start(assign(run, where))
        wait_for(run, as_json=as_json)
        value = read_unknown(run)
        emit({**value, "id": run.id}, text_unknown(value), as_json=as_json)
