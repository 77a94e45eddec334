"""``tidyset embed`` and ``tidyset similar``: a map of a data set, and the images most like one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.app import app
from core.cli.engines import Address, EngineName, Workers
from core.cli.output import JsonFlag, emit, errors_explained
from core.errors import BadInput
from core.wording import percent

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.embeddings.features import FeatureSource
    from core.embeddings.maps import EmbeddingMap
    from core.runs.store import Run
    from core.workspace import Workspace

MOST_ISLANDS = 12
"""Named on the command line; --json has all."""
Data = Annotated[str, typer.Option("--data", help="Name of the data set.")]
FromRun = Annotated[str | None, typer.Option("--run", help="Features of this run's last layer but one.")]
FromFeatures = Annotated[
    str | None,
    typer.Option("--features", help="Or of: pixels, clip:MODEL, backbone:NETWORK, run:NAME."),
]
Weights = Annotated[str, typer.Option(help="A local .safetensors file for --features backbone:NETWORK.")]


@app.command("embed")
def embed(
    data: Data = "fashion-mnist-sample",
    run: FromRun = None,
    features: FromFeatures = None,
    weights: Weights = "",
    method: Annotated[str, typer.Option(help="fast-umap, umap (umap-learn, slow) or pca.")] = "fast-umap",
    neighbors: Annotated[int, typer.Option(help="Few show detail, many the whole.")] = 15,
    min_dist: Annotated[float, typer.Option(help="How closely points may lie, 0 to 1.")] = 0.1,
    metric: Annotated[str, typer.Option(help="Between features: euclidean or cosine.")] = "euclidean",
    seed: Annotated[int, typer.Option(help="The same seed makes the same map.")] = 0,
    onto: Annotated[
        str | None,
        typer.Option(help="Place the images on this map of other data, by its features and choices."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the map; made up when not given.")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    detach: Annotated[bool, typer.Option(help="Start it and return.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a map: every image a point, near to those like it; how far to trust it, and what the model mixes.

    Without --run or --features: of the newest training on the data, or the pixels. Features that are not kept
    yet are computed in shards, by several workers where --workers or --engine ray say so. Ctrl-C stops it.
    """
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.data.catalog import open_dataset
        from core.embeddings.maps import MapRequest, create_map, find_map, load_map, placed_on
        from core.engines import assign, engine_plan
        from core.runs.launch import start
        from core.workspace import current

        where = engine_plan(engine, address, workers)
        workspace = current()
        dataset = open_dataset(workspace, data)
        if onto is None:
            source = _source(workspace, dataset, run, features, weights)
            request = MapRequest(source, method, neighbors, min_dist, metric, seed)  # type: ignore[arg-type]
        else:
            request = placed_on(find_map(workspace, onto))
        made = create_map(workspace, dataset, request, name=name)
        start(assign(made, where))
        if detach:
            text = f"{made.name} started; `tidyset runs show {made.name}` tells how it goes."
            emit({"map": made.name, "id": made.id, "state": "starting"}, text, as_json=as_json)
            return
        now = wait_for(made, as_json=as_json)
        value = as_value(workspace, dataset, made, load_map(made))
        value |= {"seconds": now.summary["seconds"], "notes": list(now.notes)}
        emit(value, as_text(value), as_json=as_json)


@app.command("similar")
def similar(
    item: Annotated[str, typer.Option("--id", help="The image: its item id.")],
    data: Data = "fashion-mnist-sample",
    run: FromRun = None,
    features: FromFeatures = None,
    weights: Weights = "",
    top: Annotated[int, typer.Option(min=1, help="How many to list.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """List the images most like one, by the cosine of their features."""
    with errors_explained(as_json=as_json):
        from core.data.catalog import open_dataset
        from core.embeddings.features import named
        from core.embeddings.similar import similar_items
        from core.labels.versions import labels_at
        from core.workspace import current

        workspace = current()
        dataset = open_dataset(workspace, data)
        source = _source(workspace, dataset, run, features, weights)
        found = similar_items(workspace, dataset, item, source, top, on_progress=_show)
        state = labels_at(workspace, dataset)
        rows = [
            {
                "item": str(dataset.item_ids[position]),
                "label": _label(dataset, state.labels[position]),
                "similarity": round(float(score), 6),
            }
            for position, score in zip(found.positions, found.similarity, strict=True)
        ]
        own = _label(dataset, state.labels[dataset.positions([item])[0]])
        value = {
            "data": dataset.name,
            "item": item,
            "label": own,
            "features": source.key(),
            "exact": found.is_exact,
            "similar": rows,
        }
        lines = [f"{item} ({own}), by {named(workspace, source).title}:"]
        lines += [f"  {row['similarity']:.4f}  {row['item']:<16} {row['label']}" for row in rows]
        emit(value, "\n".join(lines), as_json=as_json)


def _label(dataset: Dataset, label: Any) -> str:
    """A label in words: the class, or the classes that are known to be there."""
    import numpy as np

    if np.ndim(label):
        return ", ".join(name for name, value in zip(dataset.classes, label, strict=True) if value == 1)
    return dataset.classes[int(label)] if label >= 0 else "unlabelled"


def _show(share: float, text: str) -> None:
    """What takes long, on a terminal; the line is cleared at the end."""
    if sys.stderr.isatty():
        line = "\r\x1b[K" if share >= 1 else f"\r\x1b[K{percent(share, 0)} {text}"
        print(line, end="", file=sys.stderr, flush=True)


def _source(
    workspace: Workspace, dataset: Dataset, run: str | None, features: str | None, weights: str
) -> FeatureSource:
    """The features that were asked for. Raises BadInput, NotFound."""
    from core.embeddings.features import FeatureSource, parse_source
    from core.embeddings.similar import default_source
    from core.runs.store import find_run

    if run is not None and features is not None:
        raise BadInput("Both --run and --features were given.", "Give one of the two.")
    if features is not None:
        source = parse_source(features, weights)
        if source.kind != "run":
            return source
        run = source.name
    if run is not None:
        return FeatureSource("run", find_run(workspace, run).id)
    return default_source(workspace, dataset)


def as_value(workspace: Workspace, dataset: Dataset, run: Run, found: EmbeddingMap) -> dict[str, Any]:
    """The map as JSON: where its points are kept, how far to trust it, its islands, what the model mixes."""
    from dataclasses import asdict

    import numpy as np

    from core.data.dataset import Task
    from core.embeddings import label_lift, maps, purity
    from core.embeddings.landscape import islands
    from core.embeddings.quality import CANNOT_TELL
    from core.labels.versions import labels_at

    labels = np.asarray(labels_at(workspace, dataset, run.label_version).labels)[found.positions]
    neighbours = maps.load_neighbours(run)
    if dataset.task is Task.SINGLE_LABEL:
        overlap = purity.class_overlap(neighbours, labels.astype(np.int64), len(dataset.classes))
        mixed = purity.in_words(overlap, dataset.classes)
    else:
        mixed = label_lift.in_words(label_lift.label_lift(neighbours, labels), dataset.classes)
    made, _ = islands(found.xy, labels, dataset.classes)
    return {
        "map": run.name,
        "id": run.id,
        "data": dataset.name,
        "n_items": len(found),
        **found.request.to_json(),
        "quality": asdict(found.quality) if found.quality else None,
        "mixed": mixed,
        "islands": [asdict(one) for one in made],
        "cannot_tell": CANNOT_TELL,
        "xy": str(run.folder / maps.XY),
        "positions": str(run.folder / maps.POSITIONS),
    }


def as_text(value: dict[str, Any]) -> str:
    """The same for people."""
    lines = [f"{value['map']}: {value['n_items']:,} images of {value['data']} in {value['seconds']:.1f} s"]
    if quality := value["quality"]:
        purity = (
            "" if quality["purity"] is None else f", neighbours of one label {percent(quality['purity'], 0)}"
        )
        figures = (f"{name} {quality[name]:.4f}" for name in ("trustworthiness", "continuity"))
        lines.append(f"  {', '.join(figures)}{purity}")
    lines += [f"  {text}" for text in (*value["notes"], *value["mixed"])]
    named = [f"{one['name']} ({one['n']:,})" for one in value["islands"]]
    more = f"; and {len(named) - MOST_ISLANDS} more" if len(named) > MOST_ISLANDS else ""
    lines.append(f"  islands: {'; '.join(named[:MOST_ISLANDS]) or 'none'}{more}")
    return "\n".join([*lines, f"  points  {value['xy']}", "", value["cannot_tell"]])
