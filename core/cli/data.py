"""``tidyset data``: list, import, info, delete."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.data import catalog
from core.data.dataset import SPLITS, Dataset, Task
from core.data.splits import NO_TRAINING, split_counts
from core.errors import BadInput
from core.wording import percent
from core.workspace import current

if TYPE_CHECKING:
    from core.data.importer import ImportOptions

COMBO = "combo-mnist"
data = typer.Typer(help="Data sets: list, import, describe, delete.", no_args_is_help=True)
app.add_typer(data, name="data")


@data.command("list")
def list_command(*, as_json: JsonFlag = False) -> None:
    """Name all data sets; the built-in ones are put into the workspace on first use."""
    with errors_explained(as_json=as_json):
        entries = catalog.list_datasets(current())
        rows = [
            {
                "name": entry.name,
                "title": entry.title,
                "state": entry.state,
                "task": entry.task,
                "n_items": entry.n_items,
                "n_classes": entry.n_classes,
                "note": entry.note,
            }
            for entry in entries
        ]
        lines = [
            f"{entry.name:<28} {entry.state:<10} {entry.task:<13} {entry.n_items or '?':>9} images, "
            f"{entry.n_classes or '?'} classes {entry.note}".rstrip()
            for entry in entries
        ]
        emit(rows, "\n".join(lines), as_json=as_json)


@data.command("info")
def info_command(name: str, *, as_json: JsonFlag = False) -> None:
    """Describe one data set: counts by split and class, sizes, source, licence, fingerprint."""
    with errors_explained(as_json=as_json):
        about = describe(catalog.open_dataset(current(), name))
        width = max(len(key) for key in about)
        lines = [f"{key:<{width}}  {_words(value)}" for key, value in about.items() if key != "classes"]
        lines += [f"  {k:<24} {_words(counts)}" for k, counts in about["classes"].items()]
        emit(about, "\n".join(lines), as_json=as_json)


def describe(dataset: Dataset) -> dict[str, Any]:
    """What there is to say of a data set without looking at pixels."""
    import numpy as np

    counts: dict[str, dict[str, int]] = {}
    for k, name in enumerate(dataset.classes):
        column = dataset.labels[:, k] == 1 if dataset.task is Task.MULTI_LABEL else dataset.labels == k
        counts[name] = {s: int(column[dataset.split == SPLITS.index(s)].sum()) for s in dataset.splits}
    if dataset.task is Task.MULTI_LABEL:
        unknown = float(np.isnan(dataset.labels).mean())
    else:
        unknown = float((dataset.labels < 0).mean())
    sizes = np.unique(dataset.images.sizes, axis=0)
    return {
        "name": dataset.name,
        "title": dataset.title,
        "task": str(dataset.task),
        "n_items": len(dataset),
        "splits": {s: len(dataset.in_split(s)) for s in dataset.splits},
        "smallest": sizes.min(axis=0).tolist(),
        "largest": sizes.max(axis=0).tolist(),
        "unknown_share": round(unknown, 6),
        "captions": dataset.captions is not None,
        "fingerprint": dataset.fingerprint,
        **dataset.info,
        "classes": counts,
    }


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {number:,}" for key, number in value.items())
    return " x ".join(str(part) for part in value) if isinstance(value, list) else str(value)


@data.command("import")
def import_command(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="A path, several (images.zip train.csv), a hub name, or combo-mnist to compose it."
        ),
    ],
    name: Annotated[str, typer.Option(help="What to call it.")] = "",
    *,
    title: Annotated[str, typer.Option(help="Its name for people.")] = "",
    classes: Annotated[str, typer.Option(help="Class names in the order of the label numbers: a,b,c.")] = "",
    shape: Annotated[str, typer.Option(help="HEIGHTxWIDTH of pixel rows; a square is assumed.")] = "",
    images: Annotated[Path | None, typer.Option(help="Folder of the images that a table names.")] = None,
    image: Annotated[str, typer.Option(help="Column that names the image.")] = "",
    label: Annotated[
        str,
        typer.Option(help="Column of labels, several (a,b,c), folders, top-folder, last-folder or none."),
    ] = "",
    split: Annotated[str, typer.Option(help="Column that names the split.")] = "",
    group: Annotated[str, typer.Option(help="Column of which equal values belong together.")] = "",
    caption: Annotated[str, typer.Option(help="Column of captions.")] = "",
    item_id: Annotated[str, typer.Option("--id", help="Column that names the item.")] = "",
    unknown: Annotated[
        str | None, typer.Option(help="Words that mean no label, separated by commas; empty for none.")
    ] = None,
    labels_separated_by: Annotated[
        str | None,
        typer.Option(help="What separates the labels of one cell: |, space, ...; none for one label."),
    ] = None,
    splits_from: Annotated[
        str, typer.Option(help="folders, none, a column, or values: 0=train,1=test, after COLUMN: perhaps.")
    ] = "",
    table: Annotated[
        list[str] | None, typer.Option(help="Table to read, where a folder has several.")
    ] = None,
    read_as: Annotated[
        str, typer.Option(help="Reader, where several know the source: images, numpy, ...")
    ] = "",
    test_share: Annotated[
        float | None, typer.Option(min=0, max=0.9, help="Share for test where there is no test split; 0.2.")
    ] = None,
    val_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share held out for validation.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the drawn splits.")] = 0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what is wrong, and list it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how the source is read, and import nothing.")
    ] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="For combo-mnist: --set n=20000, noise, seed, ...")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Import files, a folder, an archive or a Hugging Face data set; the format is seen from the content."""
    from core.data.importer import ImportOptions, understand
    from core.data.readers.base import Hints

    with errors_explained(as_json=as_json):
        hints = Hints(
            classes=_listed(classes),
            shape=_shape(shape),
            image_folder=images,
            image=image,
            label=_listed(label),
            split=split,
            group=group,
            caption=caption,
            id=item_id,
            unknown=_listed(unknown) if unknown is not None else None,
            separator=labels_separated_by,
            splits_from=splits_from,
            table=tuple(table or ()),
            read_as=read_as,
        )
        options = ImportOptions(hints, title, test_share, val_share, seed, skip_bad)
        if sources == [COMBO]:
            _compose(name or COMBO, settings or [], as_json=as_json)
            return
        if settings:
            raise BadInput(f"--set is for {COMBO}; the source is {sources[0]!r}.", "Leave --set out.")
        if dry_run:
            plan = understand(sources, options)
            emit(plan.as_json(), plan.as_text(), as_json=as_json)
            return
        if not name:
            raise BadInput(f"There is no --name; the source is {sources[0]!r}.", "Give --name NAME.")
        _import(sources, name, options, as_json=as_json)


@data.command("diff")
def diff_command(
    a: Annotated[str, typer.Argument(help="A data set.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    given: Annotated[bool, typer.Option("--given", help="Compare given labels, not corrected ones.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare two data sets: items by their pixels, and of those labels, splits, classes and captions."""
    with errors_explained(as_json=as_json):
        from core.data.diff import diff_datasets
        from core.labels.versions import labels_at

        first, second = (catalog.open_dataset(current(), name) for name in (a, b))
        labels = [None if given else labels_at(current(), one).labels for one in (first, second)]
        found = diff_datasets(first, second, *labels)
        counts = {
            "items only in the first": found.only_a,
            "items only in the second": found.only_b,
            "labels": found.n_labels,
            "splits": found.n_splits,
            "captions": found.n_captions,
            "class lists": int(found.classes is not None),
            "tasks": int(found.task is not None),
        }
        differing = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n)
        emit(
            found.to_json(), f"They differ: {differing}." if differing else "They are equal.", as_json=as_json
        )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _import(sources: list[str], name: str, options: ImportOptions, *, as_json: bool) -> None:
    """Import and describe what came of it."""
    from core.data import thumbnails
    from core.data.importer import import_source

    progress = None if as_json or not sys.stderr.isatty() else _show_progress
    called = catalog.as_name(name)
    options = replace(options, title=options.title or name)
    result = import_source(current(), sources, called, options, progress)
    thumbnails.make_sheets(result.dataset)
    about = result.plan.as_json() | describe(result.dataset)
    about |= {
        "format": result.format,
        "left_out": [str(problem) for problem in result.problems],
        "n_left_out": result.n_problems,
    }
    made, plan = result.dataset, result.plan
    counts = split_counts(made.split, SPLITS)
    lines = [f"{called}: {len(made):,} images of {len(made.classes)} classes ({counts})"]
    lines += [f"not used: {text}" for text in plan.unused] + [f"note: {text}" for text in plan.warnings]
    if result.n_problems:
        lines += [f"{result.n_problems} left out:", *about["left_out"]]
    lines += [] if "train" in made.splits else [" ".join(NO_TRAINING)]
    emit(about, "\n".join(lines), as_json=as_json)


def _compose(name: str, settings: list[str], *, as_json: bool) -> None:
    """Compose combo-mnist and describe it."""
    from core.data import thumbnails
    from core.data.combo_mnist import make_options, materialise
    from core.runs.recipe import parse_settings

    progress = None if as_json or not sys.stderr.isatty() else _show_progress
    dataset = materialise(current(), make_options(dict(parse_settings(settings))), name, progress)
    thumbnails.make_sheets(dataset)
    emit(describe(dataset), f"{name}: {len(dataset):,} images composed", as_json=as_json)


@data.command("hide")
def hide_command(
    source: str,
    name: Annotated[str, typer.Option(help="What to call the data set with few labels.")],
    *,
    labels: Annotated[int | None, typer.Option(min=1, help="How many training labels stay.")] = None,
    share: Annotated[float, typer.Option(min=0, max=1, help="Else: the share that is hidden.")] = 0.9,
    seed: Annotated[int, typer.Option(help="Which stay.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Hide most training labels of a data set, as another one: to see what few labels suffice for."""
    from core.data.hiding import hide_labels

    with errors_explained(as_json=as_json):
        workspace = current()
        whole = catalog.open_dataset(workspace, source)
        dataset = hide_labels(workspace, whole, name, keep=labels, share=share, seed=seed)
        text = (
            f"{name}: {dataset.info['kept_labels']} labels stay, {dataset.info['hidden_labels']} are hidden"
        )
        emit(describe(dataset), text, as_json=as_json)


@data.command("clean")
def clean_command(
    source: str,
    steps: Annotated[str, typer.Option(help="As in a recipe: blur 1.5 | threshold | extract 2 | align 28.")],
    *,
    images: Annotated[int, typer.Option(min=1, help="How many images to try it on, evenly spread.")] = 1_000,
    as_json: JsonFlag = False,
) -> None:
    """Try a cleaning pipeline: the size it gives, how often characters stand apart, and how often rightly."""
    import time

    import numpy as np

    from core.data.cleaning import as_text, clean, parse
    from core.data.combo_mnist import right_share

    with errors_explained(as_json=as_json):
        dataset, pipeline = catalog.open_dataset(current(), source), parse(steps)
        chosen = np.linspace(0, len(dataset) - 1, min(images, len(dataset))).astype(np.int64)
        height, width, channels = dataset.images.uniform or (64, 64, 1)
        pixels = np.asarray(dataset.images.resized(chosen, height, width, channels))
        began = time.perf_counter()
        cleaned = clean(pixels, pipeline)
        share, right = cleaned.separated_share, right_share(dataset, chosen, cleaned)
        about = {
            "steps": as_text(pipeline),
            "n_images": len(chosen),
            "height": cleaned.images.shape[1],
            "width": cleaned.images.shape[2],
            "separated_share": share,
            "right_share": right,
            "images_per_second": round(len(chosen) / max(1e-9, time.perf_counter() - began)),
        }
        apart = f", apart as wanted in {percent(share)}" if share is not None else ""
        apart += f", rightly in {percent(right)}" if right is not None else ""
        emit(about, f"{len(chosen):,} images of {height} x {width} cleaned{apart}", as_json=as_json)


def _shape(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    height, x, width = text.lower().partition("x")
    if not (x and height.isdecimal() and width.isdecimal()):
        raise BadInput(f"--shape {text!r} is no size.", "Write it as HEIGHTxWIDTH, for example 28x28.")
    return int(height), int(width)


def _show_progress(share: float | None, text: str) -> None:
    done = f"{percent(share, 0):>5} " if share is not None else ""
    print(f"\r{done}{text}    ", end="", file=sys.stderr, flush=True)


@data.command("delete")
def delete_command(
    name: str,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete a data set; its runs and label edits stay."""
    from core.runs.datasets import check_deletable, delete_unused

    with errors_explained(as_json=as_json):
        check_deletable(current(), name)
        if not yes and not typer.confirm(f"Delete the data set {name!r}?"):
            raise typer.Exit(1)
        delete_unused(current(), name)
        emit({"deleted": name}, f"{name} is deleted.", as_json=as_json)
