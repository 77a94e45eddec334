"""``tidyset captions``: what they say, and which disagree with the labels or the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from core.cli.app import app
from core.cli.output import JsonFlag, emit, errors_explained
from core.wording import counted

if TYPE_CHECKING:
    from core.data.dataset import Dataset

captions = typer.Typer(help="Captions: their words, and which disagree.", no_args_is_help=True)
app.add_typer(captions, name="captions")

Data = Annotated[str, typer.Option("--data", help="Name of the data set.")]
WORDS_EACH = 8


@captions.command("info")
def info(data: Data, as_json: JsonFlag = False) -> None:
    """Length, vocabulary, words that go with each label, empty and shared captions."""
    with errors_explained(as_json=as_json):
        from core.data.catalog import open_dataset
        from core.workspace import current

        value = _described(open_dataset(current(), data))
        words = [f"  {label:<20} {', '.join(found)}" for label, found in value["words"].items()]
        text = (
            f"{counted(value['n'], 'caption')} of {value['mean_words']:.1f} words on average, "
            f"{value['shortest']} to {value['longest']}; "
            f"{counted(value['vocabulary'], 'different word')}, {value['once']:,} of them once\n"
            f"{value['empty']:,} without a word; "
            f"{counted(value['shared'], 'caption is', 'captions are')} shared by several images\n"
        )
        emit(value, "\n".join([text, *words]), as_json=as_json)


def _described(dataset: Dataset) -> dict[str, Any]:
    from core.data.captions import caption_statistics
    from core.errors import BadInput

    if dataset.captions is None:
        raise BadInput(f"Data set {dataset.name!r} has no captions.", "Import a table with a caption column.")
    found = caption_statistics(dataset.captions)
    scores = found.association(dataset.given)
    words = {
        name: [found.vocabulary[int(one)] for one in np.argsort(-scores[:, k], kind="stable")[:WORDS_EACH]]
        for k, name in enumerate(dataset.classes[: scores.shape[1]])
    }
    return {
        "data": dataset.name,
        "n": len(found.lengths),
        "mean_words": float(found.lengths.mean()),
        "shortest": int(found.lengths.min()),
        "longest": int(found.lengths.max()),
        "vocabulary": len(found.vocabulary),
        "once": found.n_once,
        "empty": len(found.empty),
        "shared": len(found.duplicated),
        "words": words,
    }


@captions.command("mismatch")
def mismatch(
    data: Data,
    by: Annotated[str, typer.Option(help="labels: what the words say of them; picture: CLIP.")] = "labels",
    model: Annotated[str, typer.Option(help="The CLIP model, as for `tidyset zero-shot`.")] = "",
    checkpoint: Annotated[Path | None, typer.Option(help="A CLIP checkpoint on this machine.")] = None,
    config: Annotated[Path | None, typer.Option(help="Its model_config JSON.")] = None,
    top: Annotated[int, typer.Option(min=0, help="How many to list.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List the images whose caption disagrees with the labels, or with the picture, the worst first."""
    with errors_explained(as_json=as_json):
        from core.cli.training import wait_for
        from core.data.catalog import open_dataset
        from core.embeddings.clip_models import find_model
        from core.labels.versions import current_version
        from core.quality.mismatch import as_rows, create_mismatch, load_mismatches
        from core.runs.launch import start
        from core.runs.recipe import Recipe
        from core.workspace import current

        workspace = current()
        dataset = open_dataset(workspace, data)
        clip = None
        if model:
            clip = find_model(workspace, model, checkpoint=checkpoint or "", config=config or "").to_json()
        version = current_version(workspace, dataset.name)
        run = create_mismatch(workspace, dataset, Recipe(), by=by, model=clip, label_version=version)
        start(run)
        wait_for(run, as_json=as_json)
        found = load_mismatches(run)
        rows = as_rows(dataset, found, top)
        lines = [f"{row['item_id']:<16} {row['reason']}\n{'':<17}{row['caption']}" for row in rows]
        value = {"run": run.name, "id": run.id, "by": by, "n": len(found), "images": rows}
        emit(value, "\n".join(lines) or "There is nothing to list.", as_json=as_json)
