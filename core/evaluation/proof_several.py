"""A proof where images have several labels: what counts is each known yes or no that is answered rightly.

An image is still one item that was drawn at random, with all its answers: those of one image are not
independent, so a test over single answers would be too sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from core.evaluation.crossed import Intervals, Right
from core.evaluation.metrics import Floats
from core.evaluation.multilabel_bootstrap import mean_of_rows
from core.evaluation.proof import AFTER, BEFORE, ArmScores, Proof

N_DRAWS = 2_000
_CHUNK = 128
Answers = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class AnswerScores:
    """One training over known answers; arrays (K,), NaN for a label that no test image has."""

    accuracy: float
    macro_f1: float
    recall: Floats
    f1: Floats


@dataclass(frozen=True, eq=False)
class SeveralProof(Proof):
    """Arms on the same n test items of which something is known.

    Attributes:
        labels: (n, K) 1 yes, 0 no, NaN unknown.
        predicted: By arm, (S, n, K) bool.
    """

    measure: ClassVar[str] = "the Hamming score"

    @property
    def known(self) -> Answers:
        """(n, K)."""
        return np.asarray(~np.isnan(self.labels))

    @cached_property
    def right(self) -> Right:
        """(A, S, n): of how many known labels of an item the answer is right."""
        yes, known = self.labels == 1, self.known
        found = [((said == yes) & known).sum(axis=2) for said in self.predicted.values()]
        return np.stack(found).astype(np.int64)

    @property
    def answers_each(self) -> float:
        """How many known labels a test item has on average."""
        return float(self.known.sum() / len(self.labels))

    @cached_property
    def scores(self) -> Mapping[str, Sequence[ArmScores]]:
        """By arm, the scores of each seed."""
        weights = np.ones((1, len(self.labels)), np.float32)
        return {arm: [self._scores(one, weights) for one in said] for arm, said in self.predicted.items()}

    def _scores(self, said: Answers, weights: NDArray[np.float32]) -> AnswerScores:
        accuracy, recall, f1 = weighted(self.labels, said, weights)
        return AnswerScores(float(accuracy[0]), float(np.nanmean(f1[0])), recall[0], f1[0])

    @cached_property
    def intervals(self) -> Intervals:
        """Bootstrap intervals over items and seeds, as core.evaluation.crossed.bootstrap."""
        n, n_seeds = len(self.labels), len(self.seeds)
        rng = np.random.default_rng(0)
        found: list[Floats] = []
        for begin in range(0, N_DRAWS, _CHUNK):
            size = min(_CHUNK, N_DRAWS - begin)
            items = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float32)
            seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=size) / n_seeds
            first, second = (self._drawn(arm, items) for arm in (BEFORE, AFTER))
            found.append(((second - first) * seeds).sum(axis=2))
        low, high = np.nanquantile(np.concatenate(found, axis=1), [0.025, 0.975], axis=1)
        return Intervals((float(low[0]), float(high[0])), (float(low[1]), float(high[1])))

    def _drawn(self, arm: str, items: NDArray[np.float32]) -> Floats:
        """(2, draws, S) accuracy and macro-F1 of each seed in each draw of items."""
        found = np.empty((2, len(items), len(self.seeds)))
        for s, said in enumerate(self.predicted[arm]):
            accuracy, _, f1 = weighted(self.labels, said, items)
            found[0, :, s], found[1, :, s] = accuracy, mean_of_rows(f1)
        return found

    def right_of(self, index: int) -> Right:
        """(A, S, m) whether the m test items that have a label are said to have it."""
        rows = self.labels[:, index] == 1
        return np.stack([said[:, rows, index] for said in self.predicted.values()])


def weighted(
    labels: NDArray[np.floating], said: Answers, weights: NDArray[np.float32]
) -> tuple[Floats, Floats, Floats]:
    """(accuracy (D,), recall (D, K), F1 (D, K)) over known answers, with items weighted D times.

    Args:
        labels: (n, K) 1 yes, 0 no, NaN unknown.
        said: (n, K).
        weights: (D, n).
    """
    known, yes = ~np.isnan(labels), labels == 1
    right, asked = ((said == yes) & known).sum(axis=1), known.sum(axis=1)
    hits = weights @ (yes & said).astype(np.float32)
    there = weights @ yes.astype(np.float32)
    either = there + weights @ (known & said).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = (weights @ right.astype(np.float32)) / (weights @ asked.astype(np.float32))
        recall = np.where(there > 0, hits / there, np.nan)
        f1 = np.where(either > 0, 2 * hits / either, np.nan)
    return accuracy.astype(np.float64), recall.astype(np.float64), f1.astype(np.float64)
