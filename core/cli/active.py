"""``tidyset active``: which images to label next, and which way of asking pays."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained

active = typer.Typer(
    help="Active learning: compare strategies, choose what to label next.", no_args_is_help=True
)
app.add_typer(active, name="active")


@active.command("compare")
def compare(
    data: Annotated[str, typer.Option(help="A data set whose labels are known.")] = "fashion-mnist-sample",
    recipe: Annotated[
        str, typer.Option(help="A preset or a .toml file: what is trained each time.")
    ] = "fast",
    strategies: Annotated[str, typer.Option(help="Parted by commas; empty: all.")] = "",
    start: Annotated[int, typer.Option(help="Labels to begin with.")] = 50,
    step: Annotated[int, typer.Option(help="Labels more in each round.")] = 50,
    rounds: Annotated[int, typer.Option(help="Rounds after the first training.")] = 4,
    seeds: Annotated[int, typer.Option(help="How often all of it is repeated.")] = 3,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Change a field of the recipe.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Give every strategy the same number of labels, and tell how good what it trains becomes."""
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.data.catalog import open_dataset
        from core.engines import assign, engine_plan
        from core.quality.active import STRATEGIES
        from core.quality.active_compare import create_comparison
        from core.runs.launch import start as launch
        from core.runs.presets import find_recipe
        from core.runs.recipe import parse_settings
        from core.workspace import current

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = open_dataset(workspace, data)
        chosen = find_recipe(workspace, recipe).with_changes(parse_settings(settings or []))
        names = [name.strip() for name in strategies.split(",") if name.strip()] or list(STRATEGIES)
        numbers = {"start": start, "step": step, "rounds": rounds, "seeds": seeds}
        run = create_comparison(workspace, dataset, chosen, strategies=names, **numbers)
        launch(assign(run, where))
        summary = wait_for(run, as_json=as_json).summary
        value = {key: summary[key] for key in ("best", "n_labels", "curves", "seconds")}
        emit({**value, "run": run.name, "id": run.id}, _text(value), as_json=as_json)


def _text(value: dict[str, Any]) -> str:
    lines = [f"{'labels':<18}" + "".join(f"{n:>8,}" for n in value["n_labels"])]
    lines += [
        f"{curve['strategy']:<18}" + "".join(f"{accuracy:>8.3f}" for accuracy in curve["mean"])
        for curve in value["curves"]
    ]
    return "\n".join([*lines, f"Best on average: {value['best']}"])


@active.command("next")
def next_command(
    run: Annotated[str, typer.Option(help="A finished run: its guesses and features count.")],
    strategy: Annotated[
        str, typer.Option(help="random, least-confident, margin, entropy, badge, ...")
    ] = "margin",
    n: Annotated[int, typer.Option("-n", min=1, help="How many images.")] = 50,
    tag: Annotated[str, typer.Option(help="Give them this tag, to find them in the browser.")] = "",
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Name the unlabelled images that are worth a label most."""
    with errors_explained(as_json=as_json):
        from core.data.catalog import open_dataset
        from core.data.tags import add_tag
        from core.quality.active_queue import next_items
        from core.runs.store import find_run
        from core.workspace import current

        workspace = current()
        found = find_run(workspace, run)
        dataset = open_dataset(workspace, found.dataset)
        items = next_items(workspace, dataset, found, strategy, n, seed)
        if tag:
            add_tag(workspace, dataset, tag, items)
        emit({"strategy": strategy, "item_ids": items}, "\n".join(items), as_json=as_json)
