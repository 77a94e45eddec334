"""A small data set of image files: sizes differ, one file is truncated, labels are multi-label with gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from core.data.dataset import Dataset, Task
from core.data.images import FileImages
from core.data.writer import content_hash

N = 8
DAMAGED = 5


def photographs(folder: Path) -> Dataset:
    """Eight colour files of 60 x 40 to 200 x 40 pixels, ever brighter; file 5 cannot be decoded."""
    images = folder / "images"
    images.mkdir(parents=True)
    names = [f"{number}.png" for number in range(N)]
    sizes = np.array([(40, 60 + 20 * number) for number in range(N)], np.int32)
    hashes = []
    for number, name in enumerate(names):
        pixels = np.full((*sizes[number], 3), 20 * number, np.uint8)
        pixels[:, ::2] += 10
        Image.fromarray(pixels).save(images / name)
        hashes.append(np.frombuffer(content_hash(pixels), np.uint8))
    whole = (images / names[DAMAGED]).read_bytes()
    (images / names[DAMAGED]).write_bytes(whole[: len(whole) // 2])
    labels = np.array([[1, 0, np.nan]] * 4 + [[0, 1, 1]] * 4, np.float32)
    return Dataset(
        name="photographs",
        title="Photographs",
        task=Task.MULTI_LABEL,
        classes=("cat", "dog", "indoors"),
        item_ids=np.array(names),
        split=np.array([0, 0, 0, 2, 0, 0, 0, 2], np.int8),
        labels=labels,
        images=FileImages(images, np.array(names), sizes),
        content_hashes=np.stack(hashes),
        captions=None,
        fingerprint="0" * 32,
        folder=folder,
    )
