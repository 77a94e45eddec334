"""The optimisers, and their state as named tensors (for a checkpoint that holds no pickles)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from core.runs.recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser. Weight decay goes to matrices and kernels only, not to biases and norms."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return SGD(groups, recipe.learning_rate, recipe.momentum, nesterov=nesterov, fused=True)
    kind = Adam if recipe.optimizer == "adam" else AdamW
    return kind(groups, recipe.learning_rate, fused=True)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Use ``rate`` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _numbered(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Its state as ``"<parameter number>.<name>"`` to tensor; empty before the first step."""
    found = {}
    for number, parameter in enumerate(_numbered(optimizer)):
        for name, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                found[f"{number}.{name}"] = value
    return found


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what optimizer_tensors gave; memory formats follow the parameters, as fused kernels need."""
    parameters = _numbered(optimizer)
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter).copy_(value)
        else:
            value = value.to(parameter.device)
        optimizer.state[parameter][name] = value
