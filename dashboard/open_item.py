"""The way to one image's story from a page that knows no run; the dialog is imported when it is opened."""

from __future__ import annotations

from core.data.dataset import Dataset
from core.runs.store import RunState, list_runs, status
from dashboard import picker


def open_item(dataset: Dataset, position: int) -> None:
    """Open the dialog with one image's full story, the newest finished run's opinion included."""
    from dashboard.item_dialog import show

    runs = list_runs(picker.workspace(), dataset=dataset.name)[:20]
    finished = (run for run in runs if status(run).state is RunState.FINISHED)
    show(dataset, position, next(finished, None))
