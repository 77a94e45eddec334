"""The learning rate of every step, and when to stop early."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from core.runs.recipe import Recipe

START_SHARE, END_SHARE = 0.1, 1e-4  # of the highest rate, where one-cycle begins and ends


def learning_rate(recipe: Recipe, step: int, n_steps: int, factor: float = 1.0) -> float:
    """The rate of one step: a function of its number alone, so nothing needs to be kept.

    Args:
        recipe: Its schedule, learning_rate and warmup_share.
        step: 0-based, over the whole run.
        n_steps: Steps of the whole run.
        factor: What the plateau rule has multiplied the rate by so far.
    """
    if recipe.schedule in ("constant", "plateau"):
        return recipe.learning_rate * factor
    n_warmup = int(recipe.warmup_share * n_steps)
    if recipe.schedule == "one-cycle":
        start, end = START_SHARE, END_SHARE
    else:
        start, end = 0.0, 0.0
    if step < n_warmup:
        share = (step + 1) / n_warmup
        rise = share if recipe.schedule == "cosine" else (1 - math.cos(math.pi * share)) / 2
        return recipe.learning_rate * (start + (1 - start) * rise)
    share = (step - n_warmup) / max(1, n_steps - n_warmup)
    return recipe.learning_rate * (end + (1 - end) * (1 + math.cos(math.pi * share)) / 2)


@dataclass
class Patience:
    """Watches the validation loss: lowers the rate on a plateau and ends the run when that helps no more.

    The two rules work together: with the plateau schedule a run does not end before the rate has been
    lowered since the best epoch, and the lower rate has had its ``plateau_patience`` epochs.

    Attributes:
        best_loss: The lowest loss so far.
        best_epoch: Its epoch, -1 before the first.
        factor: What the learning rate is multiplied by.
        lowered_epoch: The last epoch after which the rate was lowered, -1 for never.
    """

    best_loss: float = math.inf
    best_epoch: int = -1
    factor: float = 1.0
    lowered_epoch: int = -1

    def after(self, recipe: Recipe, epoch: int, loss: float) -> Literal["go on", "lower", "stop"]:
        """Take note of the loss of ``epoch``, and say what to do."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, epoch
            return "go on"
        has_plateau = recipe.schedule == "plateau"
        waited = epoch - max(self.best_epoch, self.lowered_epoch) >= recipe.plateau_patience
        gave_lower_rate_a_chance = self.lowered_epoch > self.best_epoch and waited
        is_late = 0 < recipe.early_stopping_patience <= epoch - self.best_epoch
        if is_late and (gave_lower_rate_a_chance or not has_plateau):
            return "stop"
        if has_plateau and waited:
            self.factor *= recipe.plateau_factor
            self.lowered_epoch = epoch
            return "lower"
        return "go on"
