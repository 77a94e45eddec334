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
from core.labels.versions import current_version
from core.metrics.calibration import Reliability, fit_temperature, reliability
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard.kept import kept
from dashboard.opened import predictions

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


def choices_of_labels(workspace: Workspace, dataset: Dataset) -> tuple[LabelSet, ...]:
    """The given labels and, where there are edits, the corrected ones."""
    version = current_version(workspace, dataset.name)
    return _label_sets(str(workspace.root), dataset.fingerprint, version, workspace, dataset)


def evaluation(dataset: Dataset, run: Run, split: str, labels: LabelSet) -> Evaluation:
    """The run's answers for ``split``, scored on ``labels``; shared by all sessions."""
    return _evaluation(run.id, _written(run), split, labels.key, labels.version, dataset, run, labels)


def comparisons(workspace: Workspace, dataset: Dataset, a: Run, b: Run, split: str) -> list[Comparison]:
    """Run b against run a, on the given labels and, where they differ, on the corrected ones."""
    version = current_version(workspace, dataset.name)
    names = (a.name, b.name)
    return _comparisons(a.id, _written(a), b.id, _written(b), names, split, version, workspace, a, b)


def all_predictions(run: Run) -> Predictions:
    """All of the run's predictions; shared by all sessions."""
    return predictions(run)


def _written(run: Run) -> int:
    """When the predictions were written: a run that was resumed and finished again is another entry."""
    return run.predictions_file.stat().st_mtime_ns if run.predictions_file.exists() else 0


@kept
def _label_sets(
    root: str, fingerprint: str, version: int, _workspace: Workspace, _dataset: Dataset
) -> tuple[LabelSet, ...]:
    return label_sets(_workspace, _dataset)


@kept
def _evaluation(
    run_id: str,
    written: int,
    split: str,
    label_key: str,
    version: int,
    _dataset: Dataset,
    _run: Run,
    _labels: LabelSet,
) -> Evaluation:
    answers = predictions(_run)
    rows = scored_on(answers.only(split), _dataset, _labels)
    held_out = scored_on(answers.only("val"), _dataset, _labels)
    temperature = None
    if split == "test" and len(held_out):
        temperature = fit_temperature(held_out.labels, held_out.pred_probs)
    return Evaluation(rows, _dataset.positions(rows.item_ids), temperature)


@kept
def _comparisons(
    a_id: str,
    a_written: int,
    b_id: str,
    b_written: int,
    names: tuple[str, str],
    split: str,
    version: int,
    _workspace: Workspace,
    _a: Run,
    _b: Run,
) -> list[Comparison]:
    return compare_runs(_workspace, _a, _b, split)
