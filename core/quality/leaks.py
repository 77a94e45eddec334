"""What leaked test images do to a run's score: taken with them, without them, and on them alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.data.dataset import UNLABELLED, Dataset
from core.evaluation.metrics import Ints, scores, wilson_interval
from core.evaluation.predictions import Predictions
from core.quality.duplicates import SimilarImages


@dataclass(frozen=True, slots=True)
class Score:
    """A score on labelled test images.

    Attributes:
        n: How many.
        accuracy, macro_f1: 0 to 1; NaN without images.
        interval: 95 % interval of the accuracy (Wilson).
    """

    n: int
    accuracy: float
    macro_f1: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class LeakedScore:
    """A run's score and the part that leaks have in it.

    Attributes:
        all: On all labelled test images.
        without: On those that the run saw no copy of.
        leaked: On those that it saw one of, in training or to choose the best epoch.
        positions: The leaked test images, ascending.
    """

    all: Score
    without: Score
    leaked: Score
    positions: tuple[int, ...]

    @property
    def difference(self) -> float:
        """How much the leaks add to the accuracy, -1 to 1; NaN where nothing is left without them."""
        return self.all.accuracy - self.without.accuracy


def leaked_score(dataset: Dataset, similar: SimilarImages, predictions: Predictions) -> LeakedScore:
    """The run's score on its test images, with and without those that it saw a copy of.

    Args:
        dataset: What the groups' positions refer to.
        similar: The groups, whatever was left out since: it is the run's parts that count.
        predictions: All of a run's, scored on the labels they carry; joined by item id, so items that are
            no longer in the data set raise NotFound.
    """
    positions = dataset.positions(predictions.item_ids)
    n = len(dataset)
    tested, seen = np.zeros(n, bool), np.zeros(n, bool)
    tested[positions] = (predictions.split == "test") & (predictions.labels != UNLABELLED)
    seen[positions] = predictions.split != "test"
    leaked = np.zeros(n, bool)
    group = np.repeat(np.arange(len(similar)), np.diff(similar.starts))
    saw = np.bincount(group, weights=seen[similar.members], minlength=len(similar)) > 0
    leaked[similar.members[saw[group]]] = True
    leaked &= tested
    is_leaked = leaked[positions]
    given, predicted = predictions.labels, predictions.predicted

    def score(rows: Ints) -> Score:
        found = scores(given[rows], predicted[rows], len(predictions.classes))
        interval = wilson_interval(found.n_correct, found.n)
        return Score(found.n, found.accuracy, found.macro_f1, interval)

    test = np.flatnonzero(tested[positions])
    return LeakedScore(
        all=score(test),
        without=score(test[~is_leaked[test]]),
        leaked=score(test[is_leaked[test]]),
        positions=tuple(np.flatnonzero(leaked).tolist()),
    )
