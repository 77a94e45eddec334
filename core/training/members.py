"""Networks of an ensemble side by side, each in a process of its own with its share of the processor.

``python -m core.training.members TASK`` trains one: TASK is a file beside the checkpoint that holds all it
needs. The process tells its events as lines of JSON, and stops, checkpoint written, when its input ends: so
it never outlives the run that started it, however that ended.
"""

from __future__ import annotations

import core  # noqa: F401  # isort: skip  (before torch: sets how its threads wait)

import mmap
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.bounded import parse_json
from core.data.dataset import SPLITS
from core.errors import BadInput, DamagedFile, StorageFailed, TidysetError, TrainingFailed
from core.files import atomic_writer, delete_file
from core.json_text import json_text
from core.runs.recipe import Recipe, make_recipe
from core.training.dynamics import no_margins
from core.training.frozen import MapsSource
from core.training.loop import OnEvent
from core.training.machine import ALL_THREADS, choose_machine
from core.training.parts import Parts
from core.training.pixels import Pixels
from core.training.stage import Kept, Stage, kept_history, train_stage
from core.workspace import Workspace

POLL_SECONDS = 0.2
STOPPED = 3
"""The exit code of a process that was asked to end."""
_ENDED, _FAILED = "member-ended", "member-failed"
_ERRORS: dict[str, type[TidysetError]] = {
    kind.__name__: kind for kind in (BadInput, DamagedFile, StorageFailed, TrainingFailed)
}


def places(recipe: Recipe, pixels: Pixels, kept: Kept) -> int:
    """How many networks can be trained at once: one a core. On a GPU, or where nothing can be kept or the
    pixels lie in memory alone, one.
    """
    on_disk = isinstance(pixels, np.memmap) and isinstance(pixels.base, mmap.mmap)
    if kept.checkpoint_file is None or not on_disk or choose_machine(recipe).device.type != "cpu":
        return 1
    return recipe.threads or ALL_THREADS


@dataclass(eq=False)
class SideBySide:
    """Trains networks at once and keeps them (core.training.stage); the results are then found there.

    Attributes:
        pixels: A whole memory-mapped file.
        classes: K names.
        kept: Where to keep them.
        n_places: How many at once.
        on_event: Told the events of each network with its number first.
    """

    pixels: Pixels
    classes: tuple[str, ...]
    kept: Kept
    n_places: int
    on_event: Callable[..., None]
    _running: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    _told: queue.Queue[tuple[int, str, dict[str, Any]]] = field(default_factory=queue.Queue)
    _ended: dict[int, bool] = field(default_factory=dict)

    def train(self, stages: list[Stage]) -> bool:
        """Train what is not kept yet; False when it was asked to stop before all were done.

        Raises:
            TidysetError: As ``fit``, from the first network that failed; the others are stopped.
        """
        waiting = [stage for stage in stages if kept_history(stage, self.kept) is None]
        self._ended = {stage.number: True for stage in stages if stage not in waiting}
        n_places = min(self.n_places, len(waiting))
        missing, is_stopping = {stage.number for stage in waiting}, False
        try:
            while missing:
                while waiting and len(self._running) < n_places and not is_stopping:
                    self._launch(waiting.pop(0), max(1, self.n_places // n_places))
                is_stopping = is_stopping or self.kept.should_stop()
                if is_stopping:
                    self._ask_to_stop()
                    missing &= set(self._running)
                self._listen(missing)
        finally:
            self._ask_to_stop()
            for process in self._running.values():
                process.wait()
        return all(self._ended.get(stage.number, False) for stage in stages)

    def _launch(self, stage: Stage, threads: int) -> None:
        path = self.kept.file(stage.number, ".task")
        assert path is not None
        write_task(path, stage, self.pixels, self.classes, self.kept.checkpoint_seconds, threads)
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        process = subprocess.Popen(
            [sys.executable, "-m", "core.training.members", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._running[stage.number] = process
        threading.Thread(target=self._read, args=(stage.number, process), daemon=True).start()

    def _read(self, number: int, process: subprocess.Popen[str]) -> None:
        """Pass on what a process tells; on its end say so."""
        assert process.stdout is not None
        for line in process.stdout:
            type_, fields = parse_json(line)
            self._told.put((number, type_, fields))
        self._told.put((number, _ENDED, {"code": process.wait()}))

    def _listen(self, missing: set[int]) -> None:
        """Handle what was told within a moment."""
        try:
            number, type_, fields = self._told.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return
        if type_ == _FAILED:
            raise _ERRORS.get(fields["kind"], TidysetError)(fields["problem"], fields["mend"])
        if type_ != _ENDED:
            self.on_event(number, type_, **fields)
            return
        del self._running[number]
        missing.discard(number)
        if fields["code"] not in (0, STOPPED):
            raise TrainingFailed(
                f"The process that trained network {number + 1} ended with code {fields['code']}.",
                "Continue the run: it goes on from the last checkpoint. If it happens again, the memory may "
                "be too small for several networks at once: set threads to 1.",
            )
        self._ended[number] = fields["code"] == 0

    def _ask_to_stop(self) -> None:
        for process in self._running.values():
            if process.stdin is not None and not process.stdin.closed:
                process.stdin.close()


def write_task(
    path: Path,
    stage: Stage,
    pixels: Pixels,
    classes: tuple[str, ...],
    checkpoint_seconds: float,
    threads: int,
) -> None:
    """All that a process needs to train a network, as arrays and JSON in one file."""
    assert isinstance(pixels, np.memmap)
    about = {
        "number": stage.number,
        "name": stage.name,
        "recipe": {**stage.recipe.model_dump(), "threads": threads},
        "classes": classes,
        "pixels": {
            "file": str(pixels.filename),
            "dtype": pixels.dtype.str,
            "shape": pixels.shape,
            "offset": pixels.offset,
        },
        "checkpoint_seconds": checkpoint_seconds,
        "has_soft": stage.soft is not None,
        "val_decides": stage.val_decides,
        "maps": [str(stage.maps.workspace.root), stage.maps.fingerprint] if stage.maps else None,
        "margins": list(stage.margins.total.shape) if stage.margins is not None else None,
    }
    arrays = {f"part_{name}": positions for name, positions in stage.parts.named()}
    soft = stage.soft if stage.soft is not None else np.empty(0, np.float32)
    text = np.frombuffer(json_text(about).encode(), np.uint8)
    with atomic_writer(path) as file:
        np.savez(
            file,
            allow_pickle=False,
            about=text,
            labels=stage.labels,
            measured_on=stage.measured_on,
            soft=soft,
            **arrays,
        )


class _Stopped(Exception):
    """The process was asked to end before the training began."""


def run_task(path: Path, on_event: OnEvent, should_stop: Callable[[], bool]) -> bool:
    """Train the network of a task file; False when stopped. Errors as ``fit``."""

    def stoppable(type_: str, **fields: Any) -> None:
        on_event(type_, **fields)
        if should_stop():
            raise _Stopped

    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    about = parse_json(arrays["about"].tobytes())
    place = about["pixels"]
    pixels: Pixels = np.memmap(
        place["file"], place["dtype"], "r", offset=place["offset"], shape=tuple(place["shape"])
    )
    stage = Stage(
        number=about["number"],
        name=about["name"],
        recipe=make_recipe(about["recipe"]),
        labels=arrays["labels"],
        parts=Parts(*(arrays[f"part_{name}"] for name in SPLITS)),
        measured_on=arrays["measured_on"],
        soft=arrays["soft"] if about["has_soft"] else None,
        val_decides=about["val_decides"],
        maps=MapsSource(Workspace(Path(about["maps"][0])), about["maps"][1], stoppable)
        if about["maps"]
        else None,
        margins=no_margins(tuple(about["margins"])) if about["margins"] else None,
    )
    kept = Kept(path.with_name("checkpoint"), about["checkpoint_seconds"], should_stop)
    try:
        return not train_stage(stage, pixels, tuple(about["classes"]), kept, on_event).stopped
    except _Stopped:
        return False


def main() -> int:
    """One network, as the module says."""
    path, stop, lock = Path(sys.argv[1]), threading.Event(), threading.Lock()

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    def tell(type_: str, **fields: Any) -> None:
        with lock:
            print(json_text([type_, fields], other=float), flush=True)

    threading.Thread(target=watch, daemon=True).start()
    try:
        is_done = run_task(path, tell, stop.is_set)
    except TidysetError as error:
        tell(_FAILED, kind=type(error).__name__, problem=error.problem, mend=error.mend)
        return 0
    except BrokenPipeError:
        return STOPPED
    finally:
        delete_file(path)
    return 0 if is_done else STOPPED


if __name__ == "__main__":
    sys.exit(main())
