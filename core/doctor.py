"""``tidyset doctor``: what is installed, reachable and sound here, what is not, and how to mend each.

Every check answers with findings and never raises: a broken part must not hide the state of the others.
Nothing here uses the network, and nothing is changed except a probe file that is written and deleted.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from core.cache import cache_status
from core.data import catalog, fashion_mnist
from core.errors import TidysetError
from core.files import Json, storage_failed
from core.workspace import Workspace

FEW_BYTES = 2 << 30
"""Free space below which a training or an import is likely to hit the end of the disk."""
LARGE_CACHE_BYTES = 20 << 30


class Health(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    NOTE = "note"
    """Works without; something optional is not there."""
    WARNING = "warning"
    """Works now; likely to fail soon, or partly."""
    FAULT = "fault"
    """Something that the app needs does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: "Python", "packages", "machine", "workspace", "database", "data sets", "runs" or "weights".
        what: What was looked at, in a few words.
        found: What there is.
        mend: What to do; empty where nothing needs to be done.
    """

    area: str
    what: str
    health: Health
    found: str
    mend: str = ""

    def to_json(self) -> Json:
        """For --json."""
        return asdict(self)


def examine(workspace: Workspace) -> list[Finding]:
    """Look at everything, in the order in which it is best mended."""
    areas: tuple[tuple[str, Callable[[Workspace], Iterator[Finding]]], ...] = (
        ("Python", _python),
        ("packages", _packages),
        ("machine", _machine),
        ("workspace", _workspace),
        ("database", _database),
        ("data sets", _datasets),
        ("runs", _runs),
        ("weights", _weights),
    )
    return [finding for area, look in areas for finding in _guarded(area, look, workspace)]


def _guarded(
    area: str, look: Callable[[Workspace], Iterator[Finding]], workspace: Workspace
) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(look(workspace))
    except TidysetError as error:
        found.append(Finding(area, "usable", Health.FAULT, error.problem, error.mend))
    except Exception as error:  # whatever is broken, the other areas are still looked at
        said = f"{type(error).__name__}: {error}"
        found.append(Finding(area, "usable", Health.FAULT, said, "Install again: uv sync."))
    return found


def _python(workspace: Workspace) -> Iterator[Finding]:
    yield Finding("Python", "version", Health.OK, ".".join(map(str, sys.version_info[:3])))


def _packages(workspace: Workspace) -> Iterator[Finding]:
    """What the distribution's own metadata asks for, against what is installed."""
    from packaging.requirements import Requirement

    n_wrong = 0
    for line in importlib.metadata.requires("tidyset") or []:
        needed = Requirement(line)
        extra = re.search(r"extra == ['\"]([^'\"]+)", str(needed.marker))
        version = _version(needed.name)
        if version is not None and needed.specifier.contains(version, prereleases=True):
            continue
        found = f"{version or 'not installed'}; asked for: {needed.name}{needed.specifier}"
        if extra:
            mend = f"Only if you want it: uv sync --extra {extra[1]}."
            yield Finding("packages", needed.name, Health.NOTE, found, mend)
            continue
        n_wrong += 1
        health = Health.WARNING if version else Health.FAULT
        yield Finding("packages", needed.name, health, found, "Install again: uv sync.")
    if not n_wrong:
        shown = ", ".join(f"{name} {_version(name)}" for name in ("streamlit", "torch", "numpy", "pandas"))
        yield Finding("packages", "all that are needed", Health.OK, shown)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine(workspace: Workspace) -> Iterator[Finding]:
    import torch

    from core.training.machine import has_fast_bf16

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shown = f"{cores} {'core' if cores == 1 else 'cores'}"
    yield Finding("machine", "processor", Health.OK, shown + (f", {_gib(memory)} memory" if memory else ""))
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count()))
        precision = "bf16" if has_fast_bf16(torch.device("cuda")) else "fp32"
        yield Finding("machine", "GPU", Health.OK, f"{names}, trains in {precision}")
    elif _has_nvidia_driver():
        found = f"a GPU is here, but torch {torch.__version__} cannot use it"
        mend = "Install a torch built for its CUDA version: https://pytorch.org/get-started/locally."
        yield Finding("machine", "GPU", Health.WARNING, found, mend)
    else:
        yield Finding("machine", "GPU", Health.NOTE, "none: trains on the processor")


def _has_nvidia_driver() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    asked = subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=20, check=False)
    return asked.returncode == 0 and b"GPU" in asked.stdout


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    root = workspace.root
    probe = root / f".doctor-{os.getpid()}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"written by tidyset doctor")
        probe.unlink()
    except OSError as error:
        said = storage_failed(root, error)
        yield Finding("workspace", "can be written", Health.FAULT, said.problem, said.mend)
    else:
        yield Finding("workspace", "can be written", Health.OK, str(root))
    if root.exists():
        free = shutil.disk_usage(root).free
        mend = "Free some space, or set TIDYSET_WORKSPACE to a folder on another disk."
        few = free < FEW_BYTES
        health = Health.WARNING if few else Health.OK
        yield Finding("workspace", "free space", health, _gib(free), mend if few else "")
        cache = cache_status(workspace).n_bytes
        large = cache > LARGE_CACHE_BYTES
        mend = "`tidyset cache prune --keep 5GB`: all in it is made again when needed." if large else ""
        health = Health.WARNING if large else Health.OK
        yield Finding("workspace", "cache", health, _gib(cache), mend)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / (1 << 30):,.1f} GiB"


def _database(workspace: Workspace) -> Iterator[Finding]:
    """That the journal opens, has a format that is read here, and (SQLite) is sound page by page."""
    from sqlalchemy import func, select, text
    from sqlalchemy.engine import make_url

    from core.labels.schema import database, edits, reading

    if "TIDYSET_DATABASE_URL" not in os.environ and not (workspace.root / "labels.db").exists():
        yield Finding("database", "label journal", Health.OK, "none yet: made with the first label")
        return
    engine = database(workspace)
    with reading(engine) as connection:
        n_edits = connection.scalar(select(func.count()).select_from(edits))
        place = make_url(workspace.database_url).render_as_string(hide_password=True)
        yield Finding("database", "label journal", Health.OK, f"{place}: {n_edits:,} label edits")
        if engine.dialect.name == "sqlite":
            said = str(connection.scalar(text("PRAGMA quick_check(1)")))
            sound = said == "ok"
            mend = "" if sound else "Stop the app, and restore labels.db from a copy."
            health = Health.OK if sound else Health.FAULT
            yield Finding("database", "sound", health, "every page" if sound else said, mend)


def _datasets(workspace: Workspace) -> Iterator[Finding]:
    """Each data set opened, so that a missing or cut-off array is found as well as a damaged manifest."""
    n_sound = 0
    for entry in catalog.list_datasets(workspace):
        if entry.state == "absent":
            yield Finding("data sets", entry.name, Health.NOTE, "not fetched yet", _HOW_TO_FETCH)
        elif entry.state == "ready":
            try:
                catalog.open_dataset(workspace, entry.name)
                n_sound += 1
            except TidysetError as error:
                yield Finding("data sets", entry.name, Health.FAULT, error.problem, error.mend)
        elif entry.state == "damaged":
            mend = f"Restore it from a copy, or delete it: tidyset data delete {entry.name}."
            yield Finding("data sets", entry.name, Health.FAULT, entry.note, mend)
    yield Finding("data sets", "sound", Health.OK, f"{n_sound} opened")
    if not fashion_mnist.sample_file().exists():
        mend = "Install Tidyset again: the sample comes with it."
        yield Finding("data sets", fashion_mnist.SAMPLE, Health.FAULT, "the shipped sample is missing", mend)


_HOW_TO_FETCH = (
    "Where there is a network `tidyset data info fashion-mnist` fetches it; "
    "Debian has it as dataset-fashion-mnist."
)


def _runs(workspace: Workspace) -> Iterator[Finding]:
    from core.runs.store import RunState, damaged_runs, list_runs, status

    for folder, reason in damaged_runs(workspace):
        yield Finding("runs", folder.name, Health.WARNING, reason, f"Restore it, or delete {folder}.")
    runs = list_runs(workspace, kind=None)
    for run in runs:
        if status(run).state is RunState.LOST:
            mend = f"Go on from its last checkpoint: tidyset runs resume {run.name}; or delete it."
            yield Finding("runs", run.name, Health.WARNING, "its worker ended without a word", mend)
        try:
            _ = run.recipe if run.recipe_file.exists() else None
        except TidysetError as error:
            mend = f"Restore it, or delete the run: tidyset runs delete {run.name}."
            yield Finding("runs", run.name, Health.WARNING, error.problem, mend)
    yield Finding("runs", "listed", Health.OK, f"{len(runs):,}")


def _weights(workspace: Workspace) -> Iterator[Finding]:
    """Which pretrained weights are on this machine: local CLIP checkpoints, and the hub's cache."""
    from core.embeddings.clip_models import list_models

    for model in list_models(workspace):
        if not model.is_local:
            continue
        missing = [path for path in (model.checkpoint, model.config) if path and not Path(path).is_file()]
        if missing:
            mend = f"Put it back, or name it anew: --model {model.key} --checkpoint FILE."
            yield Finding("weights", model.key, Health.WARNING, f"{missing[0]} is gone", mend)
        else:
            yield Finding("weights", model.key, Health.OK, model.checkpoint)
    fetched = _fetched_repositories()
    if fetched:
        yield Finding("weights", "Hugging Face cache", Health.OK, ", ".join(fetched))
    else:
        mend = "Fetched when a model needs them; without a network give --checkpoint (docs/zero-shot.md)."
        found = "none fetched: published CLIP models and pretrained backbones need a network once"
        yield Finding("weights", "Hugging Face cache", Health.NOTE, found, mend)


def _fetched_repositories() -> list[str]:
    from huggingface_hub.constants import HF_HUB_CACHE

    folders = sorted(Path(HF_HUB_CACHE).glob("models--*"))
    return [folder.name.removeprefix("models--").replace("--", "/") for folder in folders]
