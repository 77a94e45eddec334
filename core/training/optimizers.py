"""The optimisers, and their state as named tensors (for a checkpoint that holds no pickles)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from core.runs.recipe import Recipe

RATE_SHARE = "rate_share"
_Kind = TypeVar("_Kind", bound=Optimizer)


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser. Weight decay goes to matrices and kernels only, not to biases and norms."""
    groups: list[dict[str, Any]] = []
    for parameters, share in rate_shares(model, recipe.layer_decay):
        decayed = [p for p in parameters if p.requires_grad and p.ndim > 1]
        plain = [p for p in parameters if p.requires_grad and p.ndim <= 1]
        groups.append({"params": decayed, "weight_decay": recipe.weight_decay, RATE_SHARE: share})
        groups.append({"params": plain, "weight_decay": 0.0, RATE_SHARE: share})
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return _Sgd(groups, recipe.learning_rate, recipe.momentum, nesterov=nesterov, fused=True)
    kind = _Adam if recipe.optimizer == "adam" else _AdamW
    return kind(groups, recipe.learning_rate, fused=True)


def _without_compiler(kind: type[_Kind]) -> type[_Kind]:
    """An optimiser of torch's without what is wrapped around its methods for torch.compile: at their first
    call the wrappers import the compiler, which takes longer than torch itself, and nothing here is compiled.
    """
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in ("step", "zero_grad", "add_param_group")}
    return type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(plain["step"])})


_Sgd, _Adam, _AdamW = _without_compiler(SGD), _without_compiler(Adam), _without_compiler(AdamW)


def rate_shares(model: nn.Module, decay: float) -> list[tuple[list[nn.Parameter], float]]:
    """(parameters, share of the learning rate) by stage: the head has all of it, each stage below it
    ``decay`` of the one above. With a decay of 1 there is one stage.

    A stage is what the network lists as one layer, or one block of a sequence of blocks.
    """
    if decay == 1:
        return [(list(model.parameters()), 1.0)]
    stages = [stage for stage in _stages(model) if list(stage.parameters())]
    return [
        (list(stage.parameters()), decay**depth) for depth, stage in enumerate(reversed(stages))
    ]  # the head first


def _stages(module: nn.Module) -> list[nn.Module]:
    """Children from the input to the head; a trunk, a neck and a sequence of blocks are opened."""
    found: list[nn.Module] = []
    for name, child in module.named_children():
        opened = name in ("body", "trunk", "neck", "features", "blocks") and list(child.children())
        found += _stages(child) if opened else [child]
    return found


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Use ``rate`` from the next step on, each group its share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[RATE_SHARE]


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
