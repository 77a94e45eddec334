"""Runs for other tools: CSV tables, and event files that TensorBoard reads."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.files import write_bytes
from core.runs.store import Run, status

NOT_FIGURES = frozenset({"type", "at", "epoch", "share", "seconds_left"})


def runs_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row a run: what run.json says, its state, its result, and its recipe as recipe.NAME."""
    rows = []
    for run in runs:
        now = status(run)
        rows.append(
            {
                "run": run.name,
                "id": run.id,
                "kind": run.kind,
                "data": run.dataset,
                "label_version": run.label_version,
                "created": run.created,
                "state": str(now.state),
                "tags": " ".join(run.tags),
                "notes": run.notes,
                **{name: value for name, value in now.summary.items() if _is_plain(name, value)},
                **_recipe(run),
            }
        )
    return rows


def epochs_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row an epoch of a run, with all its figures."""
    return [
        {"run": run.name, "epoch": epoch["epoch"], **_figures(epoch)}
        for run in runs
        for epoch in status(run).epochs
    ]


def _is_plain(name: str, value: object) -> bool:
    return name not in NOT_FIGURES | {"run"} and isinstance(value, (str, int, float))


def _figures(epoch: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in epoch.items()
        if name not in NOT_FIGURES and isinstance(value, (int, float))
    }


def _recipe(run: Run) -> dict[str, Any]:
    try:
        values = run.recipe.model_dump() if run.recipe_file.exists() else {}
    except BadInput:  # damaged; the rest of the run may be sound
        values = {}
    return {f"recipe.{name}": value for name, value in values.items()}


def to_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV with the columns of all of them, in the order in which they come."""
    text = io.StringIO(newline="")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def export_csv(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write runs.csv and epochs.csv into ``folder``; returns both. Raises StorageFailed."""
    files = [folder / "runs.csv", folder / "epochs.csv"]
    for file, rows in zip(files, (runs_table(runs), epochs_table(runs)), strict=True):
        write_bytes(file, to_csv(rows))
    return files


def export_tensorboard(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write one folder of event files a run: a curve of every figure of its epochs; returns the folders.

    ``train_loss`` becomes ``loss/train``, so that TensorBoard draws training and validation side by side.

    Raises:
        BadInput: tensorboardX is not installed, or the folder of a run exists already.
    """
    if importlib.util.find_spec("tensorboardX") is None:
        raise BadInput(
            "Event files need tensorboardX, which is not installed.",
            "Install it with `uv sync --extra tensorboard` (or pip install 'tidyset[tensorboard]'); "
            "CSV needs nothing.",
        )
    from tensorboardX import SummaryWriter

    folders = [folder / run.name for run in runs]
    if taken := [one for one in folders if one.exists()]:
        raise BadInput(f"{taken[0]} exists already.", "Choose an empty folder: TensorBoard would join both.")
    for run, place in zip(runs, folders, strict=True):
        now = status(run)
        with SummaryWriter(str(place)) as writer:
            for epoch in now.epochs:
                for name, value in _figures(epoch).items():
                    writer.add_scalar(_tag(name), value, int(epoch["epoch"]) + 1, walltime=float(epoch["at"]))
            if run.recipe_file.exists():
                writer.add_text("recipe", f"```toml\n{run.recipe_file.read_text(encoding='utf-8')}\n```")
    return folders


def _tag(name: str) -> str:
    part, _, figure = name.partition("_")
    return f"{figure}/{part}" if part in ("train", "valid") and figure else name
