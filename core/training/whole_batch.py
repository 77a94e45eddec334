"""Layers that mix or draw over a batch, for processes that each have a share of it: as if each had all of it.

``torch.nn.SyncBatchNorm`` is for GPUs only, so batch norm is here for any device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from core.errors import BadInput
from core.training.group import Group

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Share:
    """Which rows of the batch under way a process has.

    Attributes:
        group: The processes.
        n: Rows of the whole batch.
    """

    def __init__(self, group: Group) -> None:
        self.group, self.n = group, 0


def to_whole_batch(model: nn.Module, share: Share) -> None:
    """Replace batch norm and dropout, in place; parameters and buffers stay the same tensors.

    Raises:
        BadInput: The network draws or mixes in a way that is not known here.
    """
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm) and type(child) in _NORMS and child.affine:
                setattr(parent, name, _norm_of(child, share))
            elif type(child) is nn.Dropout:
                setattr(parent, name, WholeDropout(child.p, share))
            elif _draws_or_mixes(child):
                raise BadInput(
                    f"A network with {type(child).__name__} cannot be trained by several workers.",
                    "Choose another model, or leave --workers out.",
                )


def _draws_or_mixes(module: nn.Module) -> bool:
    """Whether a layer depends on other rows or on chance; published networks name theirs so."""
    chance = isinstance(module, _DropoutNd) or type(module).__name__ in ("StochasticDepth", "DropPath")
    own = (WholeNorm, WholeDropout)
    return (chance or isinstance(module, _BatchNorm)) and not isinstance(module, own)


class WholeDropout(nn.Dropout):
    """Dropout whose mask is the own part of that of the whole batch."""

    def __init__(self, p: float, share: Share) -> None:
        super().__init__(p)
        self.share = share

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape as ``inputs``, the own rows of a batch."""
        if not self.training or self.p == 0:
            return inputs
        n = self.share.n
        mask = F.dropout(inputs.new_ones((n, *inputs.shape[1:])), self.p)
        return inputs * mask[self.share.group.rows(n)]


class WholeNorm(_BatchNorm):
    """Batch norm with the mean and variance of the whole batch, for (n, C) or (n, C, H, W)."""

    share: Share

    def _check_input_dim(self, inputs: Tensor) -> None:
        """Any shape."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape as ``inputs``, the own rows of a batch."""
        if not self.training:
            return super().forward(inputs)
        with torch.no_grad():
            mean, var, n = moments(inputs, self.share.group)
            self._follow(mean, var, n)
        args = (mean.to(self.weight), var.to(self.weight), n, self.eps, self.share.group)
        return _Normalised.apply(inputs, self.weight, self.bias, *args)  # type: ignore[no-any-return]

    def _follow(self, mean: Tensor, var: Tensor, n: int) -> None:
        """Move the running statistics, as ``nn.BatchNorm2d`` does."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        step = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), step)
        self.running_var.lerp_((var * (n / max(1, n - 1))).to(self.running_var), step)


def _norm_of(old: _BatchNorm, share: Share) -> WholeNorm:
    new = WholeNorm(old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats)
    for name, parameter in old.named_parameters():
        new.register_parameter(name, parameter)
    for name, buffer in old.named_buffers():
        new.register_buffer(name, buffer)
    new.share = share
    return new.train(old.training)


def moments(inputs: Tensor, group: Group) -> tuple[Tensor, Tensor, int]:
    """(mean (C,), variance (C,), values a channel) over all rows of all processes, in float64.

    Each measures its own and these are put together, since a sum of squares would lose digits.
    """
    n_channels = inputs.shape[1]
    mean, var = torch.batch_norm_update_stats(inputs.float(), None, None, 0.0)
    count = torch.full((1,), inputs.numel() // n_channels, dtype=torch.float64, device=inputs.device)
    own = torch.cat([count, mean.double(), var.double()])
    counts, means, variances = torch.split(group.gathered(own), [1, n_channels, n_channels], dim=1)
    n = counts.sum()
    whole = (counts * means).sum(dim=0) / n
    spread = (counts * (variances + (means - whole) ** 2)).sum(dim=0) / n
    return whole, spread, int(n.item())


class _Normalised(torch.autograd.Function):
    """(inputs - mean) / deviation * weight + bias, where mean and variance depend on all rows of all."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        var: Tensor,
        n: int,
        eps: float,
        group: Group,
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight, mean, (var + eps).rsqrt())
        ctx.n, ctx.eps, ctx.group = n, eps, group
        return F.batch_norm(inputs, mean, var, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, mean, scale = ctx.saved_tensors
        # of weight and bias: the sums over the own rows, measured with the mean and scale of all
        backward = torch.ops.aten.native_batch_norm_backward
        _, by_weight, by_bias = backward(
            gradient, inputs, weight, None, None, mean, scale, True, ctx.eps, [False, True, True]
        )
        of_all = ctx.group.added(torch.stack([by_weight, by_bias])) / ctx.n
        factor = weight * scale
        slope = -factor * scale * of_all[0]
        shift = -factor * of_all[1] - slope * mean
        shape = (1, -1) + (1,) * (inputs.ndim - 2)
        own = torch.addcmul(shift.view(shape), inputs, slope.view(shape))
        own.addcmul_(gradient, factor.view(shape))
        return own.to(inputs.dtype), by_weight, by_bias, None, None, None, None, None
