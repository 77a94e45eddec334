"""The exponential moving average (EMA) of the weights: a smoother network than the one that is trained."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from core.models import Classifier
from core.training.finite import trained_tensors


class WeightAverage:
    """A copy of ``model`` whose weights and batch-norm statistics are averaged over all steps so far.

    After step t (0-based), ``average = d * average + (1 - d) * model`` with
    ``d = min(decay, (1 + t) / (10 + t))``: the ramp forgets the untrained weights within a few steps, as
    TensorFlow's ExponentialMovingAverage does with its ``num_updates``. Batch-norm statistics are averaged
    alike, so that they belong to the averaged weights; whole numbers (batches counted) are copied.

    Every step is averaged: it costs less than a thousandth of the step.
    """

    def __init__(self, model: Classifier, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        state, copied = model.state_dict(), self.model.state_dict()
        averaged = trained_tensors(model)
        counted = [name for name, tensor in state.items() if not tensor.is_floating_point()]
        self._source = list(averaged.values())
        self._target = [copied[name] for name in averaged]
        self._counts = [state[name] for name in counted]
        self._counts_copied = [copied[name] for name in counted]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after a step in; to be called after every one.

        Args:
            step: Its number, 0-based, over the whole run.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._target, self._source, 1 - decay)
        if self._counts:
            torch._foreach_copy_(self._counts_copied, self._counts)

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights and buffers by name, live."""
        return self.model.state_dict()
