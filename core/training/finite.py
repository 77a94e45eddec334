"""Whether a network still consists of finite numbers; one that does not answers nothing and is no result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import TrainingFailed
from core.models import Classifier
from core.runs.recipe import Recipe


def trained_tensors(model: Classifier) -> dict[str, Tensor]:
    """What training changes, live, by name: the weights that are not frozen, and floating-point buffers."""
    frozen = {name for name, weights in model.named_parameters() if not weights.requires_grad}
    state = model.state_dict()
    return {
        name: tensor.detach()
        for name, tensor in state.items()
        if tensor.is_floating_point() and name not in frozen
    }


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of those that hold a NaN or an infinity; a GPU is waited for once."""
    if not tensors:
        return []
    sound = torch.stack([tensor.isfinite().all() for tensor in tensors.values()]).tolist()
    return [name for name, is_sound in zip(tensors, sound, strict=True) if not is_sound]


def diverged(problem: str, recipe: Recipe, precision: str) -> TrainingFailed:
    """The error of a training whose numbers ran away; it names the fields to change.

    Args:
        precision: In which the network computes: fp32 or bf16.
    """
    more = "" if precision == "fp32" else ", or precision to fp32"
    return TrainingFailed(
        problem,
        f"Lower learning_rate (it is {recipe.learning_rate:g}), or set gradient_clip to 1{more}.",
    )


def check_probabilities(pred_probs: NDArray[np.float32]) -> None:
    """Check the probabilities (n, K) that a network gave. Raises TrainingFailed where one is not finite."""
    sound = np.asarray(np.isfinite(pred_probs).all(axis=1))
    if not sound.all():
        raise TrainingFailed(
            f"The network's probabilities are not finite numbers for {int((~sound).sum()):,} of "
            f"{len(sound):,} images.",
            "Train again with a lower learning_rate, with gradient_clip 1, or with precision fp32.",
        )
