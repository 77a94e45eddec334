"""Training for several labels an image, each yes, no or unknown: what is unknown counts for nothing.

Labels are (n, K) float32: 1 yes, 0 no, NaN unknown.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.data.labels import Labels as LabelValues
from core.metrics import valid_figures
from core.runs.recipe import Recipe

Labels = NDArray[np.float32]
MOST_WEIGHT = 100.0  # a label with one yes in a thousand images would else drown all others


class MultiLabel:
    """Each label by itself: sigmoid, with a loss over the known labels.

    Binary cross-entropy, the focal loss (Lin et al. 2017) and the asymmetric loss (Ridnik et al. 2021,
    arXiv:2009.14119) are means over the known labels of the batch; the soft-margin loss is a mean over each
    image's known labels, then over the images, as torch.nn.MultiLabelSoftMarginLoss.

    Args:
        recipe: Its loss fields.
        labels: (n, K) labels of the training images, for the weights.
        device: Where the loss is computed.
    """

    def __init__(self, recipe: Recipe, labels: Labels, device: torch.device) -> None:
        self.recipe = recipe
        self.yes_weight: Tensor | None = None
        if recipe.class_weights == "balanced":
            self.yes_weight = torch.from_numpy(yes_weights(labels)).to(device)

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch: scores (n, K) float32 before the sigmoid, labels (n, K) float32."""
        known = ~labels.isnan()
        target = labels.nan_to_num(0.0)
        losses = self._of_cells(scores, target) * known
        if self.recipe.loss == "soft-margin":
            n_known = known.sum(dim=1)
            return (losses.sum(dim=1) / n_known.clamp_min(1)).sum() / (n_known > 0).sum().clamp_min(1)
        return losses.sum() / known.sum().clamp_min(1)

    def _of_cells(self, scores: Tensor, target: Tensor) -> Tensor:
        """(n, K) the loss of each label."""
        recipe = self.recipe
        if recipe.loss == "asymmetric":
            losses = _asymmetric(
                scores,
                target,
                recipe.asymmetric_positive,
                recipe.asymmetric_negative,
                recipe.asymmetric_margin,
            )
            return losses if self.yes_weight is None else losses * (1 + target * (self.yes_weight - 1))
        smooth = target * (1 - recipe.label_smoothing) + 0.5 * recipe.label_smoothing
        losses = F.binary_cross_entropy_with_logits(
            scores, smooth, pos_weight=self.yes_weight, reduction="none"
        )
        if recipe.loss != "focal":
            return losses
        prob = scores.sigmoid()
        wrong = target * (1 - prob) + (1 - target) * prob
        return losses * wrong**recipe.focal_gamma

    def loss_of(self, pred_probs: NDArray[np.float32], labels: Labels, device: torch.device) -> float:
        """The loss of probabilities (n, K)."""
        scores = torch.from_numpy(pred_probs).double().clamp(1e-7, 1 - 1e-7).logit().float()
        return self.loss(scores.to(device), torch.from_numpy(labels).to(device)).item()

    @staticmethod
    def right(scores: Tensor, labels: Tensor) -> Tensor:
        """The share of the known labels that are right at one half, times the images of the batch."""
        known = ~labels.isnan()
        right = ((scores > 0) == (labels > 0.5)) & known
        return right.sum() / known.sum().clamp_min(1) * len(labels)

    @staticmethod
    def figures(pred_probs: NDArray[np.float32], labels: Labels) -> dict[str, float | None]:
        """The registry's figures of an epoch; None where no label has what it takes."""
        return valid_figures(LabelValues.of(labels, [str(k) for k in range(labels.shape[1])]), pred_probs)

    @staticmethod
    def decides(recipe: Recipe) -> str:
        """Which of the figures says which epoch is best."""
        return recipe.deciding_figure(auto="macro_auc")

    @staticmethod
    def probs(scores: Tensor) -> Tensor:
        """(n, K), each label by itself."""
        return scores.sigmoid()

    @staticmethod
    def pseudo(probs: Tensor, threshold: Tensor) -> Tensor:
        """(n, K) float32: 1 and 0 where a label is as sure as ``threshold`` (K,), NaN elsewhere."""
        unsure = torch.full_like(probs, torch.nan)
        return torch.where(probs >= threshold, 1.0, torch.where(probs <= 1 - threshold, 0.0, unsure))

    def consistency(self, scores: Tensor, pseudo: Tensor) -> Tensor:
        """The mean loss of the cells that have a pseudo-label, times their share."""
        return self.loss(scores, pseudo) * (~pseudo.isnan()).float().mean()

    @staticmethod
    def match(scores: Tensor, probs: Tensor) -> Tensor:
        """Binary cross-entropy with soft labels."""
        return F.binary_cross_entropy_with_logits(scores, probs)


def _asymmetric(scores: Tensor, target: Tensor, yes: float, no: float, margin: float) -> Tensor:
    prob = scores.sigmoid()
    prob_no = (1 - prob + margin).clamp(max=1) if margin > 0 else 1 - prob
    likelihood = target * prob.clamp_min(1e-8).log() + (1 - target) * prob_no.clamp_min(1e-8).log()
    # The weight is a constant to the gradient, as in the authors' code.
    with torch.no_grad():
        certain = target * prob + (1 - target) * prob_no
        weight = (1 - certain) ** (target * yes + (1 - target) * no)
    return -likelihood * weight


def yes_weights(labels: Labels) -> NDArray[np.float32]:
    """(K,) how often each label is no for one yes, at most MOST_WEIGHT; 1 where one of them never occurs."""
    n_yes, n_no = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    both = (n_yes > 0) & (n_no > 0)
    return np.where(both, np.minimum(n_no / np.maximum(n_yes, 1), MOST_WEIGHT), 1.0).astype(np.float32)


def treat_unknown(labels: Labels, how: str) -> Labels:
    """The labels as they are trained on: masked as they are, "as-no" with no for each unknown one, "left-out"
    with all labels of an image unknown where one is (so that it is not used).

    Args:
        labels: (N, K).
        how: The recipe's unknown_labels.
    """
    unknown = np.isnan(labels)
    if how == "as-no":
        # An image of which nothing at all is known was never looked at: it stays unlabelled.
        return np.where(unknown & ~unknown.all(axis=1, keepdims=True), 0, labels).astype(np.float32)
    if how == "left-out":
        return np.where(unknown.any(axis=1, keepdims=True), np.nan, labels).astype(np.float32)
    return labels
