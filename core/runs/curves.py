"""What a run's curves are made of: its epochs, and between them what the worker reported on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter

from core.runs.events import Event
from core.runs.following import Followed
from core.runs.store import Run

MOST_POINTS = 500
METRICS = {
    "loss": ("train_loss", "valid_loss"),
    "accuracy": ("train_accuracy", "valid_accuracy"),
    "macro_auc": ("valid_macro_auc",),
    "average_precision": ("valid_average_precision",),
    "macro_f1": ("valid_macro_f1",),
    "learning_rate": ("learning_rate",),
    "images_per_second": ("images_per_second",),
}
"""By chart, the fields of the events that it shows."""

_WITHIN_EPOCHS = frozenset({"train_loss", "train_accuracy"})
"""Means over the epoch so far: once it is done, its own figure stands for it."""
_OF_THE_MOMENT = frozenset({"learning_rate", "images_per_second"})
"""Kept from within every epoch: a warm-up may be over before the first one ends."""

_DRAWN = ("type", "epoch", "step", "n_steps", "resumed_from", *chain.from_iterable(METRICS.values()))

Points = list[tuple[float, float]]


def _drawn(events: list[Event]) -> list[Event]:
    """What of them is drawn: a long run reports ten thousand times."""
    return [
        {name: event[name] for name in _DRAWN if name in event} if "at" in event else event
        for event in events
        if event["type"] in ("started", "epoch") or (event["type"] == "progress" and "step" in event)
    ]


_FOLLOWED = Followed(_drawn, most_events=50_000)


def curves(run: Run) -> dict[str, Points]:
    """(epochs done, value) of every field in METRICS; at most 500 points each, the last always kept.

    What was reported since the last finished epoch is shown too, so that a curve grows from the first second.
    """
    epochs: dict[int, Event] = {}
    steps: list[Event] = []
    for event in _FOLLOWED(run.events):
        if event["type"] == "started":
            again_from = event.get("resumed_from") or 0
            steps = [step for step in steps if step["epoch"] < again_from]
        elif event["type"] == "epoch":
            number = int(event["epoch"])
            epochs = {earlier: e for earlier, e in epochs.items() if earlier < number}
            epochs[number] = event
        elif event["type"] == "progress" and "step" in event:
            steps.append(event)
    fields = [field for fields in METRICS.values() for field in fields]
    return {field: _points(field, epochs, steps) for field in fields}


def _points(field: str, epochs: Mapping[int, Event], steps: Sequence[Event]) -> Points:
    points = [(float(e["epoch"]) + 1, float(e[field])) for e in epochs.values() if e.get(field) is not None]
    if field in _WITHIN_EPOCHS | _OF_THE_MOMENT:
        points += [
            (float(e["epoch"]) + e["step"] / max(1, e.get("n_steps") or 1), float(e[field]))
            for e in steps
            if e.get(field) is not None and (field in _OF_THE_MOMENT or e["epoch"] not in epochs)
        ]
    return thinned(sorted(points, key=itemgetter(0)))


def thinned(points: Points) -> Points:
    """Every k-th point, so that at most MOST_POINTS are left, and the last."""
    if len(points) <= MOST_POINTS:
        return points
    step = -(-len(points) // (MOST_POINTS - 1))
    return points[:-1:step] + points[-1:]
