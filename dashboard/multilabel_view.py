"""What the Evaluate page shows of a run whose images have several labels; kept in memory by version."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.evaluation.multilabel import MultiLabelScores, multilabel_scores
from core.evaluation.of_run import LabelSet, scored_on
from core.evaluation.predictions import Predictions
from core.evaluation.thresholds import Thresholds, load_thresholds
from core.runs.store import Run
from dashboard.memo import predictions, remembered

MISSED, ALARM, UNKNOWN = "Missed", "False alarms", "Unknown"
GROUPS = (MISSED, ALARM, UNKNOWN)


@dataclass(frozen=True, eq=False)
class MultiLabelEvaluation:
    """One run's answers for one split, scored on one set of labels.

    Attributes:
        rows: The split's predictions, their labels (n, K) being the right answers.
        positions: (n,) int64, where each row is in the data set.
        held_out: The validation rows: what thresholds are tuned on.
    """

    rows: Predictions
    positions: NDArray[np.int64]
    held_out: Predictions

    def scores(self, thresholds: NDArray[np.float64]) -> MultiLabelScores:
        """At the thresholds (K,)."""
        return multilabel_scores(self.rows.labels, self.rows.pred_probs, thresholds)

    def known(self, k: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """(yes, probabilities) of the known answers of one label."""
        known = ~np.isnan(self.rows.labels[:, k])
        return self.rows.labels[known, k] == 1, self.rows.pred_probs[known, k].astype(np.float64)

    def group(self, k: int, threshold: float, which: str) -> NDArray[np.int64]:
        """Rows that were missed, or false alarms, or unknown: the surest ones first."""
        labels, probs = self.rows.labels[:, k], self.rows.pred_probs[:, k]
        if which == MISSED:
            rows = np.flatnonzero((labels == 1) & (probs < threshold))
            return rows[np.argsort(probs[rows], kind="stable")]
        mask = np.isnan(labels) if which == UNKNOWN else (labels == 0) & (probs >= threshold)
        rows = np.flatnonzero(mask)
        return rows[np.argsort(-probs[rows], kind="stable")]


@remembered()
def evaluation(dataset: Dataset, run: Run, split: str, labels: LabelSet) -> MultiLabelEvaluation:
    """The run's answers for ``split``, scored on ``labels``; shared by all sessions."""
    answers = predictions(run)
    rows = scored_on(answers.only(split), dataset, labels)
    held_out = scored_on(answers.only("val"), dataset, labels)
    return MultiLabelEvaluation(rows, dataset.positions(rows.item_ids), held_out)


def saved_thresholds(run: Run, n_labels: int) -> Thresholds:
    """Those kept with the run."""
    return load_thresholds(run.folder, n_labels)
