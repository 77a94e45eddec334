"""A workspace in which people have worked: three data sets, and of every page's results at least one.

Small and really computed, so that pages show what they would show; made once a process and copied.
"""

from __future__ import annotations

import numpy as np

from core.data.catalog import open_dataset
from core.data.dataset import SPLITS, Dataset
from core.embeddings.clip_models import find_model
from core.embeddings.features import FeatureSource
from core.embeddings.maps import MapRequest, create_map
from core.embeddings.prompts import default_prompts
from core.embeddings.zero_shot import ZeroShotRequest, create_zero_shot
from core.evaluation.crossval import create_crossval
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import current_version
from core.quality.arms import edits_of_version
from core.quality.evidence import create_search
from core.quality.filling import JOINT, create_fill
from core.quality.mismatch import create_mismatch
from core.quality.proofs import create_proof
from core.runs.recipe import PRESETS, Recipe, make_recipe
from core.runs.store import Run, create_run, status
from core.worker import work
from core.workspace import Workspace
from tests.finished_runs import SAMPLE, finished_run
from tests.tagged import tagged
from tests.tiny_clip import write_tiny_clip

TINY = make_recipe(
    {"width": 4, "epochs": 1, "batch_size": 256, "learning_rate": 0.01, "image_size": 14, "threads": 1}
)
TAGS = make_recipe({"width": 8, "epochs": 3, "batch_size": 32, "learning_rate": 3e-3, "threads": 1})
WORDS = PRESETS["caption"].with_changes(
    {"width": 4, "caption_width": 8, "epochs": 2, "batch_size": 32, "threads": 1}
)
DATASETS = (SAMPLE, "tagged", "captioned")


def furnish(workspace: Workspace) -> None:
    """Put the three data sets into ``workspace``, with runs, edits, searches, maps and proofs."""
    sample = open_dataset(workspace, SAMPLE)
    split = np.repeat([SPLITS.index("train"), SPLITS.index("test")], (480, 120)).astype(np.int8)
    tags = tagged(workspace, sample, 600, split=split)
    words = tagged(workspace, sample, 600, name="captioned", captions=True, split=split)
    base = finished_run(workspace, sample, "r1")
    _work_on_labels(workspace, sample)
    finished_run(workspace, sample, "r1-2", seed=1, epochs=1, parent=base.id)
    _one_label(workspace, sample, base)
    _several_labels(workspace, tags, TAGS)
    _several_labels(workspace, words, WORDS)
    _done(create_mismatch(workspace, words, WORDS, by="labels"))


def _one_label(workspace: Workspace, sample: Dataset, base: Run) -> None:
    version = current_version(workspace, sample.name)
    _done(create_map(workspace, sample, MapRequest(FeatureSource("run", base.id), method="pca")))
    _done(create_search(workspace, sample, TINY, label_version=version, n_folds=3))
    _done(create_crossval(workspace, sample, TINY, label_version=version, n_folds=3))
    _done(
        create_proof(workspace, base, edits_of_version(workspace, sample, 0), n_seeds=2, changes=_changes())
    )
    checkpoint, config = write_tiny_clip(workspace.root / "clip")
    model = find_model(workspace, "tiny", checkpoint=checkpoint, config=config)
    _done(create_zero_shot(workspace, sample, ZeroShotRequest(model, default_prompts(sample))))


def _changes() -> dict[str, object]:
    return {"width": 4, "epochs": 1, "batch_size": 256, "learning_rate": 0.01, "image_size": 14}


def _several_labels(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    runs = []
    for seed in range(2):
        name = f"{dataset.name}-{seed + 1}"
        runs.append(create_run(workspace, dataset, recipe.with_changes({"seed": seed}), name=name))
        _done(runs[-1])
    if recipe is TAGS:
        _done(create_fill(workspace, dataset, recipe, method=JOINT, precision=0.8, n_folds=2, apply=False))
        _done(create_map(workspace, dataset, MapRequest(FeatureSource("run", runs[0].id), method="pca")))
        _work_on_several_labels(workspace, dataset)
        edits = edits_of_version(workspace, dataset, 0)
        _done(create_proof(workspace, runs[0], edits, n_seeds=2, changes={"epochs": 1}))


def _work_on_several_labels(workspace: Workspace, dataset: Dataset) -> None:
    """Corrections of the first label of some images."""
    first = dataset.classes[0]
    edits = [
        NewEdit(
            str(dataset.item_ids[position]),
            EditKind.LABEL,
            "no" if dataset.labels[position][0] == 1 else "yes",
            who="ann",
            session="visit-2",
            seq=number,
            class_name=first,
        )
        for number, position in enumerate(dataset.in_split("train")[:20], start=1)
    ]
    LabelJournal(workspace).append(dataset, edits)


def _work_on_labels(workspace: Workspace, sample: Dataset) -> None:
    """Two people at work: corrections, confirmations, a picture left out, and second looks that differ."""
    positions = sample.in_split("train")[:40]
    names = sample.classes
    edits = []
    for number, position in enumerate(positions, start=1):
        given = int(sample.labels[position])
        kind = EditKind.CONFIRM if number % 3 else EditKind.LABEL
        new = names[given if number % 3 else (given + 1) % len(names)]
        edits.append(
            NewEdit(str(sample.item_ids[position]), kind, new, who="ann", session="visit-1", seq=number)
        )
    LabelJournal(workspace).append(sample, edits)
    looks = [
        NewEdit(edit.item_id, EditKind.LOOK, edit.new if number % 5 else names[0], who="ben")
        for number, edit in enumerate(edits[:20])
    ]
    LabelJournal(workspace).append(sample, looks)


def _done(run: Run) -> None:
    assert work(run.folder) == 0, status(run).error
