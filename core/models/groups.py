"""Labels of which exactly one in each group is right, as "one digit and one letter": a softmax a group.

One network then has several heads that share all but their rows of the last layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def group_softmax(scores: Tensor, groups: Sequence[int]) -> Tensor:
    """(n, K) probabilities that sum to one within each group of columns; ``groups`` are their sizes."""
    return torch.cat([part.softmax(dim=1) for part in torch.split(scores, list(groups), dim=1)], dim=1)


def against_rivals(probs: Tensor, groups: Sequence[int]) -> Tensor:
    """(n, K) each label's probability were only its strongest rival in the group possible beside it.

    So exactly one label a group exceeds one half, even where none of them is likely, and all that decides
    at one half (as for labels that stand by themselves) decides as the group does.
    """
    found = []
    for part in torch.split(probs, list(groups), dim=1):
        top = part.topk(min(2, part.shape[1]), dim=1)
        best, second = top.values[:, :1], top.values[:, -1:]
        rival = torch.where(part == best, second, best)
        found.append(part / (part + rival).clamp_min(1e-12))
    return torch.cat(found, dim=1)
