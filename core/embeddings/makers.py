"""What makes the features of a data set: a network of a run, a published one, CLIP, or the pixels themselves.

A maker says in which blocks its features are kept, and computes those that are missing; it loads a network
only then. ``features`` puts the blocks together; ``shards`` has several processes compute them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.embeddings.blocks import Block, Ints, blocks_of
from core.errors import NotFound
from core.files import Json, digest
from core.runs.store import Run
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.embeddings.clip import Encoder
    from core.embeddings.clip_models import ClipModel
    from core.embeddings.networks import Network

LARGEST_SIDE = 32
"""Of the images whose pixels are features: larger ones are scaled down to squares of it."""


class Maker(Protocol):
    """Makes features. ``name`` changes with what it makes of an image."""

    name: str

    def blocks(self, dataset: Dataset) -> list[Block]:
        """All images, in the order in which they are kept."""

    def encode(self, dataset: Dataset, positions: Ints) -> Iterable[NDArray[Any]]:
        """(n, D) of some images, some at a time, in their order."""


class NetworkMaker:
    """Features by a network over images of the size that it takes."""

    def __init__(self, workspace: Workspace, key: Json, load: Callable[[], Network]) -> None:
        self._workspace, self._key, self._load = workspace, key, load
        self.name = digest(key)

    @cached_property
    def _network(self) -> Network:
        return self._load()

    def blocks(self, dataset: Dataset) -> list[Block]:
        """As of ``Maker``."""
        return blocks_of(self._workspace, "network-images-1", self._key, dataset, np.arange(len(dataset)))

    def encode(self, dataset: Dataset, positions: Ints) -> Iterator[NDArray[Any]]:
        """As of ``Maker``. Raises as loading the network does."""
        yield from self._network.over(dataset, positions)


class ClipMaker:
    """Features by a CLIP model: of the images in each of ``parts``; unless given, of each split by itself."""

    def __init__(self, workspace: Workspace, model: ClipModel, parts: Sequence[Ints] | None = None) -> None:
        from core.embeddings.clip_models import model_digest

        self._workspace, self._model, self.name = workspace, model, model_digest(model)
        self._parts = parts

    @cached_property
    def _encoder(self) -> Encoder:
        from core.embeddings.clip import Encoder

        return Encoder(self._workspace, self._model)

    def blocks(self, dataset: Dataset) -> list[Block]:
        """As of ``Maker``."""
        parts = self._parts
        if parts is None:
            parts = [dataset.in_split(split) for split in dataset.splits]
        return [block for positions in parts for block in self._encoder.blocks(dataset, positions)]

    def encode(self, dataset: Dataset, positions: Ints) -> Iterator[NDArray[Any]]:
        """As of ``Maker``. Raises as loading the model does."""
        from core.embeddings.clip import FEWEST_TIMED, keep_rate

        towers, began = self._encoder.towers, time.monotonic()
        yield from towers.encode_images(dataset, positions)
        if len(positions) >= FEWEST_TIMED:
            keep_rate(self._workspace, self._model, len(positions) / (time.monotonic() - began))


class PixelMaker:
    """(n, D) uint8, the pixels of images that are too large or of several sizes, scaled to small squares."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.name = "pixels"

    def blocks(self, dataset: Dataset) -> list[Block]:
        """As of ``Maker``."""
        key = {"pixels": list(pixel_shape(dataset))}
        return blocks_of(self._workspace, "pixel-features-2", key, dataset, np.arange(len(dataset)))

    def encode(self, dataset: Dataset, positions: Ints) -> Iterator[NDArray[Any]]:
        """As of ``Maker``. Raises DamagedFile."""
        yield dataset.images.resized(positions, *pixel_shape(dataset)).reshape(len(positions), -1)


def pixel_shape(dataset: Dataset) -> tuple[int, int, int]:
    """(height, width, channels) of the images whose pixels are features."""
    uniform = dataset.images.uniform
    if uniform is None or max(uniform[:2]) > LARGEST_SIDE:
        return LARGEST_SIDE, LARGEST_SIDE, uniform[2] if uniform else 3
    return uniform


def run_maker(workspace: Workspace, run: Run) -> NetworkMaker:
    """The last layer but one of a run's network. Raises NotFound when it has none."""
    if not run.model_file.exists():
        raise NotFound(f"Run {run.name!r} has no model.", "Let it finish, or choose another run.")

    def load() -> Network:
        from core.embeddings.networks import run_network

        return run_network(run)

    return NetworkMaker(workspace, {"model": digest(run.model_file.read_bytes())}, load)


def backbone_maker(workspace: Workspace, name: str, weights: str) -> NetworkMaker:
    """A published network, or one of a weights file. Raises NotFound where there is no such file."""
    from core.embeddings.networks import weights_digest

    def load() -> Network:
        from core.embeddings.networks import backbone_network

        return backbone_network(name, weights)

    return NetworkMaker(workspace, {"backbone": name, "weights": weights_digest(weights)}, load)
