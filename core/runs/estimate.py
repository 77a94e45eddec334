"""How long a run will take, judged by earlier runs on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from core.errors import BadInput
from core.runs.recipe import Recipe
from core.runs.store import Run, status

_SAME = ("model", "width", "image_size", "precision", "device", "threads")
"""Fields that must be equal for one run's speed to say something about another's."""

MOST_RUNS = 20
TRIAL = "trial"
"""The kind of run that core.worker.trial does: a few seconds of training that leave nothing but a pace."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated duration.

    Attributes:
        seconds: Of the whole run.
        n_runs: How many earlier runs it is judged by; 0 for a trial of a few seconds.
    """

    seconds: float
    n_runs: int


def estimate(
    recipe: Recipe, n_train: int, image_shape: tuple[int, ...] | None, runs: Sequence[Run]
) -> Estimate | None:
    """The median speed of like runs, or else that of a trial, over the images this recipe will see.

    Args:
        n_train: Images of the training split, before validation is held out.
        image_shape: (H, W, C) of the data set, None when images differ in size.
        runs: Earlier trainings and trials, newest first; those of another model, size or machine setting are
            passed over.

    Returns:
        None where nothing tells.
    """
    alike = [
        run
        for run in runs[: 5 * MOST_RUNS]
        if run.job.get("image_shape") == list(image_shape or ()) and _alike(run, recipe)
    ]
    speeds = [speed for run in alike if run.kind == "train" and (speed := _speed(run))][:MOST_RUNS]
    tried = [float(status(run).summary["images_per_second"]) for run in alike if tells(run)]
    if not speeds and not tried:
        return None
    n_seen = n_train * (1 - recipe.validation_share) * recipe.epochs
    return Estimate(n_seen / median(speeds or tried[:1]), len(speeds))


def tells(run: Run) -> bool:
    """Whether the run is a trial that has found out how fast this machine is."""
    return run.kind == TRIAL and bool(status(run).summary.get("images_per_second"))


def _speed(run: Run) -> float | None:
    """Training images a second, validation and all; None when the run did not finish an epoch."""
    now = status(run)
    seconds = [e["seconds"] for e in now.epochs if e.get("seconds")]
    if not seconds or not now.started or not now.started.get("n_train"):
        return None
    return float(now.started["n_train"] / median(seconds))


def _alike(run: Run, recipe: Recipe) -> bool:
    try:
        earlier = run.recipe
    except BadInput:
        return False
    return all(getattr(earlier, name) == getattr(recipe, name) for name in _SAME)
