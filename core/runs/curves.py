"""What a run's curves are made of: its epochs, and between them what the worker reported on the way."""

from __future__ import annotations

from collections.abc import Sequence

from core.runs.events import Event
from core.runs.store import Run, history

MOST_POINTS = 500
METRICS = {
    "loss": ("train_loss", "valid_loss"),
    "accuracy": ("train_accuracy", "valid_accuracy"),
    "macro_f1": ("valid_macro_f1",),
    "learning_rate": ("learning_rate",),
    "images_per_second": ("images_per_second",),
}
"""By chart, the fields of the events that it shows."""

_WITHIN_EPOCHS = frozenset({"train_loss", "train_accuracy", "learning_rate", "images_per_second"})

Points = list[tuple[float, float]]


def curves(run: Run) -> dict[str, Points]:
    """(epochs done, value) of every field in METRICS; at most 500 points each, the last always kept.

    What was reported within the first epoch, and since the last finished one, is shown too, so that a curve
    grows from the first second; within the epochs between, the epoch's own figure stands for it.
    """
    epochs: dict[int, Event] = {}
    within: list[Event] = []
    for event in history(run):
        if event["type"] == "started":
            within = []
        elif event["type"] == "epoch":
            epochs = {number: e for number, e in epochs.items() if number < event["epoch"]}
            epochs[int(event["epoch"])] = event
            within = []
        elif event["type"] == "progress":
            within.append(event)
    fields = [field for fields in METRICS.values() for field in fields]
    return {field: _points(field, list(epochs.values()), within) for field in fields}


def _points(field: str, epochs: Sequence[Event], within: Sequence[Event]) -> Points:
    points = [(float(e["epoch"]) + 1, float(e[field])) for e in epochs if e.get(field) is not None]
    if field in _WITHIN_EPOCHS:
        points += [
            (float(e["epoch"]) + e["step"] / max(1, e["n_steps"]), float(e[field]))
            for e in within
            if e.get(field) is not None and "step" in e
        ]
    return thinned(points)


def thinned(points: Points) -> Points:
    """Every k-th point, so that at most MOST_POINTS are left, and the last."""
    if len(points) <= MOST_POINTS:
        return points
    step = -(-len(points) // (MOST_POINTS - 1))
    return points[:-1:step] + points[-1:]
