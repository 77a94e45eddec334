"""The features that a job needs, computed in shards by its engine before the job reads them."""

from __future__ import annotations

from collections.abc import Callable

from core.data.dataset import Dataset
from core.embeddings.blocks import Progress
from core.embeddings.makers import Maker
from core.embeddings.shards import Sharer, missing_shards
from core.worker import Job
from core.worker.parts import spread, where

_SHARER = Sharer()


def spread_shards(job: Job, dataset: Dataset, make: Callable[[], Maker]) -> None:
    """Have the job's engine compute what is missing; nothing where that is the job's own process.

    Args:
        make: Makes what computes the features; asked only where they are spread.

    Raises:
        Stopped: A person asked for it.
        TidysetError: A shard failed, or the cluster cannot be reached.
    """
    if where(job.run).spreads and (shards := missing_shards(dataset, make())):
        spread(job, shards, len(shards))


def compute_shard(job: Job, dataset: Dataset, maker: Maker, part: str, report: Progress) -> None:
    """Do the part "blocks-8-12": put those features into the cache. Raises Stopped, TidysetError."""
    _SHARER.compute(job.workspace, dataset, maker, part, report)
