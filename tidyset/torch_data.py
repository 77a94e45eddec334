"""Images of a data set as a torch data set, opened anew in each process that reads them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.data.dataset import ImageStore, load_dataset


class TorchImages(torch.utils.data.Dataset[tuple[Any, torch.Tensor]]):
    """Images and labels; see ``tidyset.Dataset.to_torch``.

    Args:
        folder: That of the data set; sent to workers instead of the pixels.
        positions: (n,) which images.
        labels: (n,) int64 or (n, K) float32.
    """

    def __init__(
        self,
        folder: Path,
        positions: NDArray[np.int64],
        labels: NDArray[Any],
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.folder, self.positions, self.transform = folder, positions, transform
        self.labels = torch.from_numpy(np.array(labels))

    @cached_property
    def _images(self) -> ImageStore:
        return load_dataset(self.folder).images

    def __getstate__(self) -> dict[str, Any]:
        """Without the open images: a memory map would be sent whole."""
        return {name: value for name, value in self.__dict__.items() if name != "_images"}

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> tuple[Any, torch.Tensor]:
        """(image, label). Raises DamagedFile for an image that cannot be read."""
        pixels = self._images.read(int(self.positions[index]))
        image = torch.from_numpy(np.moveaxis(pixels, 2, 0).copy())  # the map itself is read-only
        return self.transform(image) if self.transform else image, self.labels[index]
