"""Which images to look at, and in which order, so that a person's minutes go where errors are likely."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.data.item_index import ItemIndex
from core.errors import BadInput, NotFound
from core.evaluation.predictions import Predictions
from core.labels.versions import FILLED_BY, LabelState
from core.quality.label_issues import LabelIssues
from core.quality.witnesses import answers_against, three_witnesses

MISCLASSIFIED = "misclassified"
LEAST_CONFIDENT = "least-confident"
BELOW_THRESHOLD = "below-threshold"
CELL = "cell"
SELECTION = "selection"
ISSUES = "issues"
WITNESSES = "witnesses"
UNSURE = "not-sure"
PROPOSED = "new-class"
FILLED = "fill"
ALL = "all"
KINDS = (
    ISSUES,
    WITNESSES,
    MISCLASSIFIED,
    LEAST_CONFIDENT,
    BELOW_THRESHOLD,
    CELL,
    SELECTION,
    UNSURE,
    PROPOSED,
    FILLED,
    ALL,
)
ANSWERS = ("yes", "no", "unknown")
NEED_A_RUN = frozenset({WITNESSES, MISCLASSIFIED, LEAST_CONFIDENT, BELOW_THRESHOLD, CELL})


@dataclass(frozen=True, slots=True)
class QueueRequest:
    """What to review.

    Attributes:
        kind: "misclassified": the guess is not the label, most confident first. "least-confident": least
            confident first. "below-threshold": confidence below ``threshold``, least first. "cell": one
            cell of the confusion matrix, most confident first. "selection": ``item_ids``, in their order.
            "issues": labels that are likely wrong, likeliest first. "witnesses": where the run and CLIP agree
            on another class than the label (with several, on another answer about one), on images that the
            run did not train on. "not-sure": where the last person to look could not tell. "new-class": for
            which somebody misses a class. "fill": what ``run`` has filled and no person has looked at since,
            least sure first. "all": every item, in the order of the data set.
        run: Id of the run whose guesses count, or of the search for label errors; None for none.
        clip: Of "witnesses", id of the zero-shot run.
        split: Name of a split; None for all. With a run, the part that each item played in it: a run
            holds validation images back from the training split.
        given: Index of the class that the label must be; None for any. Where an image has several labels:
            the class that is asked about.
        answer: Of ``given``, "yes", "no" or "unknown"; None for any. Only where an image has several labels.
        predicted: Index of the class that the guess must be; None for any.
        threshold: Confidence, 0 to 1.
        least, most: Of "issues", those with a score in this band, 0 to 1.
        item_ids: The selected items.
        seen_by, unseen_by: Only items that this person has, or has not, decided on (core.labels.reviewers).
    """

    kind: str
    run: str | None = None
    split: str | None = None
    given: int | None = None
    predicted: int | None = None
    threshold: float = 0.5
    least: float = 0.0
    most: float = 1.0
    item_ids: tuple[str, ...] = ()
    answer: str | None = None
    seen_by: str | None = None
    unseen_by: str | None = None
    clip: str | None = None

    def key(self) -> dict[str, object]:
        """For hashing and for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Queue:
    """n items to review, in order.

    Attributes:
        positions: (n,) int64, in the data set.
        guess: (n,) int64, the model's class; -1 without one, and where an image has several labels.
        confidence: (n,) float32, its probability; NaN without one. Where an image has several labels: how
            sure the model is of the answer that it is least sure of, 0.5 to 1.
        rows: (n,) int64, rows of ``predictions``; -1 without one.
        predictions: Of the run, or None.
    """

    positions: NDArray[np.int64]
    guess: NDArray[np.int64]
    confidence: NDArray[np.float32]
    rows: NDArray[np.int64]
    predictions: Predictions | None

    def __len__(self) -> int:
        return len(self.positions)

    def only(self, rows: NDArray[Any]) -> Queue:
        """Some of the items: a mask, or their indices in another order."""
        return Queue(
            self.positions[rows], self.guess[rows], self.confidence[rows], self.rows[rows], self.predictions
        )

    def top(self, index: int, k: int = 3) -> list[tuple[int, float]]:
        """The k most probable classes of the item at ``index`` of the queue; [] without a guess.

        Where an image has several labels: all of them, in the order of the classes.
        """
        row = int(self.rows[index])
        if self.predictions is None or row < 0:
            return []
        probabilities = self.predictions.pred_probs[row]
        if self.predictions.labels.ndim == 2:
            return [(k, float(one)) for k, one in enumerate(probabilities)]
        best = np.argsort(-probabilities, kind="stable")[:k]
        return [(int(one), float(probabilities[one])) for one in best]


def build_queue(
    dataset: Dataset,
    request: QueueRequest,
    state: LabelState,
    predictions: Predictions | None = None,
    *,
    issues: LabelIssues | None = None,
    clip: Predictions | None = None,
    skip_reviewed: bool = False,
    seen: NDArray[np.bool_] | None = None,
    unseen: NDArray[np.bool_] | None = None,
) -> Queue:
    """The items of ``request``, in order.

    Labels are those that the run was trained on, so that reviewing an item does not move the others;
    without a run they are those of ``state``.

    Args:
        state: The newest labels: what has been reviewed.
        predictions: Of ``request.run``; items that the run does not know have no guess.
        issues: Of ``request.run``, for the kind "issues": their suggestions are the guesses.
        clip: Of ``request.clip``, for the kind "witnesses"; see core.embeddings.zero_shot.answers_of.
        skip_reviewed: Leave out what somebody decided about already.
        seen, unseen: (N,) bool, what ``request.seen_by``, and ``request.unseen_by``, decided on.

    Raises:
        BadInput: No such kind, split or class.
        NotFound: The kind needs a run's predictions and there are none.
    """
    _check(dataset, request, predictions, issues)
    if request.kind == WITNESSES and clip is None:
        raise NotFound("CLIP has not answered for these images.", "Ask it on the Zero-shot page first.")
    if dataset.task is Task.MULTI_LABEL:
        queue = _of_answers(dataset, request, state, predictions, issues, clip)
    else:
        queue = _of_labels(dataset, request, state, predictions, issues, clip)
    keep = np.ones(len(queue), bool)
    if skip_reviewed and request.kind not in (UNSURE, PROPOSED):
        keep &= ~reviewed(dataset, request, state)[queue.positions]
    if seen is not None:
        keep &= seen[queue.positions]
    if unseen is not None:
        keep &= ~unseen[queue.positions]
    return queue if keep.all() else queue.only(keep)


def reviewed(dataset: Dataset, request: QueueRequest, state: LabelState) -> NDArray[np.bool_]:
    """(N,) bool, what a person has decided on; where one class is asked about, on that class."""
    if request.kind == FILLED:
        return np.asarray(~open_fillings(state, request).any(axis=1))
    if dataset.task is Task.MULTI_LABEL and request.given is not None:
        return state.reviewed_for(request.given)
    return state.reviewed


def open_fillings(state: LabelState, request: QueueRequest) -> NDArray[np.bool_]:
    """(N, K) bool, what the run of ``request`` has filled and no person has decided on since."""
    if state.filled is None:
        return np.zeros((len(state.edited), 1), bool)
    found = np.isin(state.filled, fillings_by(state, request.run))
    if request.given is not None:
        found &= np.arange(found.shape[1]) == request.given
    return np.asarray(found)


def fillings_by(state: LabelState, run: str | None) -> list[int]:
    """Which of ``state.fillings`` the run of this id made; of any run for None."""
    prefix = f"{FILLED_BY}{run or ''}"
    return [number for number, session in enumerate(state.fillings) if session.startswith(prefix)]


def _of_labels(
    dataset: Dataset,
    request: QueueRequest,
    state: LabelState,
    predictions: Predictions | None,
    issues: LabelIssues | None,
    clip: Predictions | None,
) -> Queue:
    """Of data with one label an image."""
    n = len(dataset)
    rows = _rows(dataset, predictions)
    guess = np.full(n, -1, np.int64)
    confidence = np.full(n, np.nan, np.float32)
    part = np.array(SPLITS)[dataset.split]
    labels: NDArray[Any] = state.labels
    if predictions is not None:
        known = rows >= 0
        guess[known] = predictions.predicted[rows[known]]
        confidence[known] = predictions.confidence[rows[known]]
        labels = np.array(labels)
        labels[known] = predictions.labels[rows[known]]
        part[known] = predictions.split[rows[known]]

    positions = _candidates(dataset, request, state)
    if request.kind == ISSUES and issues is not None:
        positions = issues.positions[(issues.combined >= request.least) & (issues.combined <= request.most)]
        guess[issues.positions] = issues.suggested
        confidence[issues.positions] = issues.pred_probs[np.arange(len(issues)), issues.suggested]
    if request.kind == WITNESSES and predictions is not None and clip is not None:
        seen = three_witnesses(predictions.take(np.flatnonzero(predictions.split != "train")), clip)
        positions = dataset.positions(seen.item_ids[seen.suspects])
    keep = np.ones(len(positions), bool)
    if request.split is not None:
        keep &= part[positions] == request.split
    if request.given is not None:
        keep &= labels[positions] == request.given
    if request.predicted is not None:
        keep &= guess[positions] == request.predicted
    if request.kind in NEED_A_RUN:
        keep &= guess[positions] >= 0
    if request.kind == MISCLASSIFIED:
        keep &= (guess[positions] != labels[positions]) & (labels[positions] != UNLABELLED)
    if request.kind == BELOW_THRESHOLD:
        keep &= confidence[positions] < request.threshold
    positions = positions[keep]
    if request.kind in (MISCLASSIFIED, CELL):
        positions = positions[np.argsort(-confidence[positions], kind="stable")]
    elif request.kind in (LEAST_CONFIDENT, BELOW_THRESHOLD):
        positions = positions[np.argsort(confidence[positions], kind="stable")]
    return Queue(positions, guess[positions], confidence[positions], rows[positions], predictions)


def _of_answers(
    dataset: Dataset,
    request: QueueRequest,
    state: LabelState,
    predictions: Predictions | None,
    issues: LabelIssues | None,
    clip: Predictions | None,
) -> Queue:
    """Of data with several labels an image: all its labels count, or the one that is asked about."""
    n = len(dataset)
    rows = _rows(dataset, predictions)
    known = rows >= 0
    part = np.array(SPLITS)[dataset.split]
    asked = slice(None) if request.given is None else slice(request.given, request.given + 1)
    labels = np.array(state.labels, np.float32)
    yes = np.full(labels.shape, np.nan, np.float32)
    if predictions is not None:
        yes[known] = predictions.pred_probs[rows[known]]
        if request.kind != FILLED:  # there what was filled counts, which was not known to the model
            labels[known] = predictions.labels[rows[known]]
        part[known] = predictions.split[rows[known]]
    labels, yes = labels[:, asked], yes[:, asked]
    sure = np.full(n, np.nan, np.float32)
    sure[known] = np.maximum(yes[known], 1 - yes[known]).min(axis=1)
    with np.errstate(invalid="ignore"):
        against = np.where(np.isnan(labels), 0.0, np.abs(labels - yes))  # how far the model is from the label

    positions = _candidates(dataset, request, state)
    if request.kind == ISSUES and issues is not None:
        positions = _doubted(issues, request)
    if request.kind == WITNESSES and clip is not None:
        held_out = np.flatnonzero(known & (part != "train"))
        positions = held_out[
            _both_against(labels[held_out], yes[held_out], _said_by(clip, dataset, held_out)[:, asked])
        ]
    if request.kind == FILLED:
        filled = open_fillings(state, request)
        sure[known] = (
            _least_sure(predictions, rows[known], filled[known]) if predictions is not None else np.nan
        )
    keep = np.ones(len(positions), bool)
    if request.split is not None:
        keep &= part[positions] == request.split
    if request.answer is not None:
        keep &= _answered(labels[positions], request.answer)
    if request.kind in NEED_A_RUN:
        keep &= known[positions]
    if request.kind in (MISCLASSIFIED, CELL):
        keep &= against[positions].max(axis=1) > 0.5
    if request.kind == BELOW_THRESHOLD:
        keep &= sure[positions] < request.threshold
    positions = positions[keep]
    if request.kind in (MISCLASSIFIED, CELL):
        positions = positions[np.argsort(-against[positions].max(axis=1), kind="stable")]
    elif request.kind in (LEAST_CONFIDENT, BELOW_THRESHOLD, FILLED):
        positions = positions[np.argsort(sure[positions], kind="stable")]
    nothing = np.full(len(positions), -1, np.int64)
    return Queue(positions, nothing, sure[positions], rows[positions], predictions)


def _said_by(clip: Predictions, dataset: Dataset, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, K) CLIP's yes (1) and no (0) for the images at ``positions``; NaN for those it was not asked."""
    rows = ItemIndex(clip.item_ids).find(dataset.item_ids[positions])
    columns = [clip.classes.index(name) for name in dataset.classes]
    return np.where(rows[:, None] >= 0, clip.pred_probs[rows][:, columns], np.nan).astype(np.float32)


def _both_against(
    labels: NDArray[np.float32], model: NDArray[np.float32], clip: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Rows of the images with an answer that both speak against, by the one the model is surest of."""
    asked = np.where(np.isnan(clip), np.nan, labels)
    rows, _ = answers_against(asked, model, clip, np.full(labels.shape[1], 0.5, np.float32))
    return np.array(list(dict.fromkeys(rows.tolist())), np.int64)


def _least_sure(
    predictions: Predictions, rows: NDArray[np.int64], filled: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(n,) how sure the model is of that filled answer of an image that it is least sure of."""
    yes = predictions.pred_probs[rows]
    return np.asarray(np.where(filled, np.maximum(yes, 1 - yes), 1.0).min(axis=1), np.float32)


def _doubted(issues: LabelIssues, request: QueueRequest) -> NDArray[np.int64]:
    """Positions of the images with an answer in the band of scores, by the likeliest wrong of them."""
    rows = (issues.combined >= request.least) & (issues.combined <= request.most)
    if request.given is not None and issues.about is not None:
        rows &= issues.about == request.given
    positions, first = np.unique(issues.positions[rows], return_index=True)
    return positions[np.argsort(first)]


def _answered(labels: NDArray[np.float32], answer: str) -> NDArray[np.bool_]:
    """(n,) whether any of the labels has the answer."""
    if answer == "unknown":
        return np.asarray(np.isnan(labels).any(axis=1))
    return np.asarray((labels == (answer == "yes")).any(axis=1))


def _candidates(dataset: Dataset, request: QueueRequest, state: LabelState) -> NDArray[np.int64]:
    """Positions of the items that the kind of queue is about, before any filter."""
    if request.kind == SELECTION:
        return dataset.positions(request.item_ids)
    if request.kind == UNSURE:
        return np.array(state.unsure, np.int64)
    if request.kind == PROPOSED:
        return np.array(list(state.proposed), np.int64)
    if request.kind == FILLED:
        return np.flatnonzero(open_fillings(state, request).any(axis=1))
    return np.arange(len(dataset))


def _check(
    dataset: Dataset, request: QueueRequest, predictions: Predictions | None, issues: LabelIssues | None
) -> None:
    if request.kind not in KINDS:
        raise BadInput(f"There is no queue {request.kind!r}.", f"Choose one of {', '.join(KINDS)}.")
    if request.split is not None and request.split not in SPLITS:
        raise BadInput(f"There is no split {request.split!r}.", f"Choose one of {', '.join(SPLITS)}.")
    if request.answer is not None and request.answer not in ANSWERS:
        raise BadInput(f"There is no answer {request.answer!r}.", f"Choose one of {', '.join(ANSWERS)}.")
    for index in (request.given, request.predicted):
        if index is not None and not 0 <= index < len(dataset.classes):
            raise BadInput(f"There is no class number {index} in {dataset.name}.")
    if request.kind == ISSUES and issues is None:
        raise NotFound("Nobody has looked for label errors yet.", "Search on the Issues page first.")
    if request.kind in NEED_A_RUN and predictions is None:
        raise NotFound(f"The queue {request.kind!r} needs a model's guesses.", "Train a model first.")


def _rows(dataset: Dataset, predictions: Predictions | None) -> NDArray[np.int64]:
    """(N,) row of each item in the predictions, joined by item id; -1 where it is not there."""
    rows = np.full(len(dataset), -1, np.int64)
    if predictions is None or not len(predictions):
        return rows
    if tuple(predictions.classes) != tuple(dataset.classes):
        raise BadInput("The model knows other classes than the data set.", "Choose another run.")
    if predictions.fingerprint == dataset.fingerprint:
        rows[dataset.positions(predictions.item_ids)] = np.arange(len(predictions))
        return rows
    order = np.argsort(predictions.item_ids)
    found = np.searchsorted(predictions.item_ids, dataset.item_ids, sorter=order).clip(0, len(order) - 1)
    same = predictions.item_ids[order[found]] == dataset.item_ids
    rows[same] = order[found[same]]
    return rows
