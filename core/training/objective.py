"""What a task trains for: its loss, its probabilities, and its labels as tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.runs.recipe import Recipe


class SingleLabel:
    """One class an image: softmax, with cross-entropy or the focal loss.

    Args:
        recipe: Its loss fields.
        labels: (n,) int64 labels of the training images, for the class weights.
        n_classes: K.
        device: Where the loss is computed.
    """

    def __init__(
        self, recipe: Recipe, labels: NDArray[np.int64], n_classes: int, device: torch.device
    ) -> None:
        self.gamma = recipe.focal_gamma if recipe.loss == "focal" else 0.0
        self.smoothing = recipe.label_smoothing
        self.weights: Tensor | None = None
        if recipe.class_weights == "balanced":
            self.weights = torch.from_numpy(balanced_weights(labels, n_classes)).to(device)

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch: scores (n, K) float32, labels (n,) int64."""
        if self.gamma == 0:
            return F.cross_entropy(scores, labels, self.weights, label_smoothing=self.smoothing)
        log_probs = F.log_softmax(scores, dim=1)
        log_prob = log_probs.gather(1, labels[:, None])[:, 0]
        losses = -((1 - log_prob.exp()) ** self.gamma) * log_prob
        if self.weights is None:
            return losses.mean()
        weights = self.weights[labels]
        return (losses * weights).sum() / weights.sum()

    @staticmethod
    def probabilities(scores: Tensor) -> Tensor:
        """(n, K) class probabilities of scores (n, K)."""
        return scores.softmax(dim=1)


def balanced_weights(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """(K,) weights inverse to the class frequencies, averaging one over the images; 0 for an absent class."""
    counts = np.bincount(labels, minlength=n_classes)
    present = counts > 0
    weights = np.zeros(n_classes, np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return weights
