"""What a task trains for: its loss, and the figures it is watched by."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.data.labels import Labels
from core.metrics import valid_figures
from core.runs.recipe import ONE_LABEL, Recipe
from core.training.grouped import Grouped
from core.training.multilabel import MultiLabel


class Objective(Protocol):
    """What the loop asks of a task."""

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch of scores (n, K), before softmax or sigmoid."""

    def loss_of(self, pred_probs: NDArray[np.float32], labels: NDArray[Any], device: torch.device) -> float:
        """The loss of probabilities (n, K)."""

    def right(self, scores: Tensor, labels: Tensor) -> Tensor:
        """How many images of a batch count as right; parts of one where an image has several labels."""

    def figures(self, pred_probs: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, float | None]:
        """valid_accuracy, valid_macro_f1 and what else the task is watched by."""

    def decides(self, recipe: Recipe) -> str:
        """Which of the figures says which epoch is best."""

    def probs(self, scores: Tensor) -> Tensor:
        """(n, K) probabilities of scores."""

    def pseudo(self, probs: Tensor, threshold: Tensor) -> Tensor:
        """Probabilities (n, K) as labels, unlabelled or unknown where they are below ``threshold`` (K,)."""

    def consistency(self, scores: Tensor, pseudo: Tensor) -> Tensor:
        """The loss of scores under pseudo-labels, as a mean over all images, labelled so or not."""

    def match(self, scores: Tensor, probs: Tensor) -> Tensor:
        """The loss of scores (n, K) where each image should get the probabilities (n, K)."""


def make_objective(recipe: Recipe, labels: NDArray[Any], n_classes: int, device: torch.device) -> Objective:
    """That of the task which the labels of the training images are for: (n,) int64 or (n, K) float32.

    Raises:
        BadInput: The recipe does not fit the task.
    """
    if labels.ndim == 2:
        if recipe.groups:
            return Grouped(recipe, labels, device)
        return MultiLabel(recipe, labels, device)
    recipe.check_task(ONE_LABEL)
    return SingleLabel(recipe, labels, n_classes, device)


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
        self.n_classes = n_classes
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

    def loss_of(
        self, pred_probs: NDArray[np.float32], labels: NDArray[np.int64], device: torch.device
    ) -> float:
        """The loss of probabilities (n, K)."""
        log_probs = torch.from_numpy(pred_probs).clamp_min(1e-12).log().to(device)
        return self.loss(log_probs, torch.from_numpy(labels).to(device)).item()

    @staticmethod
    def right(scores: Tensor, labels: Tensor) -> Tensor:
        """How many images have the highest score at their label."""
        return (scores.argmax(dim=1) == labels).sum()

    def figures(self, pred_probs: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float | None]:
        """The registry's figures of an epoch."""
        return valid_figures(Labels.of(labels, [str(k) for k in range(self.n_classes)]), pred_probs)

    @staticmethod
    def decides(recipe: Recipe) -> str:
        """Accuracy, unless the recipe names another metric."""
        return recipe.deciding_figure(auto="accuracy")

    @staticmethod
    def probs(scores: Tensor) -> Tensor:
        """(n, K), rows sum to one."""
        return scores.softmax(dim=1)

    @staticmethod
    def pseudo(probs: Tensor, threshold: Tensor) -> Tensor:
        """(n,) int64, -1 where the highest probability is below its class's threshold."""
        best, label = probs.max(dim=1)
        return torch.where(best >= threshold[label], label, -1)

    @staticmethod
    def consistency(scores: Tensor, pseudo: Tensor) -> Tensor:
        """Cross-entropy of those with a pseudo-label, over all."""
        return F.cross_entropy(scores, pseudo, ignore_index=-1, reduction="sum") / len(pseudo)

    @staticmethod
    def match(scores: Tensor, probs: Tensor) -> Tensor:
        """Cross-entropy with soft labels."""
        return F.cross_entropy(scores, probs)


def balanced_weights(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """(K,) weights inverse to the class frequencies, averaging one over the images; 0 for an absent class."""
    counts = np.bincount(labels, minlength=n_classes)
    present = counts > 0
    weights = np.zeros(n_classes, np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return weights
