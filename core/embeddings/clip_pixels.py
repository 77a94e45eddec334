"""What a CLIP image tower is fed: images scaled as its own preprocessing scales them, many at a time.

Images of one size are scaled together by two matrix products that round where Pillow rounds; files are
decoded, and scaled by the model's own transform, in threads, while the tower works on those before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.data.images import ArrayImages, as_channels

Bytes = NDArray[np.uint8]
N_THREADS = min(8, (os.cpu_count() or 2) + 1)
AHEAD = 2
"""Batches that are got ready while the tower works on one."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes what a tower is fed.

    Attributes:
        height, width: What the tower takes.
        mean, std: By channel, in units of 0 to 1.
        resize: "shortest", "squash" or "longest".
        interpolation: "bicubic" or "bilinear".
        origin: Who says so, for people: "given", "configuration", "image tower" or "open_clip".
    """

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: str
    interpolation: str
    origin: str


def batches(
    dataset: Dataset,
    positions: NDArray[np.int64],
    preprocessing: Preprocessing,
    transform: Callable[[Any], Any],
    size: int,
) -> Iterator[Bytes]:
    """(n, height, width, 3) uint8 of the given images, ``size`` at a time, decoded ahead in threads.

    Args:
        transform: The geometric part of the model's own preprocessing, from and to Pillow images.

    Raises:
        DamagedFile: An image cannot be decoded.
    """
    parts = [positions[start : start + size] for start in range(0, len(positions), size)]
    if scales_together(dataset, preprocessing):
        assert isinstance(dataset.images, ArrayImages)
        for part in parts:
            yield scaled(np.take(dataset.images.pixels, part, axis=0), preprocessing)
        return
    with ThreadPoolExecutor(N_THREADS) as pool:
        waiting: list[list[Future[Bytes]]] = []
        for part in parts:
            waiting.append([pool.submit(_one, dataset, int(p), transform) for p in part])
            if len(waiting) > AHEAD:
                yield np.stack([one.result() for one in waiting.pop(0)])
        for futures in waiting:
            yield np.stack([one.result() for one in futures])


def scales_together(dataset: Dataset, preprocessing: Preprocessing) -> bool:
    """Whether all images have one size and a scaling that two matrices can do."""
    square = preprocessing.height == preprocessing.width
    fits = preprocessing.resize == "squash" or (preprocessing.resize == "shortest" and square)
    return dataset.images.uniform is not None and fits


def _one(dataset: Dataset, position: int, transform: Callable[[Any], Any]) -> Bytes:
    return through(transform, dataset.images.read(position))


def through(transform: Callable[[Any], Any], pixels: Bytes) -> Bytes:
    """One image (H, W, C) through the model's own transform; (height, width, 3)."""
    from PIL import Image

    picture = Image.fromarray(as_channels(pixels, 3))
    return np.asarray(transform(picture), np.uint8)


def scaled(images: Bytes, preprocessing: Preprocessing) -> Bytes:
    """Images (n, H, W, C) of one size as (n, height, width, 3), as Pillow scales them (within one level)."""
    _, height, width, channels = images.shape
    rows, columns = _scaled_sides(height, width, preprocessing)
    planes = images.transpose(0, 3, 1, 2).reshape(-1, height, width).astype(np.float32)
    first = rows_first(height, width, rows, columns, preprocessing.interpolation)
    down = _both_ways(planes, rows, columns, preprocessing.interpolation, rows_first=first)
    top = round((rows - preprocessing.height) / 2)
    left = round((columns - preprocessing.width) / 2)
    cut = down[:, top : top + preprocessing.height, left : left + preprocessing.width]
    shape = (len(images), channels, preprocessing.height, preprocessing.width)
    return as_channels(np.ascontiguousarray(cut.reshape(shape).transpose(0, 2, 3, 1)), 3)


def _scaled_sides(height: int, width: int, preprocessing: Preprocessing) -> tuple[int, int]:
    if preprocessing.resize == "squash":
        return preprocessing.height, preprocessing.width
    side = preprocessing.height
    if height <= width:
        return side, int(side * width / height)
    return int(side * height / width), side


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """To whole levels 0 to 255, after each direction, as Pillow does."""
    return np.asarray(np.floor(values + 0.5).clip(0, 255), np.float32)


def _both_ways(
    planes: NDArray[np.float32], rows: int, columns: int, interpolation: str, *, rows_first: bool
) -> Bytes:
    """Planes (n, h, w) as (n, rows, columns), one direction after the other."""
    height, width = planes.shape[1:]
    down = resampling(height, rows, interpolation)
    across = resampling(width, columns, interpolation).T
    if rows_first:
        return _rounded(_rounded(down @ planes) @ across).astype(np.uint8)
    return _rounded(down @ _rounded(planes @ across)).astype(np.uint8)


@lru_cache(maxsize=64)
def rows_first(height: int, width: int, rows: int, columns: int, interpolation: str) -> bool:
    """Whether the Pillow that is installed scales such images down the rows before across.

    The order shows, because each direction is rounded and clipped; it has changed between versions, so one
    image of noise is scaled and compared.
    """
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.uint8)
    method = Image.Resampling.BICUBIC if interpolation == "bicubic" else Image.Resampling.BILINEAR
    wanted = np.asarray(Image.fromarray(noise).resize((columns, rows), method), np.int16)
    planes = noise[None].astype(np.float32)
    away = [
        np.abs(_both_ways(planes, rows, columns, interpolation, rows_first=order)[0] - wanted).sum()
        for order in (False, True)
    ]
    return bool(away[1] < away[0])


@lru_cache(maxsize=64)
def resampling(n_in: int, n_out: int, interpolation: str) -> NDArray[np.float32]:
    """(n_out, n_in) weights of Pillow's antialiased scaling in one direction (its Resample.c)."""
    reach, kernel = (2.0, _cubic) if interpolation == "bicubic" else (1.0, _triangle)
    scale = n_in / n_out
    stretch = max(scale, 1.0)
    centres = (np.arange(n_out) + 0.5) * scale
    first = np.maximum(np.trunc(centres - reach * stretch + 0.5), 0).astype(int)
    last = np.minimum(np.trunc(centres + reach * stretch + 0.5), n_in).astype(int)
    places = np.arange(n_in)
    weights = kernel((places[None, :] - centres[:, None] + 0.5) / stretch)
    weights[(places < first[:, None]) | (places >= last[:, None])] = 0.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.asarray(np.where(x < 1, near, np.where(x < 2, far, 0.0)))


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(1 - np.abs(x), 0.0))
