"""How fast a training goes, and how long it will still take."""

from __future__ import annotations

import time

EVERY_SECONDS = 1.0


class Meter:
    """Counts steps and images, and says about once a second that it is time to report.

    Args:
        n_steps: Steps of the whole run.
        steps_done: Steps done in earlier sessions.
    """

    def __init__(self, n_steps: int, steps_done: int) -> None:
        self.n_steps, self.steps_done, self.steps_before = n_steps, steps_done, steps_done
        self.started = self.last_report = self.window_start = time.monotonic()
        self.window_images = 0
        self.images_per_second = 0.0

    def after_step(self, n_images: int) -> bool:
        """Count a step; True when a report is due."""
        self.steps_done += 1
        self.window_images += n_images
        now = time.monotonic()
        if now - self.last_report < EVERY_SECONDS:
            return False
        self.images_per_second = self.window_images / max(1e-9, now - self.window_start)
        self.last_report = self.window_start = now
        self.window_images = 0
        return True

    def after_pause(self) -> None:
        """Do not count the time since the last step (validation, a checkpoint) as training."""
        self.window_start = time.monotonic()
        self.window_images = 0

    @property
    def share(self) -> float:
        """Of all steps, those done: 0 to 1."""
        return round(self.steps_done / self.n_steps, 5)

    @property
    def seconds_left(self) -> float:
        """At the pace of this session, validation and checkpoints included."""
        elapsed = time.monotonic() - self.started
        done = self.steps_done - self.steps_before
        return round((self.n_steps - self.steps_done) * elapsed / max(1, done), 1)

    def figures(self) -> dict[str, float]:
        """share (0 to 1), seconds_left and images_per_second."""
        return {
            "share": self.share,
            "seconds_left": self.seconds_left,
            "images_per_second": round(self.images_per_second, 1),
        }
