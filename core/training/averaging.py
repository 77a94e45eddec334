"""The moving average of the weights (EMA): a smoother network than the one that is trained."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from core.models import Classifier

EVERY = 4  # steps between updates: averaging four at once costs a quarter and gives the same average


class WeightAverage:
    """A copy of ``model`` whose weights and batch-norm buffers trail behind it.

    Early on the decay is lower, so that the fresh weights are soon forgotten.
    """

    def __init__(self, model: Classifier, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        source, target = dict(model.state_dict()), self.model.state_dict()
        floating = [name for name, tensor in source.items() if tensor.is_floating_point()]
        self._source = [source[name].detach() for name in floating]
        self._target = [target[name].detach() for name in floating]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """To be called after every step with its number (0-based, over the whole run)."""
        if (step + 1) % EVERY:
            return
        decay = min(self.decay**EVERY, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._target, self._source, 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """The averaged weights and buffers by name, live."""
        return self.model.state_dict()
