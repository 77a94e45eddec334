"""The events of a run: an append-only file of JSON lines, written by one worker and read by anyone.

Every event has ``type`` and ``at`` (Unix seconds). The types, with their other fields:

===========  ============================================================================================
launched     (no fields): a worker process was asked for
started      device, precision, threads, n_train, n_val, n_test, parameters, epochs,
             resumed_from (epoch or null)
progress     epoch (0-based, under way), step, n_steps (of the epoch), share (0 to 1, whole run),
             seconds_left, images_per_second, train_loss, train_accuracy, learning_rate; about once a second.
             While images are scaled or predicted: share, seconds_left and text only
epoch        epoch (0-based, finished), train_loss, train_accuracy, valid_loss, valid_accuracy,
             valid_macro_f1, learning_rate, images_per_second, seconds (of the epoch), share, seconds_left
checkpoint   epoch, step
note         text: something a person should know (early stop, rate lowered, a fallback taken)
finished     best_epoch, seconds, test_accuracy, test_macro_f1, valid_accuracy, valid_macro_f1, ...
failed       error (one sentence with the mend), details (the traceback, for the log only)
stopped      epoch: the worker ended because it was asked to
===========  ============================================================================================

A job that is no training (an import, an embedding) uses started, progress (share, seconds_left, text),
note, finished, failed and stopped.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.bounded import parse_json, read_at_most
from core.files import storage_failed
from core.json_text import json_text

Event = dict[str, Any]
TERMINAL = frozenset({"finished", "failed", "stopped"})
MOST_LOG_BYTES = 256 << 20
MOST_TIME = 250_000_000_000.0
"""Unix time of the year 9892: no date beyond it can be shown."""
_COUNTS = {"epoch": ("epoch",)}
"""By type, the whole numbers that it is nothing without."""
_COUNTS_WITHIN = ("epoch", "step")
"""Those of what happens within an epoch."""
_MOST_COUNT = 1 << 53
_ON_THE_WAY = (
    "share",
    "seconds_left",
    "n_steps",
    "images_per_second",
    "learning_rate",
    "train_loss",
    "train_accuracy",
)
_FIGURES = (
    *_ON_THE_WAY,
    *("seconds", "epochs", "resumed_from", "n_train", "best_epoch", "valid_loss", "valid_accuracy"),
    *("valid_macro_f1", "valid_macro_auc", "valid_average_precision", "test_accuracy", "test_macro_f1"),
)
"""What is drawn and calculated with, where it occurs."""
_NUMBERS = frozenset({int, float, type(None)})


@dataclass(frozen=True, slots=True)
class EventLog:
    """An events.jsonl file."""

    path: Path

    def append(self, type_: str, **fields: Any) -> None:
        """Append one event in a single write, and fsync when it ends the run.

        A line that an earlier write left unfinished, as on a full disk, is ended first.

        Raises:
            StorageFailed: It did not reach the file, or only a part of it did.
        """
        line = (json_text({"type": type_, "at": time.time(), **fields}) + "\n").encode()
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":
                    line = b"\n" + line
                if os.write(handle, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if type_ in TERMINAL or type_ == "checkpoint":
                    os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise storage_failed(self.path, error) from error

    def read(self, offset: int = 0) -> tuple[list[Event], int]:
        """The whole events after byte ``offset``, and the offset to go on from.

        A line still being written (torn, at the end) is left for the next call; a damaged line
        elsewhere is skipped, so that one bad block does not hide the rest of a run. What lies beyond
        MOST_LOG_BYTES is not read: a worker writes that in some ten days at a line a second.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                block = read_at_most(file, MOST_LOG_BYTES - offset)
        except OSError:  # not there yet, or it cannot be read
            return [], offset
        complete = block[: block.rfind(b"\n") + 1]
        found = [one for one in _parsed(complete) if _is_event(one)]
        return found, offset + len(complete)

    def n_damaged(self) -> int:
        """How many lines cannot be read: garbled ones, and one at the end that was never finished."""
        try:
            about = self.path.stat()
            return _n_damaged(self.path, about.st_size, about.st_mtime_ns)
        except OSError:
            return 0


@lru_cache(maxsize=1_024)
def _n_damaged(path: Path, size: int, written_ns: int) -> int:
    with path.open("rb") as file:
        lines = [line for line in read_at_most(file, MOST_LOG_BYTES).split(b"\n") if line.strip()]
    return sum(not any(map(_is_event, _parsed(line))) for line in lines)


def _is_event(value: Any) -> bool:
    """Whether a line says what every event of its type says, and its figures are numbers."""
    if not isinstance(value, dict) or not isinstance(type_ := value.get("type"), str):
        return False
    if not isinstance(at := value.get("at"), int | float) or not 0 <= at < MOST_TIME:
        return False
    counts = _COUNTS_WITHIN if "step" in value else _COUNTS.get(type_, ())
    if not all(isinstance(n := value.get(name), int) and 0 <= n < _MOST_COUNT for name in counts):
        return False
    return _NUMBERS.issuperset(map(type, map(value.get, _FIGURES if type_ != "progress" else _ON_THE_WAY)))


def _parsed(block: bytes) -> list[Any]:
    """The JSON value of each line, without the damaged ones."""
    text = block.decode(errors="replace")
    with contextlib.suppress(ValueError):
        # As one array: a list of a thousand runs is a third of a million lines, each slow to parse by itself.
        return list(parse_json(f"[{text.rstrip().replace(chr(10), ',')}]"))
    values = []
    for line in text.split("\n"):
        with contextlib.suppress(ValueError):
            values.append(parse_json(line))
    return values
