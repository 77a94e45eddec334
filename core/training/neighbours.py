"""Nearest neighbours of many images at once, in the feature space of a network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from core.training.machine import Machine

BLOCK = 2_048


def nearest(
    queries: NDArray[np.float16], candidates: NDArray[np.float16], k: int, machine: Machine
) -> NDArray[np.int64]:
    """The k candidates with the highest cosine similarity to each query, best first.

    Args:
        queries: (n, D).
        candidates: (m, D).
        k: How many.
        machine: Where to compute, a block of queries at a time.

    Returns:
        (n, k) rows of ``candidates``; -1 where there are fewer than k.
    """
    found = np.full((len(queries), k), -1, np.int64)
    if not len(candidates):
        return found
    n_found = min(k, len(candidates))

    def unit(rows: NDArray[np.float16]) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.from_numpy(rows).to(machine.device).float(), dim=1)

    targets = unit(candidates).T.contiguous()
    with torch.inference_mode():
        for start in range(0, len(queries), BLOCK):
            similarity = unit(queries[start : start + BLOCK]) @ targets
            found[start : start + BLOCK, :n_found] = similarity.topk(n_found, dim=1).indices.cpu().numpy()
    return found
