"""A small workspace with everything in it: two data sets, edits, tags, a preset, a finished run of each kind.

It is kept as whole.zip, made once by ``uv run python -m tests.crash.whole``, so that it is also what an
earlier version of Tidyset left behind: a newer one has to read it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

ARCHIVE = Path(__file__).with_name("whole.zip")
CLOTHES, TAGGED = "clothes", "tagged"
N = 240


def unpacked(folder: Path) -> Path:
    """The workspace, in ``folder``."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder


def make(root: Path) -> None:
    """Everything, by really doing it."""
    os.environ["TIDYSET_WORKSPACE"] = str(root)
    from core.data.catalog import open_dataset
    from core.data.tags import add_tag
    from core.labels.journal import EditKind, LabelJournal, NewEdit
    from core.runs.presets import save_preset
    from core.workspace import Workspace
    from tests.tagged import tagged

    workspace = Workspace(root)
    with tempfile.TemporaryDirectory() as elsewhere:
        sample = open_dataset(Workspace(Path(elsewhere)), "fashion-mnist-sample")
        clothes = _clothes(workspace, sample)
        several = tagged(workspace, sample, 120, TAGGED, captions=True)
    ids = [str(one) for one in clothes.item_ids]
    train = [ids[k] for k in clothes.in_split("train")]
    journal = LabelJournal(workspace)
    edits = [NewEdit(one, EditKind.LABEL, clothes.classes[0], who="ann") for one in train[:12]]
    edits += [NewEdit(one, EditKind.EXCLUDE, who="bob") for one in train[12:14]]
    add_tag(workspace, clothes, "later", ids[:3])
    for job in _jobs(workspace, clothes, several, lambda: journal.append(clothes, edits)):
        _done(job)
    save_preset(workspace, "mine", _recipe())


def _clothes(workspace, sample):  # type: ignore[no-untyped-def]
    from core.data.dataset import Task
    from core.data.writer import write_array_dataset

    chosen = np.linspace(0, len(sample) - 1, N).astype(np.int64)
    return write_array_dataset(
        workspace,
        CLOTHES,
        title="Clothes",
        task=Task.SINGLE_LABEL,
        classes=sample.classes,
        item_ids=np.asarray(sample.item_ids[chosen]),
        split=np.asarray(sample.split[chosen]),
        labels=np.asarray(sample.labels[chosen]),
        images=sample.images.resized(chosen, 28, 28, 1),
    )


def _recipe():  # type: ignore[no-untyped-def]
    from core.runs.recipe import make_recipe

    return make_recipe({"width": 4, "epochs": 1, "batch_size": 32, "learning_rate": 3e-3, "threads": 1})


def _jobs(workspace, clothes, several, edit: Callable[[], object]):  # type: ignore[no-untyped-def]
    from core.embeddings.features import FeatureSource
    from core.embeddings.maps import MapRequest, create_map
    from core.evaluation.crossval import create_crossval
    from core.evaluation.sweep import create_sweep
    from core.evaluation.thresholds import Thresholds, save_thresholds
    from core.quality.active_compare import create_comparison
    from core.quality.arms import edits_of_version
    from core.quality.evidence import create_search
    from core.quality.filling import create_fill
    from core.quality.mismatch import create_mismatch
    from core.quality.proofs import create_proof
    from core.runs.store import create_run
    from core.tuning.space import parse_space
    from core.tuning.studies import StudyPlan, create_study

    recipe = _recipe()
    first = create_run(workspace, clothes, recipe, name="first")
    yield first
    edit()
    yield create_run(workspace, clothes, recipe, name="second", label_version=14)
    yield create_search(workspace, clothes, recipe, label_version=14, n_folds=2)
    yield create_map(workspace, clothes, MapRequest(FeatureSource("run", first.id)))
    yield create_crossval(workspace, clothes, recipe, label_version=14, n_folds=2)
    plan = StudyPlan(parse_space(["dropout=0..0.4"], recipe), 2)
    yield create_study(workspace, clothes, recipe, plan, label_version=14)
    yield create_proof(workspace, first, edits_of_version(workspace, clothes, 0, 14), n_seeds=2)
    yield create_comparison(workspace, clothes, recipe, strategies=["random"], rounds=1, seeds=1)
    many = create_run(workspace, several, recipe, name="many")
    yield many
    save_thresholds(many.folder, Thresholds((0.4, 0.5, 0.6), "manual"))
    yield create_search(workspace, several, recipe, label_version=0, n_folds=2)
    yield create_crossval(workspace, several, recipe, label_version=0, n_folds=2)
    yield create_fill(workspace, several, recipe, method="joint", precision=0.7, n_folds=2, apply=False)
    yield create_mismatch(workspace, several, recipe, by="labels")
    yield create_sweep(workspace, several, recipe, [{"dropout": 0.1}, {"dropout": 0.3}], label_version=0)


def _done(run) -> None:  # type: ignore[no-untyped-def]
    from core.worker import work

    print(run.kind, run.name, flush=True)
    run.events.append("launched")
    if work(run.folder):
        sys.exit(f"{run.name} failed")


def main() -> None:
    """Write whole.zip."""
    from core.database.engine import forget_engines

    root = Path(tempfile.mkdtemp()) / "workspace"
    make(root)
    forget_engines()
    shutil.rmtree(root / "cache", ignore_errors=True)
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.name not in ("lock", "secret.key", "worker.log"):
                archive.write(path, path.relative_to(root))
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
