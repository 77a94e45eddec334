"""Everything that writes, each on the workspace of ``whole``: for disks that are full or read-only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.cache import cached_arrays, cached_json
from core.data.catalog import delete_dataset, open_dataset
from core.data.hiding import hide_labels
from core.data.importer import import_source
from core.data.statistics import atomic_memmap, image_statistics
from core.data.tags import add_tag, remove_tag
from core.data.thumbnails import make_sheets, sheet_bytes
from core.database.engine import forget_engines
from core.embeddings.clip_models import ClipModel, remember
from core.evaluation.predictions import load_predictions, save_predictions
from core.evaluation.thresholds import by_hand, save_thresholds
from core.labels import outbox
from core.labels.export import Format, export_labels
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.patch import export_patch, write_patch
from core.labels.versions import labels_at
from core.models.saved import load_model, save_model
from core.people.accounts import add_account
from core.people.roles import Role
from core.quality.evidence import load_evidence, save_evidence
from core.quality.label_issues import load_issues, save_issues
from core.quality.looks import record_look
from core.quality.mismatch import load_mismatches, save_mismatches
from core.quality.queue import SELECTION, QueueRequest
from core.runs.export import export_csv
from core.runs.launch import start
from core.runs.presets import delete_preset, save_preset
from core.runs.recipe import PRESETS
from core.runs.store import create_run, delete_run, list_runs, rename_run, set_notes, set_tags, with_job
from core.team import lists
from core.training.checkpoint import load_checkpoint, save_checkpoint
from core.tuning.studies import load_trials, save_trial
from core.workspace import Workspace
from dashboard import tour
from dashboard.handover import keep_selection
from dashboard.review.tokens import token
from tests.crash.whole import CLOTHES, TAGGED

Write = Callable[[], object]
BESIDE = "beside"
"""A folder beside what is in the workspace, which exports are written to."""
LIST = "shared"


def _of_kind(workspace: Workspace, kind: str, data: str = CLOTHES) -> Any:
    return list_runs(workspace, dataset=data, kind=kind)[-1]


def writes(root: Path) -> dict[str, Write]:
    """By name, all that writes below ``root``; on a sound disk each works once."""
    workspace = Workspace(root)
    clothes = open_dataset(workspace, CLOTHES)
    first = str(clothes.item_ids[5])
    run, map_, study = (_of_kind(workspace, kind) for kind in ("train", "embed", "tune"))
    search, mismatch = _of_kind(workspace, "issues"), _of_kind(workspace, "mismatch", TAGGED)
    proof = _of_kind(workspace, "prove")
    journal, beside = LabelJournal(workspace), root / BESIDE
    table = root / "rows.csv"  # there before the disk is full
    state = labels_at(workspace, clothes)
    shared = lists.find_list(workspace, CLOTHES, LIST)

    def exported(name: str, chosen: Format | None = None) -> Write:
        return lambda: export_labels(clothes, state, beside / name, chosen)

    return {
        "a label": lambda: journal.append(clothes, [NewEdit(first, EditKind.EXCLUDE)]),
        "the name of a version": lambda: journal.name_version(CLOTHES, "v1", 1, "ann"),
        "an edit that waits": lambda: outbox.keep(workspace, clothes, [NewEdit(first, EditKind.EXCLUDE)]),
        "a tag": lambda: add_tag(workspace, clothes, "new", [first]),
        "a tag removed": lambda: remove_tag(workspace, clothes, "later"),
        "a preset": lambda: save_preset(workspace, "other", PRESETS["fast"]),
        "a preset deleted": lambda: delete_preset(workspace, "mine"),
        "a new run": lambda: create_run(workspace, clothes, PRESETS["fast"]),
        "a run's name": lambda: rename_run(workspace, run, "renamed"),
        "a run's notes": lambda: set_notes(run, "noted"),
        "a run's tags": lambda: set_tags(run, ["good"]),
        "a run's job": lambda: with_job(run, engine="local"),
        "a run deleted": lambda: delete_run(map_),
        "a worker started": lambda: start(run),
        "an event": lambda: run.events.append("note", text="x" * 9_000),
        "a checkpoint": lambda: save_checkpoint(run.checkpoint_file, load_checkpoint(run.checkpoint_file)),
        "a model": lambda: save_model(run.model_file, *load_model(run.model_file)),
        "predictions": lambda: save_predictions(run.predictions_file, load_predictions(run.predictions_file)),
        "thresholds": lambda: save_thresholds(run.folder, by_hand([0.5])),
        "evidence": lambda: save_evidence(search, load_evidence(search)),
        "label issues": lambda: save_issues(search, load_issues(search)),
        "mismatches": lambda: save_mismatches(mismatch, load_mismatches(mismatch)),
        "a trial": lambda: save_trial(study, load_trials(study)[0]),
        "a look at a proof": lambda: record_look(workspace, clothes, "q", proof, 0.5),
        "a selection": lambda: keep_selection(workspace, QueueRequest(SELECTION, item_ids=(first,))),
        "a local CLIP model": lambda: remember(
            workspace, ClipModel("tiny", "x", checkpoint="/x.pt", config="/x.json")
        ),
        "an import": lambda: import_source(workspace, table, "rows"),
        "a data set with fewer labels": lambda: hide_labels(workspace, clothes, "fewer", keep=40),
        "a data set deleted": lambda: delete_dataset(workspace, TAGGED),
        "thumbnails": lambda: make_sheets(clothes),
        "small images": lambda: _small(root / "cache" / "small.npy"),
        "a table of labels": exported("labels.csv"),
        "lines of labels": exported("labels.jsonl", Format.TABLE),
        "labels as parquet": exported("labels.parquet"),
        "labels as npz": exported("labels.npz"),
        "folders of images": exported("folders", Format.FOLDERS),
        "tasks of Label Studio": exported("tasks.json", Format.LABEL_STUDIO),
        "an account": lambda: add_account(workspace, "Eve", Role.ADMIN, "correct horse battery"),
        "a shared list": lambda: lists.share(workspace, clothes, "more", [first], who="ann"),
        "images taken": lambda: lists.take(workspace, clothes, shared, "bob"),
        "images given back": lambda: lists.release(workspace, shared, "ann"),
        "a list that is closed": lambda: lists.close(workspace, shared),
        "the tour": lambda: tour.save(workspace, tour.Tour("on")),
        "a patch": lambda: write_patch(export_patch(workspace, clothes), beside / "edits.jsonl"),
        "tables of runs": lambda: export_csv([run], beside / "runs"),
    }


def does_without(root: Path) -> dict[str, Write]:
    """What works on a full or read-only disk too, since it only wanted to keep a result."""
    workspace = Workspace(root)
    clothes = open_dataset(workspace, CLOTHES)
    return {
        "thumbnails are made": lambda: sheet_bytes(clothes, 0),
        "arrays are computed": lambda: cached_arrays(workspace, "x-1", {}, lambda: {"x": np.ones(9)}),
        "values are computed": lambda: cached_json(workspace, "x-1", {}, lambda: [1]),
        "statistics are computed": lambda: image_statistics(workspace, clothes),
        "a page for labelling has its token": lambda: token(workspace, clothes),
        "labels are read": lambda: labels_at(workspace, clothes),
        "runs are listed": lambda: list_runs(workspace),
    }


def _small(path: Path) -> None:
    with atomic_memmap(path, (50, 8, 8, 1)) as array:
        array[:] = 1


def prepare(root: Path) -> None:
    """What the writes read that must be there already."""
    rows = np.random.default_rng(1).integers(0, 256, (30, 64))
    table = "\n".join(f"{i % 3},{','.join(map(str, row))}" for i, row in enumerate(rows))
    (root / "rows.csv").write_text(table)
    (root / BESIDE).mkdir()
    workspace = Workspace(root)
    clothes = open_dataset(workspace, CLOTHES)
    shared = lists.share(workspace, clothes, LIST, clothes.item_ids[:9].tolist(), who="ann", at_once=3)
    lists.take(workspace, clothes, shared, "ann")
    forget_engines()  # whoever takes it up opens it anew
