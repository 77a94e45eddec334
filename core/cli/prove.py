"""``tidyset prove``: retrain before and after edits, with controls, and say whether they helped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core import workspace as workspaces
from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained
from core.cli.training import follow
from core.errors import BadInput

if TYPE_CHECKING:
    from core.quality.arms import EditSet
    from core.runs.store import Run
    from core.workspace import Workspace


@app.command("prove")
def prove(
    run: Annotated[str, typer.Argument(help="The training before the edits: its recipe and its labels.")],
    edits: Annotated[
        Path | None, typer.Option(help="A patch file (`tidyset labels export`) with the edits.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Or a label version; the newest when neither is given.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Trainings of each arm, at least 2; 5 to 10 for small gains.")
    ] = 3,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set epochs=3.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of this proof; made up when not given.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    detach: Annotated[
        bool, typer.Option(help="Start it and return; `tidyset runs show` tells more.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Train nothing; show the seeds and test images that --gain needs.")
    ] = False,
    gain: Annotated[float, typer.Option(help="With --plan: the gain to find, in points of accuracy.")] = 1.0,
    as_json: JsonFlag = False,
) -> None:
    """Did it help? Train before and after the edits, with as many random edits, and with the images left out.

    Every arm is trained with the same seeds and scored on the same test images. Ctrl-C stops it;
    `tidyset runs resume` goes on with what is missing. Choose the seeds before you look: whoever adds some
    until p is small finds gains that are not there, so each further look at the same test images must show
    more. `--plan --gain 1` shows how many seeds and test images a gain of one point needs. Gains under two
    points take 5 to 10 seeds.
    """
    with errors_explained(as_json=as_json):
        from core.engines import assign, engine_plan
        from core.quality.looks import looks_before, warning
        from core.quality.proofs import create_proof
        from core.runs.launch import start
        from core.runs.recipe import parse_settings
        from core.runs.store import find_run

        where = engine_plan(engine, address, workers)
        workspace = workspaces.current()
        base = find_run(workspace, run)
        if plan:
            from core.quality.plan import plan_proof

            planned = plan_proof(workspace, base, gain / 100)
            emit(planned.to_json(), planned.text, as_json=as_json)
            return
        found = _edits(workspace, base, edits, version)
        changes = parse_settings(settings or [])
        made = create_proof(workspace, base, found, n_seeds=seeds, changes=changes, name=name)
        if earlier := looks_before(workspace, made):
            typer.echo(warning(earlier), err=True)
        start(assign(made, where))
        if detach:
            text = f"{made.name} started; `tidyset runs show {made.name}` tells how it goes."
            emit({"run": made.name, "id": made.id, "state": "starting"}, text, as_json=as_json)
            return
        follow(made, as_json=as_json)


def _edits(workspace: Workspace, base: Run, patch: Path | None, version: int | None) -> EditSet:
    """The edits that were asked for. Raises BadInput, NotFound."""
    from core.data.catalog import open_dataset
    from core.quality.arms import edits_of_patch, edits_of_version

    if patch is not None and version is not None:
        raise BadInput("Both --edits and --version were given.", "Give one of the two.")
    dataset = open_dataset(workspace, base.dataset)
    if patch is None:
        return edits_of_version(workspace, dataset, base.label_version, version)
    from core.labels.patch import read_patch

    return edits_of_patch(workspace, dataset, base.label_version, read_patch(patch))
