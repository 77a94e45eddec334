"""How large a network is, as a number and as a table for people."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.models.classifier import Classifier


def n_parameters(model: nn.Module) -> int:
    """Trainable numbers in the model."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def model_summary(model: Classifier, in_channels: int, image_size: tuple[int, int]) -> str:
    """A table of the layers: name, kind, output shape of one image, parameters; and their sum.

    The network is run once on an empty image. Blocks deeper than three levels are one line.
    """
    rows: list[tuple[str, str, str, str]] = []
    handles = []

    def note_shape(name: str, module: nn.Module) -> None:
        def hook(_module: nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            output = output[0] if isinstance(output, tuple) else output  # an LSTM has its state beside
            shape = " x ".join(str(length) for length in output.shape[1:])
            rows.append((name, type(module).__name__, shape, f"{n_parameters(module):,}"))

        handles.append(module.register_forward_hook(hook))

    for name, module in _units(model):
        note_shape(name, module)
    was_training = model.training
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, in_channels, *image_size, device=device))
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return _table(rows) + f"\n{n_parameters(model):,} parameters"


def _units(model: nn.Module, prefix: str = "", depth: int = 0) -> list[tuple[str, nn.Module]]:
    found: list[tuple[str, nn.Module]] = []
    for name, module in model.named_children():
        path = f"{prefix}{name}"
        if depth == 2 or not list(module.children()):
            found.append((path, module))
        else:
            found += _units(module, f"{path}.", depth + 1)
    return found


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = [("layer", "kind", "output", "parameters"), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
        for name, kind, shape, count in lines
    )
