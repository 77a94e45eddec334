"""``tidyset tune``: search a recipe's fields for values that validate best."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained
from core.tuning import DEFAULT_SPACE


@app.command("tune")
def tune(
    data: Annotated[str, typer.Option("--data", help="Name of the data set.")] = "fashion-mnist-sample",
    recipe: Annotated[
        str, typer.Option(help="A preset or a .toml file: what is not searched stays as it is there.")
    ] = "baseline",
    trials: Annotated[int, typer.Option(help="How many sets of values to try in all.")] = 20,
    space: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            help="A field and its values: learning_rate=1e-4..1e-1:log, epochs=3..15, "
            f"model=plain-cnn|small-resnet. Can be repeated; {', '.join(DEFAULT_SPACE)} when not given.",
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="What is best on validation images: loss, or a metric such as macro_f1 or log_loss; "
            "accuracy when not given, macro_auc where images have several labels."
        ),
    ] = None,
    cost: Annotated[bool, typer.Option("--cost", help="Seconds of training as a second objective.")] = False,
    prune: Annotated[bool, typer.Option(help="Break off trials that look poor.")] = True,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    seed: Annotated[int, typer.Option(help="Of the search; the recipe has its own.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set epochs=3.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of this search; one there is goes on.")] = None,
    keep_best: Annotated[
        str | None, typer.Option(help="Keep the best recipe as a preset of this name.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Search a recipe's fields. Test images are not touched; Ctrl-C stops, `tidyset runs resume` goes on."""
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.data.catalog import open_dataset
        from core.engines import assign, engine_plan
        from core.labels.versions import current_version
        from core.runs.launch import start
        from core.runs.presets import find_recipe, save_preset
        from core.runs.recipe import parse_settings
        from core.tuning.going_on import open_study
        from core.tuning.space import parse_space
        from core.tuning.studies import (
            StudyPlan,
            as_value,
            load_importances,
            load_trials,
            objectives,
            ranked,
            recipe_of,
            text_study,
        )
        from core.workspace import current

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = open_dataset(workspace, data)
        base = find_recipe(workspace, recipe).with_changes(parse_settings(settings or []))
        axes = parse_space(space or list(DEFAULT_SPACE), base)
        best_by = objective or objectives(dataset.task)[0]
        plan = StudyPlan(axes, trials, best_by, cost, prune, workers or 1, seed)
        version = current_version(workspace, dataset.name)
        run = open_study(workspace, dataset, base, plan, label_version=version, name=name)
        start(assign(run, where))
        wait_for(run, as_json=as_json)
        found = load_trials(run)
        value = {**as_value(run, found, load_importances(run)), "id": run.id}
        if keep_best is not None:
            save_preset(workspace, keep_best, recipe_of(run, ranked(found, plan)[0]))
            value["preset"] = keep_best
        emit(value, text_study(value), as_json=as_json)
