"""How a training went for each image: wrongly labelled ones are learned late, against the others' pull."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Margins:
    """The area under the margin (Pleiss, Zhang, Elenberg and Weinberger 2020, arXiv:2001.10528).

    The margin of an image in a step is the score of its label less the highest other score, before the
    softmax; the area is its mean over all steps that saw the image. Give ``self`` to fit as ``on_scores``.

    Args:
        n_items: Of the data set.
    """

    def __init__(self, n_items: int) -> None:
        self.total = np.zeros(n_items, np.float64)
        self.count = np.zeros(n_items, np.int64)

    def __call__(self, positions: NDArray[np.int64], scores: Tensor, labels: Tensor) -> None:
        """Add one batch."""
        own = scores.gather(1, labels[:, None])
        others = scores.scatter(1, labels[:, None], -torch.inf).amax(dim=1, keepdim=True)
        # An image may be in a batch twice where a rare class is oversampled.
        np.add.at(self.total, positions, (own - others)[:, 0].double().cpu().numpy())
        np.add.at(self.count, positions, 1)

    @property
    def area(self) -> NDArray[np.float32]:
        """(N,) mean margin; NaN for an image that was in no batch."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.total / self.count, np.float32)
