"""Learning from unlabelled images beside the labelled ones, step by step.

A teacher (the moving average of the weights where the recipe keeps one, else the network as it is) answers a
weakly augmented image; the network must answer a strongly augmented one alike. FixMatch (Sohn et al. 2020,
arXiv:2001.07685) uses answers above a threshold as labels, FlexMatch (Zhang et al. 2021, arXiv:2110.08263)
lowers it for classes that are learnt slowly, the mean teacher (Tarvainen and Valpola 2017, arXiv:1703.01780)
asks for equal probabilities. UDA (Xie et al. 2020, arXiv:1904.12848) lets every image teach, by sharpened
probabilities; here after ReMixMatch's distribution alignment (Berthelot et al. 2020, arXiv:1911.09785).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.runs.recipe import Recipe
from core.runs.trainable import no_unlabeled
from core.training.augment import augment
from core.training.objective import Objective
from core.training.seeds import Purpose, numpy_generator

_MEMORY = 0.99
"""How much of the mean answer is kept from step to step, for the alignment."""


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Images without labels to learn from.

    Attributes:
        positions: (n,) which.
        truth: What their labels would be, in the form of the labels, for all N images; only to measure how
            often pseudo-labels are right. None where nobody knows.
    """

    positions: NDArray[np.int64]
    truth: NDArray[Any] | None = None


class Consistency:
    """The unlabelled part of the loss, and how its pseudo-labels fare.

    Args:
        prior: (K,) shares of the classes among the labelled images, to which answers are aligned; None where
            an image may have several labels.

    Raises:
        BadInput: There are no unlabelled images.
    """

    def __init__(
        self,
        recipe: Recipe,
        objective: Objective,
        unlabelled: Unlabelled,
        n_classes: int,
        device: torch.device,
        prior: Tensor | None = None,
    ) -> None:
        if not len(unlabelled.positions):
            raise no_unlabeled(recipe.semi)
        self.recipe, self.objective, self.unlabelled = recipe, objective, unlabelled
        self.n_classes, self.device = n_classes, device
        self.chosen = torch.zeros(len(unlabelled.positions), n_classes, dtype=torch.uint8, device=device)
        self.sums = self.fresh_sums()
        self.prior = prior
        self.mean_answer = torch.full((n_classes,), 1 / n_classes, device=device) if prior is None else prior

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"chosen": self.chosen, "sums": self.sums, "mean_answer": self.mean_answer}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over what ``tensors`` gave; a checkpoint of an earlier version has no mean answer."""
        self.chosen, self.sums = tensors["chosen"].to(self.device), tensors["sums"].to(self.device)
        self.mean_answer = tensors.get("mean_answer", self.mean_answer).to(self.device)

    def fresh_sums(self) -> Tensor:
        """Pseudo-labels possible, used, used with the truth known, and right, of an epoch."""
        return torch.zeros(4, dtype=torch.float64, device=self.device)

    def rows(self, step: int, batch: int) -> NDArray[np.int64]:
        """Rows of ``unlabelled.positions`` for a step: a shuffled walk through all, over and over."""
        n, wanted = len(self.unlabelled.positions), batch * self.recipe.semi_ratio
        start = step * self.recipe.batch_size * self.recipe.semi_ratio
        walks = range(start // n, (start + wanted - 1) // n + 1)
        order = [numpy_generator(self.recipe.seed, Purpose.UNLABELLED, w).permutation(n) for w in walks]
        first = start - walks[0] * n
        return np.concatenate(order)[first : first + wanted]

    def strong(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images (n, C, H, W) uint8, augmented as the recipe says and more; for the mean teacher only so."""
        recipe = self.recipe
        if recipe.semi == "mean-teacher":
            return augment(images, recipe, generator)
        strength = recipe.semi_strength
        more = {
            "shift_share": 1.0,
            "shift_pixels": max(recipe.shift_pixels, round(0.125 * strength * min(images.shape[-2:]))),
            "rotation_share": 1.0,
            "rotation_degrees": max(recipe.rotation_degrees, 20 * strength),
            "sharpness_share": 0.5,
            "erasing_share": min(1.0, strength),
            "erasing_size": max(0.02, min(1.0, 0.4 * strength)),
        }
        out = augment(images, recipe.model_copy(update=more), generator).float()
        n = len(out)
        reach = min(0.8, 0.4 * strength)
        contrast, light = (
            (torch.rand(n, 1, 1, 1, generator=generator, device=out.device) * 2 - 1) * reach for _ in range(2)
        )
        mean = out.mean(dim=(1, 2, 3), keepdim=True)
        return ((out - mean) * (1 + contrast) + mean * (1 + light)).clamp_(0, 255)

    def thresholds(self) -> Tensor:
        """(K,): how sure an answer must be; FlexMatch's follow how often each class is answered surely."""
        full = torch.full((self.n_classes,), self.recipe.semi_threshold, device=self.device)
        if self.recipe.semi != "flexmatch":
            return full
        counts = self.chosen.sum(dim=0, dtype=torch.float32)
        unused = (self.chosen.sum(dim=1) == 0).sum()
        learnt = counts / torch.maximum(counts.max(), unused).clamp_min(1)
        return (full * learnt / (2 - learnt)).clamp_min(0.5)

    def loss(self, scores: Tensor, teacher: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """The loss of scores (n, K) given the teacher's (n, K), before its weight."""
        if self.recipe.semi == "uda":
            teacher = self.aligned(teacher)
        probs = self.objective.probs(teacher)
        pseudo = self.objective.pseudo(probs, self.thresholds())
        self._count(pseudo, rows)
        if self.recipe.semi == "flexmatch":
            full = torch.full((self.n_classes,), self.recipe.semi_threshold, device=self.device)
            self._remember(self.objective.pseudo(probs, full), rows)
        if self.recipe.semi == "mean-teacher":
            return (self.objective.probs(scores) - probs).square().mean()
        if self.recipe.semi == "uda":
            return self.objective.match(scores, self.objective.probs(teacher / self.recipe.semi_temperature))
        return self.objective.consistency(scores, pseudo)

    def aligned(self, teacher: Tensor) -> Tensor:
        """Scores (n, K), shifted so that on average classes are answered as often as they are labelled."""
        if self.prior is None:
            return teacher
        mean = self.objective.probs(teacher).mean(dim=0)
        self.mean_answer = _MEMORY * self.mean_answer + (1 - _MEMORY) * mean
        return teacher + (self.prior.clamp_min(1e-6) / self.mean_answer.clamp_min(1e-6)).log()

    def weight(self, share_done: float) -> float:
        """Of the loss, when ``share_done`` of the run is over: a sigmoid rise."""
        rise = min(1.0, share_done / self.recipe.semi_rampup) if self.recipe.semi_rampup else 1.0
        return self.recipe.semi_weight * float(np.exp(-5 * (1 - rise) ** 2))

    def _remember(self, pseudo: Tensor, rows: NDArray[np.int64]) -> None:
        """Which class each image was last answered with; what was never sure stays unused."""
        if pseudo.ndim == 1:
            sure, label = pseudo >= 0, pseudo.clamp_min(0)
            yes = torch.nn.functional.one_hot(label, self.n_classes).to(torch.uint8)
        else:
            yes = (pseudo == 1).to(torch.uint8)
            sure = yes.any(dim=1)
        index = torch.from_numpy(rows).to(self.device)[sure]
        self.chosen[index] = yes[sure]

    def _count(self, pseudo: Tensor, rows: NDArray[np.int64]) -> None:
        truth = None
        if self.unlabelled.truth is not None:
            found = self.unlabelled.truth[self.unlabelled.positions[rows]]
            truth = torch.from_numpy(np.array(found)).to(self.device)
        self.sums += torch.tensor(pseudo_counts(pseudo, truth), dtype=torch.float64, device=self.device)

    def figures(self) -> dict[str, float | None]:
        """pseudo_share, and pseudo_precision where the truth is known; of this epoch."""
        return pseudo_figures(self.sums.tolist())


def pseudo_counts(pseudo: Tensor, truth: Tensor | None) -> list[float]:
    """Pseudo-labels possible, used, used with the truth known, and right.

    With several labels an image, what counts is each yes: that most labels are no is easily said.

    Args:
        pseudo: (n,) int64 with -1, or (n, K) with NaN.
        truth: The same form, or None.
    """
    used = pseudo >= 0 if pseudo.ndim == 1 else (pseudo == 1).any(dim=1)
    said = used if pseudo.ndim == 1 else pseudo == 1
    if truth is None:
        return [float(len(pseudo)), float(used.sum()), 0.0, 0.0]
    known = said & ((truth >= 0) if truth.ndim == 1 else ~truth.isnan())
    return [
        float(len(pseudo)),
        float(used.sum()),
        float(known.sum()),
        float((known & (pseudo == truth)).sum()),
    ]


def pseudo_figures(sums: list[float]) -> dict[str, float | None]:
    """pseudo_share (of the images) and pseudo_precision (of the answers), from ``pseudo_counts``."""
    n, used, known, right = sums
    return {"pseudo_share": used / n if n else None, "pseudo_precision": right / known if known else None}
