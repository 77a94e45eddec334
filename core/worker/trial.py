"""The job of a run of kind "trial": a few seconds of training, to tell how long a whole one would take."""

from __future__ import annotations

import time

import numpy as np

from core.labels.versions import labels_at
from core.training.loop import fit
from core.training.parts import assign_roles, make_parts
from core.training.pixels import run_pixels
from core.worker import Job, Outcome
from core.worker.training import labels_to_train, open_run_dataset, stoppable, unlabelled_images

SECONDS = 3.0
WARM_UP_STEPS = 2


class Stopwatch:
    """Ends a training after SECONDS and tells its pace, the first steps not counted: they are slower.

    Args:
        batch_size: Images of a step.
    """

    def __init__(self, batch_size: int) -> None:
        self._batch_size, self._steps = batch_size, 0
        self._began = self._last = time.monotonic()

    def __call__(self) -> bool:
        """To be called after every step; whether it is time to end."""
        self._steps += 1
        self._last = time.monotonic()
        if self._steps == WARM_UP_STEPS:
            self._began = self._last
        return self._steps > WARM_UP_STEPS and self._last - self._began > SECONDS

    @property
    def seconds(self) -> float:
        """Since the first counted step: what of the trial was training."""
        return self._last - self._began

    @property
    def images_per_second(self) -> float:
        """The pace between the first counted step and the last."""
        steps = self._steps - WARM_UP_STEPS if self._steps > WARM_UP_STEPS else self._steps
        return self._batch_size * steps / max(1e-9, self.seconds)


def trial(job: Job) -> Outcome:
    """Train for a few seconds, keep nothing of it, and report ``images_per_second``; of a recipe for several
    networks, one of them.

    Raises:
        TidysetError: What would also hinder the whole training.
    """
    recipe = job.run.recipe.of_one_network() if job.run.recipe.has_stages else job.run.recipe
    dataset = open_run_dataset(job, any_task=True)
    state = labels_at(job.workspace, dataset, job.run.label_version)
    roles = assign_roles(np.asarray(dataset.split), np.asarray(dataset.labels), recipe)
    labels = labels_to_train(state, roles, recipe)
    excluded = np.asarray(state.excluded, bool)
    parts = make_parts(roles, labels, excluded)
    pixels = run_pixels(job.workspace, dataset, recipe, stoppable(job))
    watch = Stopwatch(min(recipe.batch_size, len(parts.train)))
    fit(
        pixels,
        labels,
        parts,
        dataset.classes,
        recipe,
        should_stop=watch,
        captions=dataset.captions,
        unlabelled=unlabelled_images(dataset, labels, roles, excluded),
    )
    figures = {"images_per_second": round(watch.images_per_second, 1), "seconds": round(watch.seconds, 2)}
    return Outcome("finished", figures)
