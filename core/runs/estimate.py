"""How long a run will take, judged by earlier runs on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from core.errors import BadInput
from core.runs.recipe import Recipe
from core.runs.store import Run, history, status

_SAME = (
    "model",
    "timm_model",
    "width",
    "frozen",
    "head",
    "input_size",
    "precision",
    "device",
    "threads",
)
"""Fields that must be equal for one run's speed to say something about another's."""

MOST_RUNS = 20
TRIAL = "trial"
"""The kind of run that core.worker.trial does: a few seconds of training that leave nothing but a pace."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated duration.

    Attributes:
        seconds: From the launch to the results.
        n_runs: How many earlier runs it is judged by; 0 for a trial of a few seconds.
    """

    seconds: float
    n_runs: int


def estimate(
    recipe: Recipe,
    n_train: int,
    image_shape: tuple[int, ...] | None,
    runs: Sequence[Run],
    *,
    fingerprint: str = "",
) -> Estimate | None:
    """The median speed of like runs, or else that of a trial, over the images this recipe will see.

    What runs on the same data took beside the training (starting, predicting) is added. Where a recipe trains
    several networks, the speed is that of one: those side by side share the machine.

    Args:
        n_train: Labelled images of the training split, before validation is held out.
        image_shape: (H, W, C) of the data set, None when images differ in size.
        runs: Earlier trainings and trials, newest first; those of another model, size or machine setting are
            passed over.
        fingerprint: Of the data set; runs that do not say their images' shape count when they had this one.

    Returns:
        None where nothing tells.
    """
    shape = list(image_shape or ())
    alike = [
        run
        for run in runs[: 5 * MOST_RUNS]
        if run.job.get("image_shape", shape if run.fingerprint == fingerprint else None) == shape
        and _alike(run, recipe)
    ]
    trained = [(run, speed) for run in alike if run.kind == "train" and (speed := _speed(run))][:MOST_RUNS]
    judges = trained or [(run, _pace(run)) for run in alike if tells(run)][:1]
    if not judges:
        return None
    n_seen = _images_an_epoch(recipe, n_train * (1 - recipe.validation_share)) * recipe.epochs
    beside = [b for run, _ in judges if run.fingerprint == fingerprint and (b := _beside(run)) is not None]
    seconds = recipe.n_networks * n_seen / median(speed for _, speed in judges) + (
        median(beside) if beside else 0.0
    )
    return Estimate(seconds, len(trained))


def tells(run: Run) -> bool:
    """Whether the run is a trial that has found out how fast this machine is."""
    return run.kind == TRIAL and _pace(run) > 0


def _pace(trial: Run) -> float:
    return float(status(trial).summary.get("images_per_second", 0.0))


def _speed(run: Run) -> float | None:
    """Training images a second, validation and all; None when the run did not finish an epoch."""
    now = status(run)
    seconds = [e["seconds"] for e in now.epochs if e.get("seconds")]
    if not seconds or not now.started or not now.started.get("n_train"):
        return None
    return float(_images_an_epoch(run.recipe, now.started["n_train"]) / median(seconds))


def _images_an_epoch(recipe: Recipe, n_train: float) -> float:
    return float(recipe.epoch_images or n_train)


def _beside(run: Run) -> float | None:
    """Seconds from launch to end that were no training; None when it did not go through in one piece."""
    now = status(run)
    launched = [event["at"] for event in history(run) if event["type"] == "launched"]
    if len(launched) != 1 or "seconds" not in now.summary:
        return None
    training = sum(e.get("seconds", 0.0) for e in now.epochs) or now.summary["seconds"]
    return float(max(0.0, now.summary["at"] - launched[0] - training))


def _alike(run: Run, recipe: Recipe) -> bool:
    try:
        earlier = run.recipe
    except BadInput:
        return False
    is_pace = run.kind == TRIAL  # of one network, whatever the recipe
    if (earlier.has_stages and not is_pace) or _learns_from(earlier) != _learns_from(recipe):
        return False
    return all(getattr(earlier, name) == getattr(recipe, name) for name in _SAME)


def _learns_from(recipe: Recipe) -> int:
    """Unlabelled images a network learns from, for each labelled one."""
    return 0 if recipe.semi in ("none", "teacher-student") or recipe.has_stages else recipe.semi_ratio
