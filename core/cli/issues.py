"""``tidyset issues``: which labels are likely wrong, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained
from core.data import catalog
from core.data.dataset import SPLITS
from core.workspace import current

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.data.dataset import Dataset
    from core.quality.label_issues import LabelIssues
    from core.runs.store import Run


@app.command("issues")
def issues(
    data: Annotated[str, typer.Option("--data", help="Name of the data set.")] = "fashion-mnist-sample",
    recipe: Annotated[str, typer.Option(help="A preset or a .toml file: what each fold trains.")] = "fast",
    folds: Annotated[int, typer.Option(help="How many trainings; each judges what it did not see.")] = 5,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field of the recipe: --set epochs=3.")
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many labels to list.")] = 50,
    name: Annotated[str | None, typer.Option(help="Name of this search; made up when not given.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Rank the labels by how likely they are wrong, with scores and reasons.

    Every image is judged by a model that did not train on it. Ctrl-C stops; the same command goes on with
    the folds that are missing.
    """
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.engines import assign, engine_plan
        from core.labels.versions import current_version
        from core.quality.evidence import create_search
        from core.quality.label_issues import load_issues
        from core.runs.launch import start
        from core.runs.presets import find_recipe
        from core.runs.recipe import parse_settings

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = catalog.open_dataset(workspace, data)
        chosen = find_recipe(workspace, recipe).with_changes(parse_settings(settings or []))
        version = current_version(workspace, dataset.name)
        run = create_search(workspace, dataset, chosen, label_version=version, n_folds=folds, name=name)
        start(assign(run, where))
        wait_for(run, as_json=as_json)
        value = as_value(dataset, run, load_issues(run), top)
        emit(value, as_text(value), as_json=as_json)


def as_value(dataset: Dataset, run: Run, found: LabelIssues, top: int) -> dict[str, Any]:
    """The result as JSON: how many, by class, and the first ``top`` with scores and reasons."""
    from core.quality.judges import judges

    rows, by = range(min(top, len(found))), judges(found)
    return {
        "run": run.name,
        "data": dataset.name,
        "label_version": run.label_version,
        "n_labels": len(found),
        "n_estimated": found.n_estimated,
        "judges": {
            "measure": "roc_auc" if by.several else "accuracy",
            "value": round(by.value, 4),
            "ci95": None if by.interval is None else [round(bound, 4) for bound in by.interval],
            "usual": round(by.usual, 4),
            "words": by.words(),
            "warning": by.warning(),
        },
        "not_judged": [dataset.classes[k] for k in found.too_few],
        "by_class": {
            name: int(n)
            for name, n in zip(dataset.classes, found.flagged_by_class(len(dataset.classes)), strict=True)
        },
        "issues": [
            {
                "item": str(dataset.item_ids[found.positions[row]]),
                "split": SPLITS[dataset.split[found.positions[row]]],
                **_said(found, row, dataset.classes),
                "score": round(float(found.combined[row]), 4),
                "scores": {
                    name: None if value[row] != value[row] else round(float(value[row]), 4)
                    for name, value in found.scores.items()
                },
                "flagged": bool(found.flagged[row]),
                "reason": found.reason(row, dataset.classes),
            }
            for row in rows
        ],
    }


def _said(found: LabelIssues, row: int, classes: Sequence[str]) -> dict[str, str]:
    """The label and what is suggested; where images have several, yes and no and the class they are about."""
    label, suggested = found.names(row, classes)
    of = {} if found.about is None else {"class": classes[found.about[row]]}
    return {**of, "label": label, "suggested": suggested}


def as_text(value: dict[str, Any]) -> str:
    """The same for people."""
    lines = [
        f"About {value['n_estimated']:,} of {value['n_labels']:,} labels are likely wrong.",
        value["judges"]["words"],
        *([f"Warning: {value['judges']['warning']}"] if value["judges"]["warning"] else []),
        *(
            [f"Fewer labels than folds, so not judged: {few}."]
            if (few := ", ".join(value["not_judged"]))
            else []
        ),
        *(f"  {name:<24} {n:>6,}" for name, n in value["by_class"].items() if n),
        "",
    ]
    lines += [
        f"{one['score']:.3f}  {one['item']:<16} {one['class'] + ', ' if 'class' in one else ''}"
        f"{one['label']} → {one['suggested']}: {one['reason']}"
        for one in value["issues"]
    ]
    return "\n".join(lines).rstrip()
