"""What belongs to a run, read together: its predictions, and the labels to score them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.data.item_index import ItemIndex
from core.errors import BadInput, NotFound
from core.evaluation.class_order import in_our_classes, places_of
from core.evaluation.compare import Comparison, compare, same_answers
from core.evaluation.predictions import Predictions, load_predictions
from core.evaluation.thresholds import load_thresholds
from core.files import digest
from core.labels.guard import guarded_labels
from core.labels.versions import labels_at
from core.runs.store import Run
from core.workspace import Workspace


@dataclass(frozen=True, eq=False)
class LabelSet:
    """One set of right answers for all items of a data set.

    Attributes:
        key: "given" (as imported), "corrected" (with the edits so far; in the test split only with those that
            count, see core.labels.guard) or "suggested" (with the others too).
        version: The label version; 0 for the given labels.
        labels: (N,) int64, -1 unlabelled; items that a person has excluded count as unlabelled. Where an item
            may have several labels: (N, K) float32, NaN unknown.
    """

    key: str
    version: int
    labels: NDArray[Any]

    @cached_property
    def cache_key(self) -> tuple[str, int, str]:
        """What a result on these answers depends on: their content."""
        return self.key, self.version, digest(self.labels)


def predictions_of(run: Run) -> Predictions:
    """The predictions of a finished run. Raises NotFound or DamagedFile."""
    if not run.predictions_file.exists():
        raise NotFound(f"Run {run.name!r} has no predictions yet.", "Let it finish, or resume it.")
    return load_predictions(run.predictions_file)


def label_sets(workspace: Workspace, dataset: Dataset) -> tuple[LabelSet, ...]:
    """The given labels and, where there are edits, the corrected ones.

    Where a model suggested corrections of test labels that nobody has confirmed blind, they make a third set.
    """
    given = LabelSet("given", 0, as_answers(np.asarray(dataset.labels)))
    newest = labels_at(workspace, dataset)
    if newest.version == 0:
        return (given,)
    guarded = guarded_labels(workspace, dataset, newest)
    corrected = LabelSet("corrected", newest.version, as_answers(guarded.counted))
    if not guarded.fixes.n_unreviewed:
        return given, corrected
    return given, corrected, LabelSet("suggested", newest.version, as_answers(guarded.suggested))


def as_answers(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels in memory: int64 where an item has one, float32 where it may have several."""
    return np.asarray(labels, np.int64 if labels.ndim == 1 else np.float32)


def scored_on(predictions: Predictions, dataset: Dataset, labels: LabelSet) -> Predictions:
    """The same predictions with other right answers, joined by item id; their classes meet by name.

    A label of a class that the run does not know counts as unlabeled.

    Raises:
        NotFound: An item is not in the data set; it may have been replaced.
    """
    positions = dataset.positions(predictions.item_ids)
    answers = _in_classes_of(predictions, dataset, labels.labels[positions])
    return replace(predictions, labels=answers, label_version=labels.version)


def _in_classes_of(predictions: Predictions, dataset: Dataset, labels: NDArray[Any]) -> NDArray[Any]:
    places = places_of(dataset.classes, predictions.classes)
    return in_our_classes(labels, places, len(predictions.classes))


def on_edited_labels(
    workspace: Workspace, dataset: Dataset, predictions: Predictions
) -> dict[str, Predictions]:
    """The predictions with edited labels as right answers, by the sets of ``label_sets`` that differ there.

    Args:
        predictions: Of items of ``dataset``; a model of the same classes in another order may have made them.

    Raises:
        NotFound: An item is not in the data set.
    """
    found: dict[str, Predictions] = {}
    before = predictions
    for labels in label_sets(workspace, dataset)[1:]:
        answers = scored_on(predictions, dataset, labels)
        if not np.array_equal(answers.labels, before.labels, equal_nan=predictions.has_many_labels):
            found[labels.key] = before = answers
    return found


def compare_runs(
    workspace: Workspace,
    run_a: Run,
    run_b: Run,
    split: str = "test",
    *,
    tuned: bool = False,
    groups: NDArray[Any] | None = None,
    on_share: Callable[[float], None] = lambda share: None,
) -> list[Comparison]:
    """Compare two runs on each set of labels that differs there from the others: see ``label_sets``.

    The given labels come first: corrections are often found by looking at one run's mistakes, and then
    favor it.

    Args:
        tuned: At each run's own thresholds, instead of one half for all labels.
        groups: (N,) which items of the data set of ``run_a`` belong together.
        on_share: Called with the share that is done.

    Raises:
        NotFound, DamagedFile: A run has no predictions, or the data set is gone.
        BadInput: The runs have no labelled items of this split in common, or other kinds of labels.
    """
    a, b = predictions_of(run_a), predictions_of(run_b)
    if a.has_many_labels != b.has_many_labels:
        raise BadInput(
            "One of the runs has one label an image, the other several.",
            "Compare two runs of the same data set.",
        )
    dataset = open_dataset(workspace, run_a.dataset)
    if b.fingerprint != a.fingerprint:
        check_same_images(dataset, open_dataset(workspace, run_b.dataset), a, b)
    cuts = tuple(_cut(run, len(one.classes), tuned=tuned) for run, one in ((run_a, a), (run_b, b)))
    found: list[Comparison] = []
    sets = label_sets(workspace, dataset)
    for done, labels in enumerate(sets):
        comparison = compare(
            a,
            b,
            dataset.item_ids,
            _in_classes_of(a, dataset, labels.labels),
            split,
            thresholds=(cuts[0], cuts[1]),
            names=(run_a.name, run_b.name),
            label_set=labels.key,
            groups=groups,
            on_share=_in_part(on_share, done, len(sets)),
        )
        if not any(same_answers(other, comparison) for other in found):
            found.append(comparison)
    return found


def _in_part(on_share: Callable[[float], None], done: int, n: int) -> Callable[[float], None]:
    return lambda share: on_share((done + share) / n)


def _cut(run: Run, n_labels: int, *, tuned: bool) -> NDArray[Any] | float:
    return np.asarray(load_thresholds(run.folder, n_labels).values) if tuned else 0.5


def check_same_images(one: Dataset, other: Dataset, a: Predictions, b: Predictions) -> None:
    """Two data sets may be compared on the ids they share only if those are the same pixels."""
    shared = a.item_ids[ItemIndex(b.item_ids).find(a.item_ids) >= 0]
    here = one.content_hashes[one.positions(shared)]
    there = other.content_hashes[other.positions(shared)]
    differing = np.flatnonzero((np.asarray(here) != np.asarray(there)).any(axis=1))
    if len(differing):
        raise BadInput(
            f"{len(differing):,} of {len(shared):,} items have another image in {other.name!r} than in "
            f"{one.name!r}, such as {str(shared[differing[0]])!r}.",
            "Compare two runs of the same data set.",
        )
