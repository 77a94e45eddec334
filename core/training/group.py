"""Several processes that train one network: each takes its share of every batch, and all take the same step.

All of them make the same draws for the whole batch. Scores are brought together before the loss, so the loss
and its gradient are those of the whole batch; so are the statistics of batch norm
(core.training.whole_batch). What is no arithmetic (which checkpoint, which epoch is best, when to stop) the
first one decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from core.errors import BadInput, TidysetError

JOIN_TIMEOUT = timedelta(minutes=10)
"""How long the first to come waits for the others; on a busy cluster there may be no room for them."""
STEP_TIMEOUT = timedelta(hours=2)
"""How long one waits for another within a step: whoever started the group notices earlier that one died."""


class GroupBroken(TidysetError):
    """Another process of the group is gone, or never came."""


class Group:
    """A group of one: the process trains alone, and nothing here costs anything.

    Attributes:
        rank: Number of this process, from 0.
        size: Of the group.
    """

    rank, size = 0, 1

    def rows(self, n: int) -> slice:
        """Which of ``n`` rows are this process's; shares differ by one row at most."""
        each, more = divmod(n, self.size)
        first = self.rank * each + min(self.rank, more)
        return slice(first, first + each + (self.rank < more))

    def joined(self, own: Tensor, n: int) -> Tensor:
        """(n, ...) all rows, where each process has those of ``rows``; gradients go back to the own ones."""
        return own

    def gathered(self, own: Tensor) -> Tensor:
        """(size, ...) what each process has, which is of one shape; without gradients."""
        return own[None]

    def added(self, own: Tensor) -> Tensor:
        """The sum over all processes, in place; without gradients."""
        return own

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up the gradients of all processes, each of which comes from its rows of one loss."""

    def first_says(self, message: bytes) -> bytes:
        """The message of the first process, to all."""
        return message

    def agreed(self, answer: bool) -> bool:
        """The first process's answer."""
        return bool(self.first_says(b"y" if answer else b""))


class SpreadGroup(Group):
    """A group of several, over torch.distributed: gloo between processors, NCCL between GPUs.

    Raises:
        GroupBroken: From all methods that talk to the others, when these are gone.
    """

    def __init__(self, rank: int, size: int, device: torch.device) -> None:
        self.rank, self.size, self.device = rank, size, device

    def joined(self, own: Tensor, n: int) -> Tensor:
        """As of ``Group``."""
        return _Joined.apply(own, n, self)  # type: ignore[no-any-return]

    def gathered(self, own: Tensor) -> Tensor:
        """As of ``Group``."""
        found = own.new_empty((self.size, *own.shape))
        with _peers_gone_explained():
            dist.all_gather(list(found.unbind()), own.contiguous())
        return found

    def added(self, own: Tensor) -> Tensor:
        """As of ``Group``."""
        with _peers_gone_explained():
            dist.all_reduce(own)
        return own

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """As of ``Group``; all in one message, since each costs a round trip."""
        gradients = [one.grad for one in parameters if one.grad is not None]
        flat = self.added(torch.cat([one.flatten() for one in gradients]))
        parts = torch.split(flat, [one.numel() for one in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def first_says(self, message: bytes) -> bytes:
        """As of ``Group``."""
        size = torch.tensor([len(message)], device=self.device)
        with _peers_gone_explained():
            dist.broadcast(size, src=0)
            n = int(size.item())
            if n == 0:
                return b""
            told = torch.frombuffer(bytearray(message if self.rank == 0 else n), dtype=torch.uint8)
            told = told.to(self.device)
            dist.broadcast(told, src=0)
        return told.cpu().numpy().tobytes()


class _Joined(torch.autograd.Function):
    """All rows of all processes. Each computes the same loss of them, so the own rows' gradient is whole."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, n: int, group: Group) -> Tensor:
        ctx.rows = group.rows(n)
        whole = own.new_zeros((n, *own.shape[1:]))
        whole[ctx.rows] = own
        return group.added(whole)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[ctx.rows], None, None


@contextmanager
def spread_group(meeting_file: Path, rank: int, size: int, device: torch.device) -> Iterator[Group]:
    """The group whose processes meet over a file that all of them see; left at the end of the block.

    Args:
        meeting_file: Not there before the group; another one for each group.
        rank: Of this process, from 0.
        size: How many come.
        device: Where this process trains; GPUs must be different ones.

    Raises:
        GroupBroken: Not all came.
    """
    store = dist.FileStore(str(meeting_file), size)  # type: ignore[attr-defined]
    store.set_timeout(JOIN_TIMEOUT)
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=STEP_TIMEOUT)
    except (RuntimeError, dist.DistError) as error:
        raise GroupBroken(
            f"Not all {size} workers came together ({_first_line(error)}).",
            "The cluster may be too busy for all at once: choose fewer workers.",
        ) from error
    try:
        yield SpreadGroup(rank, size, device)
    finally:
        dist.destroy_process_group()


@contextmanager
def _peers_gone_explained() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch's own errors are of this kind, gloo's are no other
        raise GroupBroken(
            f"Another worker is gone ({_first_line(error)}).", "Continue the run: `tidyset runs resume`."
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def check_shares(smallest_batch: int, group: Group) -> None:
    """Raises BadInput where a batch has no row for every process."""
    if smallest_batch < group.size:
        raise BadInput(
            f"A batch of {smallest_batch} images cannot be shared by {group.size} workers.",
            "Choose fewer workers, or a larger batch_size.",
        )
