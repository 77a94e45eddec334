"""Several networks as one: a Classifier whose features are all members' and whose head counts their votes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.classifier import Classifier, enlarged
from core.models.groups import group_softmax

SINGLE_LABEL = "single-label"


class _Bodies(nn.Module):
    """All members' features, side by side."""

    def __init__(self, members: Sequence[Classifier]) -> None:
        super().__init__()
        self.members = nn.ModuleList([member.body for member in members])
        self.sides = [member.smallest_side for member in members]

    def forward(self, images: Tensor) -> Tensor:
        """(n, sum of D) of images (n, C, H, W)."""
        found = []
        for body, side in zip(self.members, self.sides, strict=True):
            size = enlarged((images.shape[-2], images.shape[-1]), side)
            large = (
                images if size == tuple(images.shape[-2:]) else F.interpolate(images, size, mode="bilinear")
            )
            found.append(body(large))
        return torch.cat(found, dim=1)


class _Votes(nn.Module):
    """The mean of what the members say, as scores before softmax or sigmoid."""

    def __init__(self, members: Sequence[Classifier], task: str, groups: Sequence[int], vote: str) -> None:
        super().__init__()
        self.heads = nn.ModuleList([member.head for member in members])
        self.sizes = [member.n_features for member in members]
        self.task, self.groups, self.vote = task, tuple(groups), vote

    def forward(self, features: Tensor) -> Tensor:
        """(n, K) of features (n, sum of D)."""
        parts = torch.split(features, self.sizes, dim=1)
        said = [self._probs(head(part).float()) for head, part in zip(self.heads, parts, strict=True)]
        if self.vote == "hard":
            said = [self._decided(probs) for probs in said]
        mean = torch.stack(said).mean(dim=0)
        if self._one_of_many:
            return mean.clamp_min(1e-7).log()
        return mean.clamp(1e-6, 1 - 1e-6).logit()

    @property
    def _one_of_many(self) -> bool:
        return self.task == SINGLE_LABEL or bool(self.groups)

    def _sizes_of_groups(self, probs: Tensor) -> tuple[int, ...]:
        return self.groups or (probs.shape[1],)

    def _probs(self, scores: Tensor) -> Tensor:
        return group_softmax(scores, self._sizes_of_groups(scores)) if self._one_of_many else scores.sigmoid()

    def _decided(self, probs: Tensor) -> Tensor:
        """One vote a member: 1 for what it chooses, 0 for the rest."""
        if not self._one_of_many:
            return (probs > 0.5).float()
        parts = torch.split(probs, list(self._sizes_of_groups(probs)), dim=1)
        return torch.cat([F.one_hot(part.argmax(dim=1), part.shape[1]).float() for part in parts], dim=1)


class Ensemble(Classifier):
    """Several networks as one."""

    def features_of_maps(self, maps: Tensor, words: Tensor | None = None) -> Tensor:
        """(n, sum of D) of what one trunk, that all members have, made of the images; see Classifier."""
        bodies = self.body.get_submodule("members").children()
        return torch.cat([body.get_submodule("neck")(maps) for body in bodies], dim=1)


def ensemble_of(
    members: Sequence[Classifier], task: str, groups: Sequence[int] = (), vote: str = "soft"
) -> Ensemble:
    """The members as one network; they share their weights with it.

    Args:
        members: Networks for the same classes and images.
        task: "single-label" or "multi-label".
        groups: Sizes of groups of labels of which exactly one is right; see core.models.groups.
        vote: "soft": the mean of their probabilities; "hard": each member has one vote.
    """
    first = members[0]
    name = next(name for name, module in first.body.named_modules() if module is first.cam_layer)
    n_features = sum(member.n_features for member in members)
    return Ensemble(_Bodies(members), _Votes(members, task, groups, vote), n_features, f"members.0.{name}")
