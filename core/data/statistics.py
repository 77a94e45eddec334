"""Statistics of images: one pass over the pixels for the numbers of each image, reductions for all else.

The pass reads in chunks, so memory does not grow with the set, and keeps a few numbers an image in the cache,
keyed by the data set's fingerprint. A filter then only chooses rows. Intensity is the grey value, 0 to 255;
colour counts as its ITU-R 601 luma.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from core.cache import cache_path, cached_arrays, kept_array
from core.data.dataset import Dataset
from core.data.images import ArrayImages, as_channels, resize
from core.errors import DamagedFile, StorageFailed
from core.files import let_go, read_array, storage_failed
from core.workspace import Workspace

BINS = 32
SMALL_SIDE = 32
SHARPNESS_SIDE = 256
_KIND = "image-statistics-2"
_CHUNK_PIXELS = 1 << 18  # a chunk and its counters stay in the processor's cache

Array = NDArray[Any]
Positions = NDArray[np.int64]
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class ImageStatistics:
    """Numbers of N images, rows as in the data set; NaN where an image cannot be decoded.

    Attributes:
        mean: (N,) float32, mean intensity, 0 to 255.
        deviation: (N,) float32, standard deviation of intensity within the image.
        histogram: (N, 32) float16, share of its pixels in each of 32 equal intensity bins.
        sharpness: (N,) float32, how steep the steepest hundredth of its edges is: the mean of the greatest
            1 % of the absolute Laplacian, over the range of intensities, so that neither contrast nor plain
            ground counts. Photographs about 0.9, smoothed with a Gaussian of one pixel 0.2; images of more
            than 256 pixels a side are scaled to that first. NaN for one flat tone.
        small: (N, h, w, C) uint8: the images themselves where they are of one size and at most 32 pixels a
            side, else each scaled to fit that. A memory map.
    """

    mean: Array
    deviation: Array
    histogram: Array
    sharpness: Array
    small: NDArray[np.uint8]

    @property
    def unreadable(self) -> Positions:
        """Positions of the images that cannot be decoded."""
        return np.flatnonzero(np.isnan(self.mean))


def image_statistics(
    workspace: Workspace, dataset: Dataset, on_progress: Progress = lambda share: None
) -> ImageStatistics:
    """The statistics of every image, from the cache or computed and kept there.

    Args:
        workspace: Whose cache to use.
        dataset: The data set.
        on_progress: Called with the share done, 0 to 1, while it computes.
    """
    key = {"fingerprint": dataset.fingerprint}
    shape = _small_shape(dataset)
    if isinstance(dataset.images, ArrayImages) and dataset.images.uniform == shape:
        small = dataset.images.pixels
        kept = cached_arrays(workspace, _KIND, key, lambda: _describe_array(small, on_progress))
    else:
        path = cache_path(workspace, "small-images-1", key, ".npy")
        if kept_array(path, len(dataset)) is None:  # made together, so they are missed together
            with contextlib.suppress(OSError):
                cache_path(workspace, _KIND, key).unlink(missing_ok=True)
        try:
            describe = partial(_kept_small, dataset, shape, path, on_progress)
            kept = cached_arrays(workspace, _KIND, key, describe)
            small = read_array(path)
        except (StorageFailed, DamagedFile):  # the disk does not hold them: in memory, for this time
            small = np.zeros((len(dataset), *shape), np.uint8)
            kept = _describe_each(dataset, small, on_progress)
    return ImageStatistics(kept["mean"], kept["deviation"], kept["histogram"], kept["sharpness"], small)


def _small_shape(dataset: Dataset) -> tuple[int, int, int]:
    """Height, width and channels of the small images: the set's typical shape, at most 32 a side."""
    if dataset.images.uniform is not None:
        height, width, channels = dataset.images.uniform
    else:
        height, width = (int(side) for side in np.median(dataset.images.sizes, axis=0))
        channels = 3
    scale = min(1.0, SMALL_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale)), channels


def _describe_array(pixels: Array, on_progress: Progress) -> dict[str, Array]:
    """Statistics of an array of images (N, H, W, C)."""
    step = max(1, _CHUNK_PIXELS // int(np.prod(pixels.shape[1:3])))
    parts = [_describe(np.zeros((0, 1, 1), np.uint8))]
    for start in range(0, len(pixels), step):
        parts.append(_describe(as_channels(np.asarray(pixels[start : start + step]), 1)[..., 0]))
        if start // step % 32 == 0:
            on_progress(start / len(pixels))
        if start // step % 256 == 0:
            let_go(pixels)
    let_go(pixels)
    return _joined(parts)


def _kept_small(
    dataset: Dataset, shape: tuple[int, int, int], path: Path, on_progress: Progress
) -> dict[str, Array]:
    """``_describe_each``, the small images kept in ``path``. Raises StorageFailed."""
    with atomic_memmap(path, (len(dataset), *shape)) as small:
        return _describe_each(dataset, small, on_progress)


def _describe_each(dataset: Dataset, small: Array, on_progress: Progress) -> dict[str, Array]:
    """Statistics of images at their own sizes; each is decoded once, and put scaled into ``small``."""
    parts = [_describe(np.zeros((0, 1, 1), np.uint8))]
    height, width, channels = small.shape[1:]
    for position in range(len(dataset)):
        try:
            image = dataset.images.read(position)
        except DamagedFile:
            parts.append(_describe(np.zeros((1, 0, 0), np.uint8)))
            continue
        parts.append(_describe(as_channels(image, 1)[None, ..., 0]))
        small[position] = as_channels(resize(image, height, width), channels)
        if position % 64 == 0:
            on_progress(position / len(dataset))
    return _joined(parts)


@contextlib.contextmanager
def atomic_memmap(path: Path, shape: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
    """A uint8 .npy file of ``shape`` to fill, which takes its name when the block ends well.

    Raises StorageFailed where the disk does not hold it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        array = open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        with temporary.open(
            "r+b"
        ) as file:  # a full disk is an error here, and a killed process (SIGBUS) later
            os.posix_fallocate(file.fileno(), 0, max(1, temporary.stat().st_size))
        yield array
        array.flush()
        os.replace(temporary, path)
    except OSError as error:
        raise storage_failed(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _describe(grey: NDArray[np.uint8]) -> dict[str, Array]:
    """Mean, deviation, histogram and sharpness of (n, H, W) images; NaN for those of no pixels."""
    n = len(grey)
    flat = grey.reshape(n, int(np.prod(grey.shape[1:])))
    n_pixels = flat.shape[1]
    if n_pixels == 0:
        nothing = np.full(n, np.nan, np.float32)
        empty = np.zeros((n, BINS), np.float16)
        return {"mean": nothing, "deviation": nothing, "histogram": empty, "sharpness": nothing}
    values = flat.astype(np.float32)
    mean = flat.sum(axis=1, dtype=np.uint64) / n_pixels
    values -= mean.astype(np.float32)[:, None]
    variance = np.einsum("ij,ij->i", values, values) / n_pixels
    bins = (flat >> 3).astype(np.intp)
    bins += np.arange(n)[:, None] * BINS  # in place: a second array of this size costs more than the sum
    counts = np.bincount(bins.ravel(), minlength=n * BINS).reshape(n, BINS)
    return {
        "mean": mean.astype(np.float32),
        "deviation": np.sqrt(variance).astype(np.float32),
        "histogram": (counts / n_pixels).astype(np.float16),
        "sharpness": _sharpness(grey),
    }


def _sharpness(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n,) as ImageStatistics.sharpness, of (n, H, W) images of any one size."""
    n, height, width = grey.shape
    if n == 0 or min(height, width) < 3:
        return np.full(n, np.nan, np.float32)
    if max(height, width) > SHARPNESS_SIDE:
        scale = SHARPNESS_SIDE / max(height, width)
        size = max(3, round(height * scale)), max(3, round(width * scale))
        grey = np.stack([resize(image[..., None], *size)[..., 0] for image in grey])
    pixels = grey.astype(np.int16)
    laplacian = 4 * pixels[:, 1:-1, 1:-1]
    for beside in (pixels[:, :-2, 1:-1], pixels[:, 2:, 1:-1], pixels[:, 1:-1, :-2], pixels[:, 1:-1, 2:]):
        laplacian -= beside
    steepness = np.abs(laplacian, out=laplacian).reshape(n, -1)
    k = max(1, steepness.shape[1] // 100)
    greatest = np.partition(steepness, -k, axis=1)[:, -k:].mean(axis=1)
    contrast = np.ptp(pixels.reshape(n, -1), axis=1).astype(np.float32)
    sharp = np.full(n, np.nan, np.float32)
    np.divide(greatest, contrast, out=sharp, where=contrast > 0)
    return sharp


def _joined(parts: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
