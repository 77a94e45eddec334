"""Where images have several labels: does a label's images lie together? Its share among their neighbours,
beside its share of all images; the quotient is the lift of association rules (Brin et al. 1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.embeddings.landscape import yes_shares

Floats = NDArray[np.float64]

SCATTERED = 1.1
"""Below this lift a label's images lie as if they were strewn."""


@dataclass(frozen=True, eq=False)
class LabelLift:
    """How each label's images lie, over known labels only.

    Attributes:
        among_neighbours: (K,) the share of yes among the neighbours of images that have the label; NaN where
            no image has it, or nothing is known of their neighbours.
        among_all: (K,) the share of yes among all images; NaN where nothing is known.
        counts: (K,) images that have it.
    """

    among_neighbours: Floats
    among_all: Floats
    counts: NDArray[np.int64]

    @property
    def lift(self) -> Floats:
        """(K,) how many times more often than anywhere; NaN where it cannot be told."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.among_neighbours / self.among_all, np.float64)

    @property
    def order(self) -> list[int]:
        """The labels for which it can be told, those that lie together most first."""
        known = np.flatnonzero(np.isfinite(self.lift))
        return [int(k) for k in known[np.argsort(-self.lift[known], kind="stable")]]


def label_lift(neighbours: NDArray[np.integer], labels: NDArray[np.floating]) -> LabelLift:
    """How each label's images lie.

    Args:
        neighbours: (n, m) rows of each image's nearest others, in feature space or on a map.
        labels: (n, K) 1 yes, 0 no, NaN unknown.
    """
    n_labels = labels.shape[1]
    among_neighbours = np.full(n_labels, np.nan)
    yes = labels == 1
    for k in range(n_labels):  # one label at a time: (n, m, K) would be large
        known = ~np.isnan(labels[:, k])
        near = neighbours[yes[:, k]].ravel()
        near = near[known[near]]
        if len(near):
            among_neighbours[k] = yes[near, k].mean()
    return LabelLift(among_neighbours, yes_shares(labels), yes.sum(axis=0).astype(np.int64))


def in_words(found: LabelLift, classes: Sequence[str], most: int = 3) -> list[str]:
    """Which labels lie together most, and which are strewn, as sentences."""
    order = found.order
    if not order:
        return ["No label is known of an image and its neighbours: nothing can be told."]

    def shares(k: int) -> str:
        near, everywhere = 100 * found.among_neighbours[k], 100 * found.among_all[k]
        return f"{near:.0f} % of the neighbours of its images have it, of all images {everywhere:.0f} %"

    together = [k for k in order if found.lift[k] >= SCATTERED]
    strewn = [k for k in reversed(order) if found.lift[k] < SCATTERED]
    sentences = [f"{classes[k]} lies together: {shares(k)}." for k in together[:most]]
    return sentences + [f"{classes[k]} is strewn: {shares(k)}." for k in strewn[:most]]
