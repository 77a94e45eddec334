"""What a frozen backbone makes of all images, computed once and kept by content.

Epochs then cost next to nothing, and so does the next run with the same backbone, weights and image size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.cache import cache_path, kept_or_made
from core.errors import TrainingFailed
from core.files import atomic_writer, begin_array, digest
from core.models import Classifier, ModelCard
from core.training.inference import evaluating
from core.training.machine import Machine
from core.training.pixels import Normaliser, Pixels, gather
from core.workspace import Workspace

Maps = NDArray[np.float16]
BATCH = 32
KIND = "frozen-maps-1"


def _silent(_type: str, **_fields: object) -> None:
    """An on_event for what nobody needs to be told."""


@dataclass(frozen=True)
class MapsSource:
    """Where what frozen backbones make of a data set's images is kept.

    Attributes:
        fingerprint: Of the data set.
        on_event: Told of the progress about once a second; what it raises ends the computation.
    """

    workspace: Workspace
    fingerprint: str
    on_event: Callable[..., None] = _silent

    def of(self, pixels: Pixels) -> Callable[[Classifier, ModelCard, Machine], Maps]:
        """What ``fit`` takes as ``maps_of``, for the images as ``pixels`` (N, H, W, C)."""
        return partial(backbone_maps, self.workspace, self.fingerprint, pixels, on_event=self.on_event)


def backbone_maps(
    workspace: Workspace,
    fingerprint: str,
    pixels: Pixels,
    model: Classifier,
    card: ModelCard,
    machine: Machine,
    on_event: Callable[..., None] = _silent,
) -> Maps:
    """(N, h, w, C) float16, a read-only memory map: the trunk's output for every image.

    Kept under the data set, the images' size and normalisation, and the trunk's own weights. A linear head
    takes the mean over h and w only, so only that is kept for it: h = w = 1.

    Args:
        fingerprint: Of the data set that ``pixels`` come from.
        on_event: Told of the progress about once a second.

    Raises:
        StorageFailed: The cache cannot be written.
        TrainingFailed: The trunk's output is not finite.
    """
    key = {
        "fingerprint": fingerprint,
        "shape": list(pixels.shape[1:]),
        "mean": list(card.mean),
        "std": list(card.std),
        "pooled": card.head == "linear",
        "weights": weights_digest(model),
    }
    path = cache_path(workspace, KIND, key, ".npy")

    def on_wait() -> None:
        on_event("progress", share=0.0, text="another worker runs the frozen backbone over all images")

    def make() -> None:
        on_event("note", text=f"Running the frozen backbone over {len(pixels):,} images, once.", passing=True)
        _write(path, pixels, model, card, machine, on_event)

    return kept_or_made(path, len(pixels), make, on_wait)


def weights_digest(model: Classifier) -> str:
    """A hash of the trunk's layers, weights and batch statistics."""
    state = model.trunk.state_dict()
    return digest(
        str(model.trunk), *[tensor.cpu().contiguous().numpy() for _, tensor in sorted(state.items())]
    )


def _write(
    path: Path,
    pixels: Pixels,
    model: Classifier,
    card: ModelCard,
    machine: Machine,
    on_event: Callable[..., None],
) -> None:
    normalise = Normaliser(card.mean, card.std, machine.device)
    n, last_told, began = len(pixels), time.monotonic(), time.monotonic()
    with atomic_writer(path) as file, evaluating(model):
        for start in range(0, n, BATCH):
            images = normalise(gather(pixels, np.arange(start, min(start + BATCH, n)), machine.device))
            with machine.autocast():
                maps = model.maps(images).float()
            if card.head == "linear":
                maps = maps.mean(dim=(2, 3), keepdim=True)
            if not bool(maps.isfinite().all()):
                raise TrainingFailed(
                    f"The frozen backbone's output is NaN or infinite for images {start:,} to "
                    f"{start + len(maps) - 1:,}.",
                    "Set precision to fp32, or choose other weights: pretrained, weights_file.",
                )
            rows = maps.clamp(-65_000, 65_000).half().permute(0, 2, 3, 1).contiguous().cpu().numpy()
            if start == 0:
                begin_array(file, "<f2", (n, *rows.shape[1:]))
            file.write(rows.tobytes())
            done, now = start + len(rows), time.monotonic()
            if now - last_told >= 1:
                last_told = now
                left = round((now - began) * (n - done) / done, 1)
                text = f"Backbone, {done:,} of {n:,} images"
                on_event("progress", share=0.0, seconds_left=left, text=text)


def gather_maps(maps: Maps, positions: NDArray[np.int64], device: torch.device) -> torch.Tensor:
    """(n, C, h, w) float32 on ``device``, in channels-last order; only these are read."""
    batch = torch.from_numpy(np.take(maps, positions, axis=0)).to(device)
    return batch.float().permute(0, 3, 1, 2)
