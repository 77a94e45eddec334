"""The features of a large data set in shards, which several processes compute; what is there stays.

A shard is a stretch of blocks (core.embeddings.blocks), named by their numbers, so any process that sees the
workspace can compute it, and again where the one before died: blocks that it had kept are not done again.
"""

from __future__ import annotations

from functools import partial

from core.data.dataset import Dataset
from core.embeddings.blocks import Block, Progress, compute
from core.embeddings.clip_models import find_model
from core.embeddings.features import FeatureSource
from core.embeddings.makers import ClipMaker, Maker, PixelMaker, backbone_maker, pixel_shape, run_maker
from core.runs.store import find_run
from core.workspace import Workspace

MOST_SHARDS = 512
"""A shard is one block, unless that gave more; each has a file with its progress."""


def are_computed(workspace: Workspace, dataset: Dataset, source: FeatureSource) -> bool:
    """Whether these features are more than what is kept with a run or the data set. Raises NotFound."""
    if source.kind == "run":
        run = find_run(workspace, source.name)
        return run.fingerprint != dataset.fingerprint or not run.features_file.exists()
    return source.kind != "pixels" or pixel_shape(dataset) != dataset.images.uniform


def maker_of(workspace: Workspace, source: FeatureSource) -> Maker:
    """What computes these features. Raises NotFound."""
    if source.kind == "clip":
        return ClipMaker(workspace, find_model(workspace, source.name))
    if source.kind == "backbone":
        return backbone_maker(workspace, source.name, source.weights)
    if source.kind == "pixels":
        return PixelMaker(workspace)
    return run_maker(workspace, find_run(workspace, source.name))


def missing_shards(dataset: Dataset, maker: Maker) -> list[str]:
    """Names of the shards that have to be computed; none where all is there."""
    blocks = maker.blocks(dataset)
    size = max(1, -(-len(blocks) // MOST_SHARDS))
    starts = range(0, len(blocks), size)
    return [
        f"blocks-{start}-{min(start + size, len(blocks))}"
        for start in starts
        if any(block.kept() is None for block in blocks[start : start + size])
    ]


class Sharer:
    """Computes shards in a process, one after another: what was loaded for one serves the next."""

    def __init__(self) -> None:
        self._maker: Maker | None = None

    def compute(
        self, workspace: Workspace, dataset: Dataset, maker: Maker, shard: str, report: Progress
    ) -> None:
        """Put the missing blocks of a shard into the cache.

        Raises:
            TidysetError: As of ``features_of``.
            StorageFailed: They cannot be kept.
        """
        if self._maker is None or self._maker.name != maker.name:
            self._maker = maker
        compute(workspace, _stretch(maker, dataset, shard), partial(self._maker.encode, dataset), report)


def _stretch(maker: Maker, dataset: Dataset, shard: str) -> list[Block]:
    _, start, stop = shard.split("-")
    return maker.blocks(dataset)[int(start) : int(stop)]
