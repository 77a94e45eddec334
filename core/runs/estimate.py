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


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated duration.

    Attributes:
        seconds: Of the whole run.
        n_runs: How many earlier runs it is judged by.
    """

    seconds: float
    n_runs: int


def estimate(
    recipe: Recipe, n_train: int, image_shape: tuple[int, ...] | None, runs: Sequence[Run]
) -> Estimate | None:
    """The median speed of like runs, over the images this recipe will see; None when there is none.

    Args:
        n_train: Images of the training split, before validation is held out.
        image_shape: (H, W, C) of the data set, None when images differ in size.
        runs: Earlier runs, newest first; those of another model, size or machine setting are passed over.
    """
    speeds = []
    for run in runs[: 5 * MOST_RUNS]:
        if run.job.get("image_shape") != list(image_shape or ()) or not _alike(run, recipe):
            continue
        now = status(run)
        seconds = [e["seconds"] for e in now.epochs if e.get("seconds")]
        if seconds and now.started and now.started.get("n_train"):
            speeds.append(now.started["n_train"] / median(seconds))
        if len(speeds) == MOST_RUNS:
            break
    if not speeds:
        return None
    n_seen = n_train * (1 - recipe.validation_share) * recipe.epochs
    return Estimate(n_seen / median(speeds), len(speeds))


def _alike(run: Run, recipe: Recipe) -> bool:
    try:
        earlier = run.recipe
    except BadInput:
        return False
    return all(getattr(earlier, name) == getattr(recipe, name) for name in _SAME)
