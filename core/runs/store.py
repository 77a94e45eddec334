"""Run folders: made, listed, looked at, renamed, deleted.

A run is a folder ``<workspace>/runs/<id>`` that can be copied, mailed and deleted::

    run.json                 name, kind, data set, fingerprint, label version, parent, notes
    recipe.toml              the recipe (training runs)
    events.jsonl             what happened, append-only (core.runs.events)
    checkpoint.safetensors   where to go on from
    model.safetensors, predictions.parquet, features.npy, metrics.json, report.txt   the results
    worker.log               what the worker printed
    lock, stop               held by the worker while it lives; there while it is asked to stop

Its state is a fold over the events and the lock: a process id would lie, because a finished child that
nobody waited for looks alive; a lock that the worker holds does not.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from core.data.dataset import LABEL_GROUPS, Dataset
from core.errors import Busy, DamagedFile, NameTaken, NotFound
from core.files import Json, read_json, storage_failed, write_bytes, write_json
from core.people.acting import allow
from core.people.roles import Right
from core.runs.events import MOST_TIME, TERMINAL, Event, EventLog
from core.runs.following import Followed, without_superseded
from core.workspace import Workspace, check_name

if TYPE_CHECKING:
    from core.runs.recipe import Recipe  # else imported where it is needed: the list of runs does without

_NO_RESULTS = frozenset(
    {"run.json", "events.jsonl", "worker.log", "lock", "stop", "checkpoint.safetensors"}
    | {"study.log", "study.lock"}
)
"""What a worker writes all the while, and what the fields of ``Run`` say."""
STARTING_SECONDS = 60.0
"""How long a run that no worker holds counts as starting: imports can take long on a busy machine."""


class RunState(StrEnum):
    """What a run is doing. The last four can be resumed or deleted."""

    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"
    """The worker ended without a word: killed, or the machine went down."""

    @property
    def active(self) -> bool:
        """Whether a worker has it or is about to."""
        return self in {RunState.STARTING, RunState.RUNNING}


@dataclass(frozen=True, slots=True)
class Run:
    """What run.json says: a snapshot. ``status`` tells what the run is doing.

    Attributes:
        id: Name of its folder; begins with the time it was made, so ids sort by age.
        name: What people call it; unique in the workspace.
        kind: "train", "import", ...: which job the worker does.
        dataset: Name of its data set.
        fingerprint: Of that data set when the run was made.
        label_version: The label version it uses.
        parent: Id of the run that this one repeats on other labels, or None.
        job: What the worker needs to know beyond the recipe, and what a list of runs shows of it.
        tags: A person's, in alphabetical order; earlier versions had none.
    """

    id: str
    name: str
    kind: str
    folder: Path
    dataset: str
    fingerprint: str
    label_version: int
    parent: str | None
    created: float
    notes: str
    job: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def cache_key(self) -> tuple[object, ...]:
        """What a result in memory that is read from this run depends on: its name, and when each of its files
        was written, since a run may be resumed.
        """
        try:
            with os.scandir(self.folder) as entries:
                files = [
                    (one.name, one.stat().st_mtime_ns, one.stat().st_size)
                    for one in entries
                    if one.name not in _NO_RESULTS and not one.name.startswith(".") and one.is_file()
                ]
        except OSError:  # deleted, or a file was replaced just now: reading it says what is wrong
            files = []
        return str(self.folder), self.name, self.dataset, self.fingerprint, self.label_version, *sorted(files)

    @property
    def recipe_file(self) -> Path:
        """recipe.toml."""
        return self.folder / "recipe.toml"

    @property
    def events_file(self) -> Path:
        """events.jsonl."""
        return self.folder / "events.jsonl"

    @property
    def checkpoint_file(self) -> Path:
        """checkpoint.safetensors: where a resumed worker goes on from."""
        return self.folder / "checkpoint.safetensors"

    @property
    def model_file(self) -> Path:
        """model.safetensors: the weights that were kept."""
        return self.folder / "model.safetensors"

    @property
    def predictions_file(self) -> Path:
        """predictions.parquet (core.evaluation.predictions)."""
        return self.folder / "predictions.parquet"

    @property
    def features_file(self) -> Path:
        """features.npy: float16 (N, D), rows as in the predictions."""
        return self.folder / "features.npy"

    @property
    def metrics_file(self) -> Path:
        """metrics.json."""
        return self.folder / "metrics.json"

    @property
    def report_file(self) -> Path:
        """report.txt: summary, metrics and confusion matrices for people."""
        return self.folder / "report.txt"

    @property
    def log_file(self) -> Path:
        """worker.log: what the worker printed."""
        return self.folder / "worker.log"

    @property
    def lock_file(self) -> Path:
        """lock: held by the worker while it lives."""
        return self.folder / "lock"

    @property
    def stop_file(self) -> Path:
        """stop: there while the worker is asked to end."""
        return self.folder / "stop"

    @property
    def recipe(self) -> Recipe:
        """The recipe, read from the folder once a process. Raises BadInput when it is damaged."""
        try:
            written_ns = self.recipe_file.stat().st_mtime_ns
        except OSError:
            written_ns = 0  # reading it says what is wrong
        return _load_recipe_once(self.recipe_file, written_ns)

    @property
    def events(self) -> EventLog:
        """The log of what happened."""
        return EventLog(self.events_file)


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What a run's events add up to.

    Attributes:
        share: Done, 0 to 1.
        seconds_left: As the worker last estimated; None when not known or nothing runs.
        epochs: The epoch events, by epoch; an epoch repeated after a resume counts once.
        progress: The last progress event after the last epoch, if any.
        summary: The fields of the finished event.
        error: One sentence on what ended a failed or lost run, else "".
        notes: The texts of the note events; of what passes ("passing") only until the first epoch is done.
    """

    state: RunState
    share: float
    seconds_left: float | None
    epochs: tuple[Event, ...]
    progress: Event | None
    started: Event | None
    summary: Event
    error: str
    notes: tuple[str, ...]


def create_run(
    workspace: Workspace,
    dataset: Dataset | None,
    recipe: Recipe | None,
    *,
    name: str | None = None,
    label_version: int = 0,
    parent: str | None = None,
    kind: str = "train",
    job: Json | None = None,
) -> Run:
    """Make the folder of a new run. ``core.runs.launch.start`` sets it going.

    Raises:
        BadInput: Such a run cannot train the recipe on the data (core.runs.trainable).
        NameTaken: There is a run of that name.
        StorageFailed: The disk is full or read-only.
    """
    allow(workspace, Right.RUN)
    if recipe is not None and dataset is not None:
        from core.runs.trainable import DataFacts, check_trainable

        check_trainable(kind, recipe, DataFacts(workspace, dataset, label_version), job or {})
    runs = list_runs(workspace, kind=None)
    taken = {run.name for run in runs}
    if name is not None and check_name(name, "run") in taken:
        raise NameTaken(f"There is a run {name!r} already.", "Choose another name, or delete that run.")
    now = _after(runs)
    id_ = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(3)}"
    run = Run(
        id=id_,
        name=name or _free_name(_stem(recipe, kind), taken),
        kind=kind,
        folder=workspace.runs / id_,
        dataset=dataset.name if dataset else "",
        fingerprint=dataset.fingerprint if dataset else "",
        label_version=label_version,
        parent=parent,
        created=now,
        notes="",
        job={
            "image_shape": list((dataset and dataset.images.uniform) or ()),
            **({"model": recipe.model, "network": recipe.network} if recipe else {}),
            **(job or {}),
        },
    )
    while not _claimed(workspace, run):  # another server took the name since
        if name is not None:
            raise NameTaken(f"There is a run {name!r} already.", "Choose another name, or delete that run.")
        taken.add(run.name)
        run = replace(run, name=_free_name(_stem(recipe, kind), taken))
    if recipe is not None:
        write_bytes(run.recipe_file, fitting(recipe, dataset).to_toml().encode())
    _write(run)  # last: a folder without run.json is no run
    return run


def fitting(recipe: Recipe, dataset: Dataset | None) -> Recipe:
    """The recipe with what the data set says of its labels."""
    if dataset is None:
        return recipe
    return recipe.fitting(dataset.info.get(LABEL_GROUPS, ""), len(dataset.classes))


def _after(runs: Sequence[Run]) -> float:
    """Now; where the clock was put back since the newest run, just after that: lists keep their order.

    Not after one that is more than a day ahead, which came of a clock that was wrong.
    """
    now = time.time()
    newest = runs[0].created if runs else 0.0
    return newest + 0.001 if now <= newest < now + 86_400 else now


def _has_index(workspace: Workspace) -> bool:
    """Whether a team's database has an index of the runs (core.runs.index, imported only then)."""
    return workspace.database_url.startswith("postgres")


def _claimed(workspace: Workspace, run: Run) -> bool:
    """Whether the name of a new run is its own; where nobody else makes runs it is."""
    if not _has_index(workspace):
        return True
    from core.runs import index

    try:
        return index.claim(workspace, run.id, run.name, _about(run))
    except index.IndexAway:
        return True


def _stem(recipe: Recipe | None, kind: str) -> str:
    """What a run without a name is called after: its preset or model, or its kind where it is no training."""
    if recipe is None or kind != "train":
        return kind
    from core.runs.recipe import PRESETS

    return next((preset for preset, known in PRESETS.items() if known == recipe), recipe.stem)


def _free_name(stem: str, taken: set[str]) -> str:
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def _about(run: Run) -> Json:
    """What run.json says."""
    return {
        name: getattr(run, name)
        for name in (
            "name",
            "kind",
            "dataset",
            "fingerprint",
            "label_version",
            "parent",
            "created",
            "notes",
            "job",
            "tags",
        )
    }


def _write(run: Run) -> None:
    workspace = workspace_of(run)
    allow(workspace, Right.RUN)
    write_json(run.folder / "run.json", _about(run))
    if _has_index(workspace):
        from core.runs import index

        with contextlib.suppress(index.IndexAway):
            index.record(workspace, {run.id: _about(run)})


def workspace_of(run: Run) -> Workspace:
    """The workspace that a run is in."""
    return Workspace(run.folder.parents[1])


def load_run(folder: Path) -> Run:
    """The run kept in ``folder``. Raises DamagedFile."""
    return _run_of(folder, read_json(folder / "run.json", 1 << 20))


def _run_of(folder: Path, about: Json) -> Run:
    try:
        return Run(
            id=folder.name,
            name=str(about["name"]),
            kind=str(about["kind"]),
            folder=folder,
            dataset=str(about["dataset"]),
            fingerprint=str(about["fingerprint"]),
            label_version=int(about["label_version"]),
            parent=_text_or_none(about["parent"]),
            created=_time(about["created"]),
            notes=str(about["notes"]),
            job=dict(about.get("job", {})),
            tags=tuple(map(str, about.get("tags", ()))),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DamagedFile(
            f"{folder / 'run.json'} lacks or garbles {error}.",
            "Restore it from a copy, or delete its folder.",
        ) from error


def _text_or_none(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"the parent {str(value)[:40]!r}")
    return value


def _time(value: Any) -> float:
    if not 0 <= (at := float(value)) < MOST_TIME:
        raise ValueError(f"the time {str(value)[:40]!r}")
    return at


@lru_cache(maxsize=1_024)
def _load_recipe_once(file: Path, written_ns: int) -> Recipe:
    from core.runs.recipe import load_recipe

    return load_recipe(file)


@lru_cache(maxsize=16_384)
def _load_run_once(folder: Path, written_ns: int) -> Run:
    return load_run(folder)


def list_runs(workspace: Workspace, *, dataset: str | None = None, kind: str | None = "train") -> list[Run]:
    """All runs, newest first; damaged folders are left out (``damaged_runs`` lists them).

    Args:
        dataset: Only those of this data set.
        kind: Only those of this kind; None for all.
    """
    found = _indexed(workspace) if _has_index(workspace) else _in_folders(workspace)
    runs = [
        run
        for run in found
        if (dataset is None or run.dataset == dataset) and (kind is None or run.kind == kind)
    ]
    return sorted(runs, key=lambda run: (run.created, run.id), reverse=True)


def recent_runs(workspace: Workspace, dataset: Dataset, n: int = 20) -> list[tuple[Run, RunStatus]]:
    """The newest training runs on the data set as it is now, each with its status."""
    runs = list_runs(workspace, dataset=dataset.name)
    now = [run for run in runs if run.fingerprint == dataset.fingerprint]
    return [(run, status(run)) for run in now[:n]]


def _in_folders(workspace: Workspace, but: Collection[str] = ()) -> list[Run]:
    """The runs that can be read, without those whose ids are in ``but``."""
    runs = []
    for manifest in workspace.runs.glob("*/run.json"):
        if manifest.parent.name not in but:
            with contextlib.suppress(DamagedFile, OSError):
                runs.append(_load_run_once(manifest.parent, manifest.stat().st_mtime_ns))
    return runs


def _indexed(workspace: Workspace) -> list[Run]:
    """The runs of the team's index, which is put right where folders came or went."""
    from core.runs import index

    try:
        listed = index.listed(workspace)
        there = {entry.name for entry in os.scandir(workspace.runs)} if workspace.runs.exists() else set()
        now = time.time()
        # One that was claimed a moment ago has no folder yet.
        gone = {
            id_ for id_ in listed.keys() - there if now - float(listed[id_]["created"]) > STARTING_SECONDS
        }
        added = _in_folders(workspace, but=listed.keys())
        if gone:
            index.forget(workspace, gone)
        if added:
            index.record(workspace, {run.id: _about(run) for run in added})
    except index.IndexAway:
        return _in_folders(workspace)
    for id_ in listed.keys() & there:
        with contextlib.suppress(DamagedFile):
            added.append(_run_of(workspace.runs / id_, listed[id_]))
    return added


def damaged_runs(workspace: Workspace) -> list[tuple[Path, str]]:
    """(folder, reason) of run folders that cannot be read."""
    found = []
    for manifest in sorted(workspace.runs.glob("*/run.json")):
        try:
            _load_run_once(manifest.parent, manifest.stat().st_mtime_ns)
        except DamagedFile as error:
            found.append((manifest.parent, str(error)))
        except OSError:  # deleted just now
            continue
    return found


def find_run(workspace: Workspace, name_or_id: str) -> Run:
    """A run by name or id. Raises NotFound, naming the newest ones."""
    runs = list_runs(workspace, kind=None)
    for run in runs:
        if name_or_id in (run.name, run.id):
            return run
    known = ", ".join(run.name for run in runs[:5] if run.kind == "train") or "none yet"
    raise NotFound(f"There is no run {name_or_id!r}.", f"The newest are: {known}.")


def rename_run(workspace: Workspace, run: Run, name: str) -> Run:
    """Give a run another name. Raises BadInput or NameTaken."""
    check_name(name, "run")
    if any(other.name == name and other.id != run.id for other in list_runs(workspace, kind=None)):
        raise NameTaken(f"There is a run {name!r} already.", "Choose another name.")
    renamed = replace(run, name=name)
    _write(renamed)
    return renamed


def set_notes(run: Run, notes: str) -> Run:
    """Keep a person's notes on a run."""
    noted = replace(run, notes=notes)
    _write(noted)
    return noted


def set_tags(run: Run, tags: Iterable[str]) -> Run:
    """Give a run these tags and no others. Raises BadInput where one cannot be a tag."""
    tagged = replace(run, tags=tuple(sorted({check_name(tag.strip().lower(), "tag") for tag in tags})))
    _write(tagged)
    return tagged


def with_job(run: Run, **fields: Any) -> Run:
    """Keep more of what the worker needs to know, before it is started."""
    told = replace(run, job={**run.job, **fields})
    _write(told)
    return told


def delete_runs(runs: Sequence[Run]) -> list[Run]:
    """Delete several, or none: where one is still going it raises Busy before anything is deleted."""
    for run in runs:
        allow(workspace_of(run), Right.RUN)
    going = [run.name for run in runs if status(run).state.active]
    if going:
        raise Busy(f"Of these runs {', '.join(going)} is still going.", "Stop it first, or leave it out.")
    for run in runs:
        delete_run(run)
    return list(runs)


def delete_run(run: Run) -> None:
    """Delete a run and all in its folder. Raises Busy while a worker has it."""
    workspace = workspace_of(run)
    allow(workspace, Right.RUN)
    if status(run).state.active:
        raise Busy(f"Run {run.name!r} is still going.", "Stop it first.")
    try:
        (run.folder / "run.json").unlink(missing_ok=True)  # first: from here on it is no run any more
        shutil.rmtree(run.folder)
    except OSError as error:
        raise storage_failed(run.folder, error) from error
    if _has_index(workspace):
        from core.runs import index

        with contextlib.suppress(index.IndexAway):
            index.forget(workspace, {run.id})


def is_held(run: Run) -> bool:
    """Whether a living worker holds the run's lock."""
    if not run.lock_file.exists():
        return False
    lock = FileLock(run.lock_file, is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def status(run: Run) -> RunStatus:
    """What the run is doing, from its events and its lock."""
    events = history(run)
    state = _state(run, events)
    epochs: dict[int, Event] = {}
    started = progress = None
    summary: Event = {}
    for event in events:
        match event["type"]:
            case "started":
                started, progress = event, None
            case "epoch":
                epochs[int(event["epoch"])] = event
                progress = None
            case "progress":
                progress = event
            case "finished":
                summary = event
    latest = next((e for e in reversed(events) if e["type"] in ("progress", "epoch")), {})
    share = 1.0 if state is RunState.FINISHED else _within_one(latest.get("share"))
    return RunStatus(
        state=state,
        share=share,
        seconds_left=latest.get("seconds_left") if state is RunState.RUNNING else None,
        epochs=tuple(epochs[number] for number in sorted(epochs)),
        progress=progress if state.active else None,
        started=started,
        summary=summary if state is RunState.FINISHED else {},
        error=_error(run, state, events),
        notes=tuple(
            str(event.get("text", ""))
            for event in events
            # What it is about to do says nothing any more once it is done.
            if event["type"] == "note" and not (event.get("passing") and (epochs or not state.active))
        ),
    )


def _within_one(share: float | None) -> float:
    return min(1.0, max(0.0, share)) if share is not None and share == share else 0.0


_FOLLOWED = Followed(without_superseded, most_events=100_000)


def history(run: Run) -> list[Event]:
    """All events, oldest first, without progress that is no longer so; cheap to ask again and again."""
    return _FOLLOWED(run.events)


def _state(run: Run, events: list[Event]) -> RunState:
    """The last word of the log, unless it was launched again since; then a worker's lock, then its age."""
    last = next((e for e in reversed(events) if e["type"] in TERMINAL | {"started", "launched"}), None)
    if last is not None and last["type"] in TERMINAL:
        return RunState(str(last["type"]))
    if is_held(run):
        return RunState.RUNNING
    if last is not None and last["type"] == "started":
        return RunState.LOST
    launched = float(last["at"]) if last is not None else run.created
    return RunState.STARTING if abs(time.time() - launched) < STARTING_SECONDS else RunState.LOST


def _error(run: Run, state: RunState, events: list[Event]) -> str:
    if state is RunState.FAILED:
        failed = next(event for event in reversed(events) if event["type"] == "failed")
        return str(failed.get("error", ""))
    if state is RunState.LOST:
        return (
            f"The worker ended without a word{_last_log_line(run)} Resume goes on from the last checkpoint."
        )
    return ""


def _last_log_line(run: Run) -> str:
    try:
        text = run.log_file.read_bytes()[-4_000:].decode(errors="replace")
    except OSError:
        return "."
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"; its last line was: {re.sub(r'[^ -~]', ' ', lines[-1])[:300]}." if lines else "."
