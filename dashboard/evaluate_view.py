"""What the Evaluate page shows of one run: its answers joined to the data set, kept in memory by version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import UNLABELLED, Dataset, Task
from core.embeddings.zero_shot import zero_shot_runs
from core.evaluation.compare import Comparison
from core.evaluation.metrics import Scores, scores, top_k_accuracy
from core.evaluation.of_run import LabelSet, compare_runs, label_sets, scored_on
from core.evaluation.predictions import Predictions
from core.evaluation.remarks import SURE, Remark, remarks
from core.evaluation.selective import RiskCoverage, risk_coverage
from core.evaluation.thresholds import load_thresholds
from core.labels.versions import LabelVersion
from core.metrics.calibration import Reliability, fit_temperature, reliability
from core.quality.proofs import near_copies
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard.memo import predictions, remembered
from dashboard.progress import progress

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One run's answers for one split, scored on one set of labels.

    Attributes:
        rows: The split's predictions, their labels being the right answers.
        positions: (n,) int64, where each row is in the data set.
        temperature: Fitted on validation, above 1 when the model is too sure of itself; only for test.
    """

    rows: Predictions
    positions: Ints
    temperature: float | None

    @cached_property
    def scores(self) -> Scores:
        """Confusion matrix and what follows from it."""
        return scores(self.rows.labels, self.rows.predicted, len(self.rows.classes))

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """(n,) whether there is a right answer."""
        return np.asarray(self.rows.labels != UNLABELLED)

    @cached_property
    def mistakes(self) -> Ints:
        """Rows of the wrong answers, the most confident first."""
        wrong = np.flatnonzero(self.labelled & (self.rows.predicted != self.rows.labels))
        return wrong[np.argsort(-self.rows.confidence[wrong], kind="stable")]

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against accuracy in ten bins."""
        return reliability(self.rows.labels, self.rows.pred_probs, n_bins=10)

    @cached_property
    def ece(self) -> float:
        """Expected calibration error, 15 bins, as in the report."""
        return reliability(self.rows.labels, self.rows.pred_probs).ece

    @cached_property
    def remarks(self) -> list[Remark]:
        """What the numbers say, in sentences."""
        confidence = self.rows.confidence
        n_sure = int((confidence[self.mistakes] >= SURE).sum())
        mean = float(confidence[self.labelled].mean()) if self.scores.n else 0.0
        return remarks(self.scores, self.rows.classes, mean, n_sure)

    @cached_property
    def risk_coverage(self) -> RiskCoverage:
        """What share goes to people and how good the rest is, for every threshold."""
        return risk_coverage(self.rows.labels, self.rows.pred_probs)

    def top_k(self, k: int) -> float:
        """Share of items whose label is among the k most probable classes."""
        return top_k_accuracy(self.rows.labels, self.rows.pred_probs, k)

    def cell(self, given: int, predicted: int) -> Ints:
        """Rows of one cell of the matrix: the surest mistakes first, the least sure right answers first."""
        rows = np.flatnonzero((self.rows.labels == given) & (self.rows.predicted == predicted))
        sign = 1 if given == predicted else -1
        return rows[np.argsort(sign * self.rows.confidence[rows], kind="stable")]


def finished_runs(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """The finished runs on the data set as it is now, newest first."""
    runs = list_runs(workspace, dataset=dataset.name)
    return [
        run
        for run in runs
        if run.fingerprint == dataset.fingerprint and status(run).state is RunState.FINISHED
    ]


def answering_runs(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """The finished runs, then what CLIP said from words alone: all that answer with a class."""
    clip = [run for run in zero_shot_runs(workspace, dataset) if status(run).state is RunState.FINISHED]
    single = dataset.task is Task.SINGLE_LABEL
    return [*finished_runs(workspace, dataset), *(clip if single else [])]


def splits_of(run: Run) -> list[str]:
    """The splits that the run has answers for: validation, where decisions are made, before test."""
    present = set(np.unique(predictions(run).split).tolist())
    return [name for name in ("val", "test", "train") if name in present]


@remembered()
def choices_of_labels(workspace: Workspace, dataset: Dataset, version: LabelVersion) -> tuple[LabelSet, ...]:
    """The given labels and, where there are edits, the corrected ones of the newest version."""
    return label_sets(workspace, dataset)


@remembered()
def evaluation(dataset: Dataset, run: Run, split: str, labels: LabelSet) -> Evaluation:
    """The run's answers for ``split``, scored on ``labels``; shared by all sessions."""
    answers = predictions(run)
    rows = scored_on(answers.only(split), dataset, labels)
    held_out = scored_on(answers.only("val"), dataset, labels)
    temperature = None
    if split == "test" and len(held_out):
        temperature = fit_temperature(held_out.labels, held_out.pred_probs)
    return Evaluation(rows, dataset.positions(rows.item_ids), temperature)


def comparisons(
    workspace: Workspace,
    dataset: Dataset,
    runs: tuple[Run, Run],
    split: str,
    version: LabelVersion,
    *,
    tuned: bool = False,
) -> list[Comparison]:
    """Run ``runs[1]`` against ``runs[0]``, on the given labels and, where they differ, on the corrected ones
    of the newest version.

    Args:
        tuned: At each run's own thresholds, where images have several labels.
    """
    n_labels = len(dataset.classes)
    cuts = tuple(load_thresholds(run.folder, n_labels).values for run in runs) if tuned else ()
    return _comparisons(workspace, dataset, runs, split, version, cuts)


@remembered()
def _comparisons(
    workspace: Workspace,
    dataset: Dataset,
    runs: tuple[Run, Run],
    split: str,
    version: LabelVersion,
    cuts: tuple[tuple[float, ...], ...],
) -> list[Comparison]:
    with progress("Computing confidence intervals (bootstrap)") as on_share:
        groups = near_copies(workspace, dataset, np.arange(len(dataset)))
        return compare_runs(workspace, *runs, split, tuned=bool(cuts), groups=groups, on_share=on_share)
