"""``tidyset zero-shot`` and ``tidyset search``: classes and images from words alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained
from core.data import catalog
from core.errors import BadInput
from core.workspace import Workspace, current

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.embeddings.clip_models import ClipModel
    from core.embeddings.prompts import PromptSet
    from core.runs.store import Run

Data = Annotated[str, typer.Option("--data", help="Name of the data set.")]
Model = Annotated[str, typer.Option("--model", help="A key, open_clip's name, or what to call a checkpoint.")]
Pretrained = Annotated[str, typer.Option("--pretrained", help="open_clip's tag of published weights.")]
Checkpoint = Annotated[
    Path | None, typer.Option("--checkpoint", help="A checkpoint on this machine; remembered under its name.")
]
Config = Annotated[Path | None, typer.Option("--config", help="The checkpoint's model_config JSON.")]
Mean = Annotated[str, typer.Option("--mean", help="Of the pixels, 0 to 1, by channel: 0.5,0.5,0.5.")]
Std = Annotated[str, typer.Option("--std", help="Likewise.")]
Resize = Annotated[str, typer.Option("--resize", help="shortest, squash or longest; else as the model says.")]
DEFAULT_DATA, DEFAULT_MODEL = "fashion-mnist-sample", "openai-vit-b-32"


@app.command("zero-shot")
def zero_shot(
    data: Data = DEFAULT_DATA,
    model: Model = DEFAULT_MODEL,
    pretrained: Pretrained = "",
    checkpoint: Checkpoint = None,
    config: Config = None,
    *,
    mean: Mean = "",
    std: Std = "",
    resize: Resize = "",
    templates: Annotated[
        list[str] | None,
        typer.Option("--template", help="With {} for the class; more than one make an ensemble."),
    ] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="OpenAI's seven templates.")] = False,
    prompts: Annotated[Path | None, typer.Option(help="A JSON file of words and templates by class.")] = None,
    names: Annotated[str, typer.Option(help="The classes in words, in their order: a,b,c.")] = "",
    splits: Annotated[
        list[str] | None, typer.Option("--split", help="Which images to answer for; test unless given.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of this run; made up when not given.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    as_json: JsonFlag = False,
) -> None:
    """Classify the images with CLIP from words alone, and say how good that is.

    The result is a run: compare, queues and Evaluate work on it. Ctrl-C stops; the features computed so far
    are kept and the same command goes on from there. With --workers or --engine ray they are computed in
    shards, by several workers.
    """
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.embeddings.zero_shot import ZeroShotRequest, create_zero_shot
        from core.engines import assign, engine_plan
        from core.runs.launch import start

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = catalog.open_dataset(workspace, data)
        chosen = _model(workspace, model, pretrained, checkpoint, config, mean, std, resize)
        asked = _prompts(dataset, prompts, names, templates or [], ensemble=ensemble)
        wanted = tuple(splits or (("test",) if "test" in dataset.splits else dataset.splits))
        run = create_zero_shot(workspace, dataset, ZeroShotRequest(chosen, asked, wanted), name=name)
        start(assign(run, where))
        summary = wait_for(run, as_json=as_json).summary
        value = _value(workspace, dataset, run, chosen, asked, summary)
        emit(value, _text(value), as_json=as_json)


def _model(
    workspace: Workspace,
    name: str,
    pretrained: str,
    checkpoint: Path | None,
    config: Path | None,
    mean: str,
    std: str,
    resize: str,
) -> ClipModel:
    from core.embeddings.clip_models import find_model

    return find_model(
        workspace,
        name,
        pretrained=pretrained,
        checkpoint=checkpoint or "",
        config=config or "",
        mean=_three(mean, "--mean"),
        std=_three(std, "--std"),
        resize=resize,
    )


def _three(text: str, option: str) -> tuple[float, float, float] | None:
    if not text:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        values *= 3
    if (
        len(values) != 3
        or not all(0 <= value <= 1 for value in values)
        or (option == "--std" and 0 in values)
    ):
        raise BadInput(f"{option} is {text!r}.", "Write three numbers from 0 to 1: 0.5,0.5,0.5.")
    return values[0], values[1], values[2]


def _prompts(
    dataset: Dataset, file: Path | None, names: str, templates: list[str], *, ensemble: bool
) -> PromptSet:
    from core.embeddings.prompts import (
        ENSEMBLE,
        PLAIN,
        ClassPrompts,
        PromptSet,
        checked,
        default_prompts,
        read_prompts,
    )

    if file is not None:
        if names or templates or ensemble:
            raise BadInput("--prompts comes with other prompts.", "Give the file alone.")
        return read_prompts(file, dataset)
    chosen = tuple(templates) or (ENSEMBLE if ensemble else PLAIN)
    if not names:
        return default_prompts(dataset, chosen)
    words = tuple(ClassPrompts((word.strip(),)) for word in names.split(","))
    return checked(PromptSet(dataset.classes, words, chosen))


def _value(
    workspace: Workspace,
    dataset: Dataset,
    run: Run,
    model: ClipModel,
    prompts: PromptSet,
    summary: dict[str, Any],
) -> dict[str, Any]:
    from core.embeddings.clip import model_facts
    from core.embeddings.zero_shot import THRESHOLDS
    from core.files import read_json

    facts = model_facts(workspace, model)
    figures = read_json(run.folder / THRESHOLDS)["figures"]
    return {
        "run": run.name,
        "data": dataset.name,
        "model": model.key,
        "preprocessing": facts.preprocessing if facts else None,
        "split": summary["split"],
        **{
            key: summary.get(key)
            for key in ("n", "n_single", "accuracy", "balanced_accuracy", "macro_f1", "map", "macro_f1_marks")
        },
        "images_per_second": summary.get("images_per_second"),
        "seconds": summary.get("seconds"),
        "classes": [
            {**row, "prompts": list(prompts.texts(k))}
            for k, row in enumerate(figures[summary["split"]]["classes"])
        ],
    }


def _text(value: dict[str, Any]) -> str:
    speed = f"{value['images_per_second']:.0f} images/s" if value["images_per_second"] else "from the cache"
    lines = [
        f"{value['run']}: {value['model']} on {value['n']:,} {value['split']} images, {speed}",
        f"  {value['n_single']:,} with one label: accuracy {_number(value['accuracy'])}, "
        f"balanced {_number(value['balanced_accuracy'])}, macro F1 {_number(value['macro_f1'])}",
        f"  mean average precision {_number(value['map'])}",
        "",
        f"  {'class':<24} {'images':>7} {'recall':>8} {'AP':>8}   prompts",
    ]
    lines += [
        f"  {row['name']:<24} {row['support']:>7,} {_number(row['recall']):>8} "
        f"{_number(row['average_precision']):>8}   {row['prompts'][0]}"
        + (f" and {len(row['prompts']) - 1} more" if len(row["prompts"]) > 1 else "")
        for row in value["classes"]
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


@app.command("few-shot")
def few_shot(
    data: Data = DEFAULT_DATA,
    model: Model = DEFAULT_MODEL,
    pretrained: Pretrained = "",
    checkpoint: Checkpoint = None,
    config: Config = None,
    *,
    shots: Annotated[str, typer.Option(help="Labels a class: 1,2,4,8,16.")] = "1,2,4,8,16",
    seeds: Annotated[int, typer.Option(min=2, help="How often other images are drawn.")] = 3,
    name: Annotated[str | None, typer.Option(help="Name of this run; made up when not given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """How far a few labels a class bring CLIP: a linear probe and Tip-Adapter, with intervals over seeds."""
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.embeddings.few_shot import create_few_shot, read_curve
        from core.embeddings.zero_shot import ZeroShotRequest
        from core.runs.launch import start

        workspace = current()
        dataset = catalog.open_dataset(workspace, data)
        chosen = _model(workspace, model, pretrained, checkpoint, config, "", "", "")
        asked = ZeroShotRequest(chosen, _prompts(dataset, None, "", [], ensemble=False))
        try:
            numbers = [int(part) for part in shots.split(",")]
        except ValueError:
            raise BadInput(f"--shots is {shots!r}.", "Write numbers: 1,2,4,8,16.") from None
        run = create_few_shot(workspace, dataset, asked, shots=numbers, n_seeds=seeds, name=name)
        start(run)
        wait_for(run, as_json=as_json)
        value = {"run": run.name, "data": data, **read_curve(run)}
        lines = [f"zero labels: balanced accuracy {value['zero_shot']:.4f}"]
        lines += [
            f"{row['shots']:>3} a class  {row['method']:<13} {row['mean']:.4f} "
            f"({row['low']:.4f} to {row['high']:.4f})"
            for row in value["rows"]
        ]
        emit(value, "\n".join(lines), as_json=as_json)


@app.command("blend")
def blend_command(
    run: Annotated[str, typer.Argument(help="A trained run.")],
    clip: Annotated[str, typer.Argument(help="A zero-shot run on the same data.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Average a trained run and CLIP; the weight is chosen on validation images and used once on test."""
    with errors_explained(as_json=as_json):
        from dataclasses import asdict

        from core.embeddings.few_shot import blend
        from core.evaluation.of_run import predictions_of
        from core.runs.store import find_run

        workspace = current()
        found = blend(predictions_of(find_run(workspace, run)), predictions_of(find_run(workspace, clip)))
        text = (
            f"CLIP counts {found.weight:.2f}: accuracy {found.blended:.4f} on {found.n:,} test images "
            f"({run} alone {found.model:.4f}, {clip} alone {found.clip:.4f})"
        )
        emit(asdict(found), text, as_json=as_json)


@app.command("search")
def search(
    query: Annotated[str, typer.Argument(help="What to look for, in words.")] = "",
    data: Data = DEFAULT_DATA,
    model: Annotated[str, typer.Option("--model", help="A key; the model used last unless given.")] = "",
    *,
    like: Annotated[str, typer.Option(help="Item id of an image to look like, instead of words.")] = "",
    picture: Annotated[Path | None, typer.Option(help="A picture file to look like.")] = None,
    split: Annotated[str, typer.Option(help="Only these images: train, val or test.")] = "",
    top: Annotated[int, typer.Option(min=1, help="How many to list.")] = 9,
    tag: Annotated[str, typer.Option(help="Give the images found this tag.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Find the images that fit a sentence best, or that look most like another image."""
    with errors_explained(as_json=as_json):
        from core.data import tags
        from core.embeddings import text_search

        workspace = current()
        dataset = catalog.open_dataset(workspace, data)
        chosen = text_search.model_for(workspace, dataset, model)
        hits = text_search.search(
            workspace,
            dataset,
            chosen,
            text_search.Query(text=query, like=like, picture=str(picture or "")),
            split=split or None,
            top=top,
        )
        rows = text_search.as_rows(dataset, hits)
        if tag:
            tags.add_tag(workspace, dataset, tag, (row["item"] for row in rows))
        value = {"data": data, "model": chosen.key, "query": query or like or str(picture), "hits": rows}
        lines = [
            f"{row['score']:.4f}  {row['item']:<20} {row['split']:<5} {', '.join(row['labels'])}"
            for row in rows
        ]
        emit(value, "\n".join(lines), as_json=as_json)
