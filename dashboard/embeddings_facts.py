"""What is known of each image of a data set, as arrays for the map: labels, guesses, doubts, tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.data.tags import tags_of
from core.labels.versions import LabelState
from core.quality.label_issues import load_issues
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import memo

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


def labels_in_words(dataset: Dataset, state: LabelState) -> tuple[tuple[str, ...], Ints]:
    """Names, and one number an image; several labels on one, or none, count as classes of their own."""
    if dataset.task is Task.SINGLE_LABEL:
        return dataset.classes, np.asarray(state.labels, np.int64)
    yes = state.labels == 1
    many = np.where(yes.sum(axis=1) > 1, len(dataset.classes), len(dataset.classes) + 1)
    numbers = np.where(yes.sum(axis=1) == 1, yes.argmax(axis=1), many)
    return (*dataset.classes, "several labels", "no label"), numbers.astype(np.int64)


def opinion(dataset: Dataset, judge: Run | None) -> tuple[Ints, Floats]:
    """(N,) guess and confidence of a run, for every item of the data set."""
    guess, confidence = np.full(len(dataset), -1, np.int64), np.full(len(dataset), np.nan, np.float32)
    if judge is not None:
        predictions = memo.predictions(judge)
        positions = dataset.positions(predictions.item_ids)
        guess[positions], confidence[positions] = predictions.predicted, predictions.confidence
    return guess, confidence


def issues(dataset: Dataset, search: Run | None) -> Floats:
    """(N,) how likely each label is wrong by the newest search, NaN without one."""
    found = np.full(len(dataset), np.nan, np.float32)
    if search is not None:
        issues = load_issues(search)
        np.fmax.at(found, issues.positions, issues.combined)  # an image may have several answers
    return found


def share_of_wrong(dataset: Dataset, labels: Ints, runs: Sequence[Run]) -> Floats:
    """(N,) the share of the runs that guess otherwise than the label; NaN where one knows no guess."""
    wrong = np.where(labels < 0, np.nan, 0).astype(np.float32)
    for run in runs:
        guess, _ = opinion(dataset, run)
        wrong += np.where(guess < 0, np.nan, (guess != labels) / len(runs))
    return wrong


def first_tags(workspace: Workspace, dataset: Dataset) -> tuple[tuple[str, ...], Ints]:
    """The tags' names, and (N,) the first of each image, -1 without one."""
    tags = tags_of(workspace, dataset)
    first = np.full(len(dataset), -1, np.int64)
    for number, ids in reversed([*enumerate(tags.values())]):
        first[np.isin(dataset.item_ids, ids)] = number
    return tuple(tags), first
