"""The pixels that a run trains on: one uint8 array, read batch by batch, so that it may exceed memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.cache import cache_path, kept_or_made
from core.data.cleaning import Step, as_text, clean, parse
from core.data.dataset import Dataset
from core.data.images import ArrayImages
from core.files import atomic_writer, begin_array
from core.runs.recipe import OWN_MODELS, Recipe
from core.wording import percent
from core.workspace import Workspace

Pixels = NDArray[np.uint8]
Size = tuple[int, int] | int | None
Images = Callable[[NDArray[np.int64]], Tensor]
"""Gives images as (n, C, H, W) uint8 by their (n,) positions, where the network is."""
LARGEST_SIDE = 224  # what files of many sizes are scaled down to where the recipe does not say
LARGEST_FROM_NOTHING = 112  # for our own networks: they know no photographs, and take a quarter of the time
CHUNK = 256
SHARE_OF_GPU = 0.25
"""Of a GPU's free memory, what images may take that stay there."""
CLEANED = 2_000
REPORT_SECONDS = 1.0


def image_shape(dataset: Dataset, size: Size, largest: int = LARGEST_SIDE) -> tuple[int, int, int]:
    """(height, width, channels) that a run uses.

    Args:
        dataset: The data set.
        size: The recipe's (height, width) to scale to, or a side for squares; None or 0 for the images' own
            size. Where they differ in size, that is the median height and width, scaled so that neither
            exceeds ``largest``.
        largest: The longest side in that case.
    """
    uniform = dataset.images.uniform
    channels = uniform[2] if uniform else 3
    if size:
        height, width = (size, size) if isinstance(size, int) else size
        return height, width, channels
    if uniform:
        return uniform
    height, width = np.median(np.asarray(dataset.images.sizes), axis=0)
    scale = min(1.0, largest / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), channels


def run_pixels(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Recipe,
    on_event: Callable[..., None] | None = None,
) -> Pixels:
    """What ``pixel_array`` gives for the recipe's size; one black pixel each where it reads captions only."""
    if recipe.inputs == "caption":
        return blank_pixels(len(dataset))
    if recipe.cleaning:
        return cleaned_pixels(workspace, dataset, recipe.cleaning, on_event)
    largest = LARGEST_FROM_NOTHING if recipe.model in OWN_MODELS else LARGEST_SIDE
    return pixel_array(workspace, dataset, recipe.input_size, on_event, largest=largest)


def cleaned_pixels(
    workspace: Workspace, dataset: Dataset, cleaning: str, on_event: Callable[..., None] | None = None
) -> Pixels:
    """The images after the steps of core.data.cleaning, by content; says how often characters stood apart.

    Raises:
        DamagedFile, StorageFailed: As ``pixel_array``.
    """
    steps = parse(cleaning)
    path = cache_path(workspace, "cleaned-1", {"of": dataset.fingerprint, "steps": as_text(steps)}, ".npy")
    pixels = pixel_array(workspace, dataset, None, on_event)
    tell = on_event or _untold
    return kept_or_made(
        path,
        len(pixels),
        lambda: _write_cleaned(path, pixels, steps, tell),
        lambda: tell("progress", share=0.0, text="another worker cleans the images"),
    )


def _write_cleaned(
    path: Path, pixels: Pixels, steps: tuple[Step, ...], on_event: Callable[..., None]
) -> None:
    """All images after the steps; says in how many the characters stood apart, where that was asked."""
    exact, n = 0.0, len(pixels)
    share: float | None = None
    with atomic_writer(path) as file:
        for start in range(0, n, CLEANED):
            cleaned = clean(np.asarray(pixels[start : start + CLEANED]), steps)
            block, share = cleaned.images, cleaned.separated_share
            if start == 0:
                begin_array(file, "u1", (n, *block.shape[1:]))
            file.write(block.tobytes())
            exact += (share or 0.0) * len(block)
            on_event("progress", share=0.0, text=f"Cleaned {start + len(block):,} of {n:,} images")
    if share is not None:
        wanted = next(int(step.numbers[0]) for step in steps if step.name == "extract")
        words = f"exactly {wanted} character{'s' * (wanted > 1)}"
        on_event("note", text=f"In {percent(exact / n)} of the images {words} stood apart.")


def blank_pixels(n: int) -> Pixels:
    """(n, 1, 1, 1) uint8 zeros that take no memory: for networks that look at no image."""
    return np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (n, 1, 1, 1))


def pixel_array(
    workspace: Workspace,
    dataset: Dataset,
    size: Size = None,
    on_event: Callable[..., None] | None = None,
    *,
    largest: int = LARGEST_SIDE,
) -> Pixels:
    """All images as one memory map (N, H, W, C) uint8, read-only, of the size that ``image_shape`` says.

    Files, and images to be scaled, are decoded once into the workspace's cache, chunk by chunk, with
    progress events about once a second; the next run on the same data finds them there.

    Raises:
        DamagedFile: An image cannot be decoded.
        StorageFailed: The cache cannot be written.
    """
    images = dataset.images
    shape = image_shape(dataset, size, largest)
    if isinstance(images, ArrayImages) and images.uniform == shape:
        return images.pixels
    key: dict[str, Any] = {"fingerprint": dataset.fingerprint, "shape": shape}
    path = cache_path(workspace, "pixels-1", key, ".npy")
    tell = on_event or _untold
    return kept_or_made(
        path,
        len(dataset),
        lambda: _write_scaled(path, dataset, shape, tell),
        lambda: tell("progress", share=0.0, text="another worker scales the images"),
    )


def _untold(type_: str, **fields: Any) -> None:
    """Nobody asked to be told."""


def _write_scaled(
    path: Path, dataset: Dataset, shape: tuple[int, int, int], on_event: Callable[..., None]
) -> None:
    """All images, decoded and scaled, chunk by chunk."""
    height, width, _ = shape
    on_event("note", text=f"Scaling {len(dataset):,} images to {height} x {width}, once.", passing=True)
    last_told = -REPORT_SECONDS
    with atomic_writer(path) as file:
        begin_array(file, "u1", (len(dataset), *shape))
        for start in range(0, len(dataset), CHUNK):
            chunk = np.arange(start, min(start + CHUNK, len(dataset)))
            file.write(dataset.images.resized(chunk, *shape).tobytes())
            if time.monotonic() - last_told >= REPORT_SECONDS:
                last_told = time.monotonic()
                text = f"Scaled {chunk[-1] + 1:,} of {len(dataset):,} images"
                on_event("progress", share=0.0, text=text)


def gather(pixels: Pixels, positions: NDArray[np.int64], device: torch.device) -> Tensor:
    """Images as (n, C, H, W) uint8 on ``device``, in channels-last order; only these are read."""
    batch = torch.from_numpy(np.take(pixels, positions, axis=0))
    if device.type == "cuda":
        batch = batch.pin_memory().to(device, non_blocking=True)
    return batch.permute(0, 3, 1, 2)


def images_on(
    device: torch.device, pixels: Pixels, n_used: int, on_event: Callable[..., None] | None = None
) -> Images:
    """What gives a training its images, as ``gather`` does.

    A GPU that has room for all of them gets them once, and no step waits for the processor to bring its
    share; unless they are taken from a small part of ``pixels``, so that the rest would be read for nothing.

    Args:
        device: Where the network is.
        pixels: (N, H, W, C) uint8.
        n_used: How many of them an epoch takes its images from.
        on_event: Told how far it is, about once a second.
    """
    is_worth_it = device.type == "cuda" and 2 * n_used >= len(pixels)
    if not is_worth_it or pixels.nbytes > SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0]:
        return partial(gather, pixels, device=device)
    kept = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    last_told = time.monotonic()
    for start in range(0, len(pixels), CHUNK):
        kept[start : start + CHUNK] = torch.from_numpy(np.array(pixels[start : start + CHUNK]))
        if on_event and time.monotonic() - last_told >= REPORT_SECONDS:
            last_told = time.monotonic()
            on_event("progress", share=0.0, text=f"{start:,} of {len(pixels):,} images are on the GPU")

    def take(positions: NDArray[np.int64]) -> Tensor:
        chosen = torch.from_numpy(positions).to(device, non_blocking=True)
        return kept.index_select(0, chosen).permute(0, 3, 1, 2)

    return take


def pixel_statistics(
    pixels: Pixels, positions: NDArray[np.int64], normalisation: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) per channel in units of 0 to 255, for one of the recipe's normalisations.

    "standard" is measured on the given images (the training ones), at most 50,000 of them, evenly spread.
    A channel that never varies gets deviation 1.
    """
    channels = pixels.shape[3]
    if normalisation == "minus-one-to-one":
        return (127.5,) * channels, (127.5,) * channels
    if normalisation == "zero-to-one":
        return (0.0,) * channels, (255.0,) * channels
    if normalisation == "imagenet":
        return of_imagenet(channels)
    chosen = positions[:: max(1, -(-len(positions) // 50_000))]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(chosen), 4096):
        block = np.take(pixels, chosen[start : start + 4096], axis=0)
        for channel in range(channels):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    values = np.arange(256)
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    deviation = np.sqrt(np.maximum(share @ values**2 - mean**2, 0))
    std = np.where(deviation > 0, deviation, 1.0)
    return tuple(mean.tolist()), tuple(std.tolist())


def of_imagenet(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of ImageNet's photographs in units of 0 to 255; averages where there is one channel."""
    mean, std = np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255
    if channels != 3:
        mean, std = np.full(channels, mean.mean()), np.full(channels, std.mean())
    return tuple(mean.tolist()), tuple(std.tolist())


class Normaliser:
    """Turns pixels 0 to 255 into what the network is fed."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self._mean = torch.tensor(mean, device=device)[:, None, None]
        self._scale = 1 / torch.tensor(std, device=device)[:, None, None]

    def __call__(self, images: Tensor) -> Tensor:
        """(n, C, H, W) uint8 or float to normalised float32 in channels-last order."""
        out = images.to(torch.float32, memory_format=torch.channels_last, copy=images.dtype != torch.uint8)
        return out.sub_(self._mean).mul_(self._scale)
