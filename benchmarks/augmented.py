"""A data set of any size from a real one: Fashion-MNIST, each image turned, moved, scaled and lit anew.

``uv run python benchmarks/augmented.py FOLDER [--n 1000000] [--seed 0]``

Writes x_train.npy, y_train.npy, x_test.npy, y_test.npy and classes.npy, which `tidyset data import FOLDER`
reads. Nine tenths are made from the 60,000 training images and one tenth from the 10,000 test images, so that
no test image has a sister in training. A block is drawn from (seed, split, block) and written before the next
one is made, so memory does not grow with n and the same seed writes the same bytes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from core.data import fashion_mnist
from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.data.images import ArrayImages
from core.workspace import Workspace

BLOCK = 4_096
TEST_SHARE = 0.1
LARGEST_TURN = np.deg2rad(12.0)
LARGEST_MOVE = 2.0
LARGEST_SCALE = 0.1
SIDE = 28


def augmented(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(n, 28, 28) uint8 images, each under an affine map, brightness and contrast of its own.

    Sampled bilinearly, black outside. A third are mirrored; noise of one grey level makes copies differ.
    """
    n = len(images)
    turn = rng.uniform(-LARGEST_TURN, LARGEST_TURN, n)
    scale = rng.uniform(1 - LARGEST_SCALE, 1 + LARGEST_SCALE, n)
    move = rng.uniform(-LARGEST_MOVE, LARGEST_MOVE, (2, n, 1, 1)).astype(np.float32)
    mirror = np.where(rng.random(n) < 1 / 3, -1.0, 1.0)
    cos, sin = ((f(turn) / scale).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    centre = np.float32((SIDE - 1) / 2)
    down, across = np.mgrid[:SIDE, :SIDE].astype(np.float32) - centre
    across = across * mirror.astype(np.float32)[:, None, None]
    y = cos * down - sin * across + centre + move[0]
    x = sin * down + cos * across + centre + move[1]
    moved = _bilinear(images, y, x)
    light = rng.uniform(0.75, 1.25, (n, 1, 1)).astype(np.float32)
    moved *= light
    moved += rng.integers(0, 2, moved.shape, np.uint8)
    return np.clip(moved, 0, 255).astype(np.uint8)


def _bilinear(
    images: NDArray[np.uint8], y: NDArray[np.float32], x: NDArray[np.float32]
) -> NDArray[np.float32]:
    padded = np.zeros((len(images), SIDE + 2, SIDE + 2), np.uint8)
    padded[:, 1:-1, 1:-1] = images
    y, x = (np.clip(values + 1, 0, SIDE + 0.999) for values in (y, x))
    top, left = y.astype(np.int32), x.astype(np.int32)
    down, across = y - top, x - left
    flat, width = padded.ravel(), SIDE + 2
    index = top * width + left + (np.arange(len(images), dtype=np.int32) * width * width)[:, None, None]
    upper = flat[index] * (1 - across) + flat[index + 1] * across
    lower = flat[index + width] * (1 - across) + flat[index + width + 1] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def write(folder: Path, n: int, seed: int) -> None:
    """Fill ``folder`` with the arrays of n images made from the full Fashion-MNIST."""
    with tempfile.TemporaryDirectory() as scratch:
        write_from(open_dataset(Workspace(Path(scratch)), fashion_mnist.FULL), folder, n, seed)


def write_from(source: Dataset, folder: Path, n: int, seed: int) -> None:
    """The same from another set of grey 28 x 28 images with a training and a test split."""
    assert isinstance(source.images, ArrayImages)
    folder.mkdir(parents=True, exist_ok=True)
    n_test = round(TEST_SHARE * n)
    for code, (split, wanted) in enumerate((("train", n - n_test), ("test", n_test))):
        rows = source.in_split(split)
        pixels = source.images.pixels[rows][..., 0]
        _write_split(folder, split, pixels, np.asarray(source.labels)[rows], wanted, (seed, code))
    np.save(folder / "classes.npy", np.array(source.classes))


def _write_split(
    folder: Path,
    split: str,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    n: int,
    seed: tuple[int, int],
) -> None:
    images = open_memmap(folder / f"x_{split}.npy", "w+", np.uint8, (n, SIDE, SIDE))
    given = open_memmap(folder / f"y_{split}.npy", "w+", np.uint8, (n,))
    for number, start in enumerate(range(0, n, BLOCK)):
        rng = np.random.default_rng((*seed, number))
        drawn = rng.integers(0, len(pixels), min(BLOCK, n - start))
        images[start : start + len(drawn)] = augmented(pixels[drawn], rng)
        given[start : start + len(drawn)] = labels[drawn]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.perf_counter()
    write(arguments.folder, arguments.n, arguments.seed)
    print(f"{arguments.n:,} images in {arguments.folder} ({time.perf_counter() - began:.0f} s)")


if __name__ == "__main__":
    main()
