"""Several labels an image of which exactly one in each group is right, as "one digit and one letter".

Labels are (n, K) float32 as in core.training.multilabel; a group counts where one of its labels is a known
yes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.errors import BadInput
from core.models.groups import group_softmax
from core.runs.recipe import Recipe
from core.training.multilabel import Labels, MultiLabel


class Grouped(MultiLabel):
    """A softmax with cross-entropy for each group of labels.

    Args:
        recipe: Its ``groups``.
        labels: (n, K) labels of the training images.
        device: Where the loss is computed.

    Raises:
        BadInput: The groups do not add up to K.
    """

    def __init__(self, recipe: Recipe, labels: Labels, device: torch.device) -> None:
        super().__init__(recipe, labels, device)
        self.groups = list(recipe.groups)
        if sum(self.groups) != labels.shape[1]:
            raise BadInput(
                f"label_groups = {recipe.label_groups} are {sum(self.groups)} labels; "
                f"the data has {labels.shape[1]}.",
                "Give the sizes of groups that make up all labels, in their order.",
            )

    def _parts(self, scores: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """By group: scores (n, k), the index of the right label (n,), and whether that is known (n,)."""
        for part, answers in zip(
            torch.split(scores, self.groups, 1), torch.split(labels, self.groups, 1), strict=True
        ):
            yes = answers.nan_to_num(0.0)
            yield part, yes.argmax(dim=1), yes.amax(dim=1) > 0.5

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Mean over the groups of the mean over the images of which that group is known."""
        losses = []
        for part, label, known in self._parts(scores, labels):
            each = F.cross_entropy(part, label, reduction="none", label_smoothing=self.recipe.label_smoothing)
            losses.append((each * known).sum() / known.sum().clamp_min(1))
        return torch.stack(losses).mean()

    def loss_of(self, pred_probs: NDArray[np.float32], labels: Labels, device: torch.device) -> float:
        """The loss of probabilities (n, K)."""
        scores = torch.from_numpy(pred_probs).clamp_min(1e-7).log().to(device)
        return self.loss(scores, torch.from_numpy(labels).to(device)).item()

    def right(self, scores: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        """How many images are right in every group that is known."""
        right = [(part.argmax(dim=1) == label) | ~known for part, label, known in self._parts(scores, labels)]
        return torch.stack(right).all(dim=0).sum()

    @staticmethod
    def decides(recipe: Recipe) -> str:
        """The share of images with all labels right, unless the recipe names another figure."""
        return recipe.deciding_figure(auto="exact_match")

    def probs(self, scores: Tensor) -> Tensor:  # type: ignore[override]
        """(n, K), summing to one in each group."""
        return group_softmax(scores, self.groups)

    def pseudo(self, probs: Tensor, threshold: Tensor) -> Tensor:  # type: ignore[override]
        """(n, K): a group's answer where its likeliest label is sure enough, NaN elsewhere."""
        found = []
        for part, least in zip(
            torch.split(probs, self.groups, 1), torch.split(threshold, self.groups), strict=True
        ):
            best, label = part.max(dim=1)
            answer = F.one_hot(label, part.shape[1]).to(part.dtype)
            found.append(torch.where((best >= least[label])[:, None], answer, torch.nan))
        return torch.cat(found, dim=1)

    def match(self, scores: Tensor, probs: Tensor) -> Tensor:  # type: ignore[override]
        """Cross-entropy of each group with soft labels, which are made to sum to one."""
        both: list[tuple[Any, Any]] = list(
            zip(torch.split(scores, self.groups, 1), torch.split(probs, self.groups, 1), strict=True)
        )
        losses = [
            F.cross_entropy(part, soft / soft.sum(1, keepdim=True).clamp_min(1e-7)) for part, soft in both
        ]
        return torch.stack(losses).mean()
