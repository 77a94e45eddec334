"""CLIP features of images and texts, kept in the workspace's cache by what went in.

Image features are computed in blocks, each a file of its own: what broke off goes on, and images that are in
two data sets are encoded once. Reading what is there needs no torch, so that a page can do it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.cache import cache_path
from core.data.dataset import SPLITS, Dataset
from core.embeddings.blocks import Block, Ints, Progress, blocks_of, gathered, missing
from core.embeddings.clip_models import ClipModel, find_model, model_digest
from core.errors import DamagedFile, NotFound, StorageFailed
from core.files import read_array, read_json, write_array, write_json
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.embeddings.clip_towers import ClipTowers

Floats = NDArray[np.float32]
FEWEST_TIMED = 64
"""So many images say how fast a model is."""
_IMAGES, _TEXTS, _FACTS = "clip-images-1", "clip-texts-1", "clip-facts-1"


@dataclass(frozen=True)
class ModelFacts:
    """What a page needs to know of a model that has been loaded once.

    Attributes:
        logit_scale: What cosines are multiplied with before the softmax.
        context_length: Tokens that a text may have.
        dim: Length of the vectors.
        preprocessing: How images are prepared, in words.
        images_per_second: From files or pixels to features by one process, when last measured; None before.
    """

    logit_scale: float
    context_length: int
    dim: int
    preprocessing: str
    images_per_second: float | None = None


class Encoder:
    """A CLIP model that is loaded only when something is not in the cache yet."""

    def __init__(self, workspace: Workspace, model: ClipModel, report: Progress | None = None) -> None:
        self.workspace, self.model = workspace, model
        self._report = report or (lambda share, text: None)
        self._towers: ClipTowers | None = None

    @property
    def towers(self) -> ClipTowers:
        """The loaded model. Raises as ``ClipTowers`` does."""
        if self._towers is None:
            from core.embeddings.clip_towers import ClipTowers

            self._towers = ClipTowers(self.model, self._report)
            _keep_facts(self.workspace, self.model, self._towers)
        return self._towers

    def facts(self) -> ModelFacts:
        """From the cache, or by loading the model."""
        found = model_facts(self.workspace, self.model)
        if found is None:
            _ = self.towers
            found = model_facts(self.workspace, self.model)
        if found is None:
            raise StorageFailed(
                "What the CLIP model says of itself could not be kept.", "Free some disk space."
            )
        return found

    def texts(self, texts: Sequence[str]) -> Floats:
        """(T, D) unit vectors of the texts, from the cache or encoded. Raises BadInput for a bad prompt."""
        path = _text_path(self.workspace, self.model, texts)
        found = _read(path)
        if found is None:
            found = self.towers.encode_texts(texts)
            _write(path, found)
        return found

    def blocks(self, dataset: Dataset, positions: Ints) -> list[Block]:
        """The given images in blocks, as they are kept."""
        return _blocks(self.workspace, self.model, dataset, positions)

    def images(self, dataset: Dataset, positions: Ints, on_progress: Progress | None = None) -> Floats:
        """(n, D) unit vectors of the given images, in their order; missing blocks are encoded.

        Raises:
            DamagedFile: An image cannot be decoded.
            StorageFailed: The cache cannot be written.
        """
        report = on_progress or self._report
        blocks = self.blocks(dataset, positions)
        n_missing = sum(len(block.positions) for block in missing(blocks))
        if n_missing:
            report(0.0, f"loading {self.model.key}")
            _ = self.towers
        began = time.monotonic()
        found = gathered(blocks, lambda some: self.towers.encode_images(dataset, some), report)
        if n_missing >= FEWEST_TIMED:
            keep_rate(self.workspace, self.model, n_missing / (time.monotonic() - began))
        return np.empty((0, self.facts().dim), np.float32) if found is None else found


def clip_features(
    workspace: Workspace, dataset: Dataset, model: str | ClipModel, on_progress: Progress | None = None
) -> Floats:
    """(N, D) float32 unit vectors of all images of a data set, computed where they are not kept yet.

    Args:
        model: A model, or its key.

    Raises:
        NotFound, BadInput, DamagedFile, Offline: The model cannot be had.
    """
    chosen = find_model(workspace, model) if isinstance(model, str) else model
    encoder = Encoder(workspace, chosen, on_progress)
    values: Floats | None = None
    for split in dataset.splits:
        positions = dataset.in_split(split)
        found = encoder.images(dataset, positions)
        if values is None:
            values = np.empty((len(dataset), found.shape[1]), np.float32)
        values[positions] = found
    if values is None:
        raise NotFound(f"{dataset.name!r} has no image.", "Import some.")
    return values


def kept_features(workspace: Workspace, dataset: Dataset, model: ClipModel, positions: Ints) -> Floats | None:
    """(n, D) features of the given images if all of them are in the cache; else None. Loads no model.

    They may be kept by themselves or as part of their splits.
    """
    found = _kept_blocks(workspace, dataset, model, positions)
    if found is not None or not len(positions):
        return found
    values: Floats | None = None
    for number in np.unique(np.asarray(dataset.split)[positions]):
        members = dataset.in_split(SPLITS[number])
        of_split = _kept_blocks(workspace, dataset, model, members)
        if of_split is None:
            return None
        rows = np.flatnonzero(np.asarray(dataset.split)[positions] == number)
        values = np.empty((len(positions), of_split.shape[1]), np.float32) if values is None else values
        values[rows] = of_split[np.searchsorted(members, positions[rows])]
    return values


def _kept_blocks(workspace: Workspace, dataset: Dataset, model: ClipModel, positions: Ints) -> Floats | None:
    blocks = _blocks(workspace, model, dataset, positions)
    if not all(block.path.exists() for block in blocks):
        return None
    parts = [part for block in blocks if (part := block.kept()) is not None]
    return np.concatenate(parts) if parts and len(parts) == len(blocks) else None


def kept_texts(workspace: Workspace, model: ClipModel, texts: Sequence[str]) -> Floats | None:
    """(T, D) vectors of the texts if they are in the cache; else None. Loads no model."""
    return _read(_text_path(workspace, model, texts))


def model_facts(workspace: Workspace, model: ClipModel) -> ModelFacts | None:
    """What is known of a model that was loaded here before; else None."""
    path = cache_path(workspace, _FACTS, {"model": model_digest(model)}, ".json")
    try:
        return ModelFacts(**read_json(path))
    except (DamagedFile, TypeError):
        return None


def _keep_facts(workspace: Workspace, model: ClipModel, towers: ClipTowers) -> None:
    before = model_facts(workspace, model)
    about = towers.preprocessing
    _write_facts(
        workspace,
        model,
        ModelFacts(
            towers.logit_scale,
            towers.context_length,
            towers.dim,
            f"{about.height} x {about.width} px, {about.resize}, {about.interpolation}, "
            f"mean {about.mean[0]:.3f}, std {about.std[0]:.3f} (from: {about.origin})",
            before.images_per_second if before else None,
        ),
    )


def keep_rate(workspace: Workspace, model: ClipModel, rate: float) -> None:
    """Keep how many images a second one process encodes."""
    from dataclasses import replace

    before = model_facts(workspace, model)
    if before is not None:
        _write_facts(workspace, model, replace(before, images_per_second=round(rate, 1)))


def _write_facts(workspace: Workspace, model: ClipModel, facts: ModelFacts) -> None:
    from dataclasses import asdict

    write_json(cache_path(workspace, _FACTS, {"model": model_digest(model)}, ".json"), asdict(facts))


def _blocks(workspace: Workspace, model: ClipModel, dataset: Dataset, positions: Ints) -> list[Block]:
    return blocks_of(workspace, _IMAGES, {"model": model_digest(model)}, dataset, positions)


def _text_path(workspace: Workspace, model: ClipModel, texts: Sequence[str]) -> Path:
    return cache_path(workspace, _TEXTS, {"model": model_digest(model), "texts": list(texts)}, ".npy")


def _read(path: Path) -> Floats | None:
    """An unreadable entry counts as missing."""
    if not path.exists():
        return None
    try:
        return np.asarray(read_array(path, mmap=False), np.float32)
    except DamagedFile:
        return None


def _write(path: Path, values: Floats) -> None:
    """A full disk costs only the keeping."""
    import contextlib

    with contextlib.suppress(StorageFailed):
        write_array(path, values)
