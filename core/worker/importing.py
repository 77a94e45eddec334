"""The job of a run of kind "import": reads a source in a process of its own and reports as it goes."""

from __future__ import annotations

import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from core.data import combo_mnist, fashion_mnist, thumbnails, uploads
from core.data.dataset import SPLITS, Dataset
from core.data.importer import ImportOptions, import_source
from core.data.readers.base import Hints
from core.data.splits import split_counts
from core.errors import ImportRejected
from core.files import Json, write_json
from core.worker import Job, Outcome

PROBLEMS_FILE = "problems.json"


def job_of(source: str | list[str], name: str, options: ImportOptions) -> Json:
    """What run.json keeps of an import."""
    told = asdict(options.hints)
    told["image_folder"] = str(options.hints.image_folder) if options.hints.image_folder else None
    rest = {
        "title": options.title,
        "test_share": options.test_share,
        "val_share": options.val_share,
        "seed": options.seed,
        "skip_bad": options.skip_bad,
    }
    return {"source": source, "name": name, **told, **rest}


def options_of(job: Json) -> ImportOptions:
    """The options that ``job_of`` kept."""
    told = {field.name: job[field.name] for field in fields(Hints) if job.get(field.name) is not None}
    for name in ("classes", "shape", "label", "unknown", "table"):
        if name in told:
            told[name] = tuple(told[name])
    if "image_folder" in told:
        told["image_folder"] = Path(told["image_folder"])
    return ImportOptions(
        Hints(**told),
        job.get("title", ""),
        job.get("test_share"),
        job.get("val_share", 0.0),
        job.get("seed", 0),
        job.get("skip_bad", False),
    )


class _Stopped(Exception):
    """A person asked the import to end."""


def import_data(job: Job) -> Outcome:
    """Import what run.json's job names; a refused import leaves its report in problems.json."""
    began = time.monotonic()
    last = [0.0]

    def report(share: float | None, text: str) -> None:
        if job.should_stop():
            raise _Stopped
        now = time.monotonic()
        if now - last[0] >= 0.5:
            left = (now - began) * (1 - share) / share if share else None
            job.on_event("progress", share=share or 0.0, seconds_left=left, text=text)
            last[0] = now

    job.on_event("started")
    try:
        dataset, facts = _imported(job, report)
        report(0.99, "thumbnails")
        thumbnails.make_sheets(dataset)
    except _Stopped:
        return Outcome("stopped", {})
    sources = job.run.job["source"]
    for source in [sources] if isinstance(sources, str) else sources:
        uploads.forget(job.workspace, source)
    about = {
        "n_items": len(dataset),
        "splits": split_counts(dataset.split, SPLITS),
        "can_train": "train" in dataset.splits,
    }
    return Outcome("finished", {"dataset": dataset.name, **about, **facts})


def _imported(job: Job, report: Any) -> tuple[Dataset, Json]:
    wanted = job.run.job
    if wanted["source"] == fashion_mnist.FULL:
        return fashion_mnist.materialise_full(job.workspace, report), {}
    if wanted["source"] == combo_mnist.NAME:
        options = combo_mnist.make_options(wanted.get("settings", {}))
        return combo_mnist.materialise(job.workspace, options, wanted["name"], report), {}
    try:
        result = import_source(job.workspace, wanted["source"], wanted["name"], options_of(wanted), report)
    except ImportRejected as error:
        problems = [[p.file, p.row, p.what, p.mend] for p in error.problems]
        write_json(job.run.folder / PROBLEMS_FILE, {"problems": problems, "n_found": error.n_found})
        raise
    left_out = [str(problem) for problem in result.problems]
    plan = result.plan
    return result.dataset, {
        "format": result.format,
        "n_left_out": result.n_problems,
        "left_out": left_out,
        "unused": list(plan.unused),
        "warnings": list(plan.warnings),
    }
