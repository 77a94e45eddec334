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
        """Add one batch: scores (n, K) before the softmax, labels (n,)."""
        own = scores.gather(1, labels[:, None])
        others = scores.scatter(1, labels[:, None], -torch.inf).amax(dim=1, keepdim=True)
        # An image may be in a batch twice where a rare class is oversampled.
        np.add.at(self.total, positions, (own - others)[:, 0].double().cpu().numpy())
        np.add.at(self.count, positions, 1)

    @property
    def area(self) -> NDArray[np.float32]:
        """(N,) mean margin; NaN for an image that was in no batch."""
        return mean_margins(self.total, self.count)


class AnswerMargins:
    """The same for each yes and no of images with several labels: how far the score, before the sigmoid, is
    on the side of the answer.

    Args:
        n_items: Of the data set.
        n_classes: K.
    """

    def __init__(self, n_items: int, n_classes: int) -> None:
        self.total = np.zeros((n_items, n_classes), np.float64)
        self.count = np.zeros((n_items, n_classes), np.int64)

    def __call__(self, positions: NDArray[np.int64], scores: Tensor, labels: Tensor) -> None:
        """Add one batch: labels (n, K) with 1, 0 and NaN."""
        margins = (scores * (2 * labels - 1)).double().cpu().numpy()
        np.add.at(self.total, positions, np.nan_to_num(margins))
        np.add.at(self.count, positions, ~np.isnan(margins))


def mean_margins(total: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean over all steps; NaN for what was in none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count, np.float32)


AnyMargins = Margins | AnswerMargins


def no_margins(shape: tuple[int, ...]) -> AnyMargins:
    """Margins of a training that has not begun, for labels of that shape: (N,) or (N, K)."""
    return Margins(*shape) if len(shape) == 1 else AnswerMargins(*shape)
