"""Margins beside the checkpoint: a training that goes on knows what its earlier steps saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DamagedFile
from core.files import atomic_writer, delete_file, read_arrays
from core.training.checkpoint import load_checkpoint
from core.training.dynamics import AnyMargins


class KeptMargins:
    """Writes the margins after each checkpoint, and reads them back where both are of the same step.

    Where they are not (killed between the two writes) the checkpoint is dropped: the training begins again.

    Args:
        margins: Filled from the files.
        checkpoint_file: Of the training.
        on_event: Told everything that the training tells.
    """

    def __init__(self, margins: AnyMargins, checkpoint_file: Path, on_event: Callable[..., None]) -> None:
        self.checkpoint_file = checkpoint_file
        self._margins, self._on_event = margins, on_event
        self._file = margins_file(checkpoint_file)
        if not self._read():
            self.discard()

    def on_event(self, type_: str, **fields: Any) -> None:
        """Of core.training.loop.fit."""
        if type_ == "checkpoint":
            at = np.array([fields["epoch"], fields["step"]])
            with atomic_writer(self._file) as file:
                np.savez(file, at=at, total=self._margins.total, count=self._margins.count)
        self._on_event(type_, **fields)

    def discard(self) -> None:
        """Delete both files."""
        delete_file(self.checkpoint_file)
        delete_file(self._file)

    def _read(self) -> bool:
        try:
            state = load_checkpoint(self.checkpoint_file).state
            stored = read_arrays(self._file, ("at", "total", "count"))
        except DamagedFile:
            return False
        if stored["at"].tolist() != [state.get("epoch"), state.get("step")]:
            return False
        if stored["total"].shape != self._margins.total.shape:
            return False
        self._margins.total, self._margins.count = stored["total"], stored["count"]
        return True


def margins_file(checkpoint_file: Path) -> Path:
    """Where the margins of the training with that checkpoint are."""
    return checkpoint_file.with_suffix(".npz")


def add_kept(margins: AnyMargins, checkpoint_file: Path) -> None:
    """Add what is kept there. Raises DamagedFile."""
    stored = read_arrays(margins_file(checkpoint_file), ("total", "count"))
    margins.total += stored["total"]
    margins.count += stored["count"]
