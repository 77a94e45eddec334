"""The job of a run of kind "trial": a few seconds of training, to tell how long a whole one would take."""

from __future__ import annotations

import time

from core.worker import Job, Outcome
from core.worker.material import gather_material

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
    networks, one of them. What a frozen backbone makes of the images comes first: the run then finds it.

    Raises:
        TidysetError: What would also hinder the whole training.
    """
    recipe = job.run.recipe.of_one_network() if job.run.recipe.has_stages else job.run.recipe
    material = gather_material(job)
    training = material.training(recipe)
    material.pixels(recipe)  # not part of the pace
    watch = Stopwatch(min(recipe.batch_size, len(training.parts.train)))
    material.fit(training, should_stop=watch)
    figures = {"images_per_second": round(watch.images_per_second, 1), "seconds": round(watch.seconds, 2)}
    return Outcome("finished", figures)
