"""The job of a run of kind "sweep": one training for each setting, kept in the cache by what went in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from core.cache import Arrays, cached_arrays
from core.evaluation.sweep import figures_of, of_images, put_together, text_sweep
from core.files import digest, write_bytes, write_json
from core.worker import Job, Outcome, Stopped
from core.worker.material import Training, gather_material
from core.worker.parts import spread

CACHE = "sweep-2"


def sweep(job: Job) -> Outcome:
    """Train with each setting and set them against the best; sweep.json has all of it.

    Raises:
        TidysetError: Anything that a person can mend.
    """
    began = time.monotonic()
    settings = job.run.job["settings"]
    job.on_event("started", n_trainings=len(settings))
    sweeper = _Sweeper(job)
    spread(job, [f"setting-{number}" for number in range(len(settings))], len(settings))
    rows, images = [], []
    for number, setting in enumerate(settings):
        found = sweeper.trained(number, setting)
        test = sweeper.labels[sweeper.parts.test]
        rows.append(
            {
                "setting": setting,
                "seconds": round(float(found["seconds"][0]), 2),
                "epochs": int(found["epochs"][0]),
                "valid": figures_of(sweeper.labels[sweeper.parts.val], found["valid"]),
                "test": figures_of(test, found["test"]),
            }
        )
        images.append(of_images(test, found["test"]) if len(test) else np.zeros(0))
    value = {
        "run": job.run.name,
        "data": job.run.dataset,
        "n_test": len(sweeper.parts.test),
        **put_together(rows, images),
        "seconds": round(time.monotonic() - began, 2),
    }
    write_json(job.run.folder / "sweep.json", value)
    write_bytes(job.run.report_file, (text_sweep(value) + "\n").encode())
    return Outcome("finished", {"best": rows[value["best"]], "seconds": value["seconds"]})


def do_setting(job: Job, part: str) -> None:
    """Do the part "setting-3" of a sweep: put its probabilities into the cache. Raises Stopped."""
    number = int(part.removeprefix("setting-"))
    _Sweeper(job).trained(number, job.run.job["settings"][number], alone=True)


class _Sweeper:
    """The images of a sweep, alike for all its trainings."""

    def __init__(self, job: Job) -> None:
        self.job, self.recipe = job, job.run.recipe
        self.material = gather_material(job)
        judged = self.material.training(self.recipe.with_changes({"unknown_labels": "masked"}))
        self.labels, self.parts = judged.labels, judged.parts
        self._spent = 0.0

    def trained(self, number: int, setting: dict[str, Any], *, alone: bool = False) -> Arrays:
        """Probabilities of the validation and test images: from the cache, or now. Raises Stopped.

        Args:
            alone: Whether progress is that of this setting, not of all.
        """
        if self.job.should_stop():
            raise Stopped
        training = self.material.training(self.recipe.with_changes(setting))
        key = self.material.key(training, asked=digest(self.parts.val, self.parts.test))
        place = (0, 1) if alone else (number, len(self.job.run.job["settings"]))
        return cached_arrays(
            self.job.workspace, CACHE, key, lambda: self._train(number, training, self._progress(*place))
        )

    def _train(self, number: int, training: Training, on_event: Callable[..., None]) -> Arrays:
        val, test = self.parts.val, self.parts.test
        asked = np.concatenate([val, test])
        result, outputs = self.material.answers(training, f"setting-{number}", asked, on_event)
        self._spent += result.seconds
        return {
            "valid": outputs.pred_probs[: len(val)],
            "test": outputs.pred_probs[len(val) :],
            "seconds": np.array([result.seconds]),
            "epochs": np.array([result.epoch]),
        }

    def _progress(self, number: int, n: int) -> Callable[..., None]:
        def on_event(type_: str, **fields: Any) -> None:
            if type_ not in ("progress", "epoch"):
                return
            share, left = float(fields.get("share", 0.0)), fields.get("seconds_left")
            mean = self._spent / number if number and self._spent else None
            if left is not None and mean is not None:
                left += mean * (n - number - 1)
            self.job.on_event(
                "progress",
                share=(number + share) / n,
                seconds_left=left if number or n == 1 else None,
                text=f"setting {number + 1} of {n}",
            )

        return on_event
