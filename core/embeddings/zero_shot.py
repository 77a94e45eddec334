"""Classes from words alone: CLIP's answer for every image, and how good it is.

Single-label answers are a softmax over the classes; where images may have several labels, each class has a
threshold of its own on the cosine, tuned on validation images. A result is a run of kind "zero-shot", whose
predictions are read like those of any model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, UNLABELLED, Dataset, Task
from core.data.splits import stratified_split
from core.embeddings.clip_models import ClipModel, model_of
from core.embeddings.prompts import PromptSet, prompts_of
from core.errors import BadInput, DamagedFile
from core.evaluation.metrics import scores
from core.evaluation.of_run import predictions_of
from core.evaluation.paired import tango_interval
from core.evaluation.predictions import Predictions
from core.files import Json, read_array, read_json
from core.labels.versions import current_version
from core.runs.store import Run, create_run, list_runs
from core.workspace import Workspace

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
KIND = "zero-shot"
SCORES, THRESHOLDS = "scores.npy", "thresholds.json"
MOST_VALIDATION = 1_000


@dataclass(frozen=True)
class ZeroShotRequest:
    """Every choice that makes a zero-shot result.

    Attributes:
        splits: Which images are answered for; validation images are added where there are thresholds to tune.
    """

    model: ClipModel
    prompts: PromptSet
    splits: tuple[str, ...] = ("test",)

    def to_json(self) -> Json:
        """For run.json."""
        return {
            "model": self.model.to_json(),
            "prompts": self.prompts.to_json(),
            "splits": list(self.splits),
        }


def create_zero_shot(
    workspace: Workspace, dataset: Dataset, request: ZeroShotRequest, *, name: str | None = None
) -> Run:
    """Make a run that answers from words; core.runs.launch starts it.

    Raises:
        BadInput: A split that the data set does not have.
        NameTaken, StorageFailed: As for any run.
    """
    for split in request.splits:
        if split not in dataset.splits:
            raise BadInput(
                f"{dataset.name!r} has no {split!r} split.", f"Choose one of {', '.join(dataset.splits)}."
            )
    version = current_version(workspace, dataset.name)
    return create_run(
        workspace, dataset, None, name=name, kind=KIND, label_version=version, job=request.to_json()
    )


def request_of(run: Run) -> ZeroShotRequest:
    """What was asked for. Raises DamagedFile."""
    try:
        prompts = run.job["prompts"]
        return ZeroShotRequest(
            model_of(run.job["model"]),
            prompts_of(prompts, tuple(prompts["classes"]), run.dataset),
            tuple(run.job["splits"]),
        )
    except (KeyError, TypeError, BadInput) as error:
        raise DamagedFile(
            f"run.json of {run.name!r} asks for no zero-shot ({error}).", "Ask again."
        ) from error


def zero_shot_runs(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """The zero-shot runs on the data set as it is now, newest first."""
    runs = list_runs(workspace, dataset=dataset.name, kind=KIND)
    return [run for run in runs if run.fingerprint == dataset.fingerprint]


def answers_of(run: Run) -> Predictions:
    """What a finished zero-shot run says, to set it against a trained run.

    Returns:
        Its predictions; where images have several labels, with 1 for a class whose cosine reaches the
        threshold that was tuned on validation images, and 0 below.

    Raises:
        NotFound, DamagedFile: It has not finished, or a file cannot be read.
    """
    found = predictions_of(run)
    figures = read_json(run.folder / THRESHOLDS)["figures"]
    cuts = [row.get("threshold") for row in next(iter(figures.values()))["classes"]] if figures else []
    if not cuts or None in cuts:
        return found
    scores = read_array(run.folder / SCORES)
    if scores.shape != found.pred_probs.shape or len(cuts) != scores.shape[1]:
        raise DamagedFile(f"{run.folder / SCORES} does not fit the run's predictions.", "Run it again.")
    yes = np.asarray(scores >= np.array(cuts, np.float32), np.float32)
    return replace(found, labels=np.full(yes.shape, np.nan, np.float32), pred_probs=yes)


def validation_positions(dataset: Dataset) -> Ints:
    """Images to tune on: the validation split, else at most a thousand drawn from the training split."""
    if "val" in dataset.splits:
        return dataset.in_split("val")
    train = dataset.in_split("train")
    if len(train) <= MOST_VALIDATION:
        return train
    drawn = stratified_split(np.asarray(dataset.labels)[train], MOST_VALIDATION / len(train), seed=0)
    return np.asarray(train[drawn], np.int64)


def single_labels(dataset: Dataset, labels: NDArray[Any]) -> Ints:
    """(N,) the class of each image that has exactly one; -1 for all others.

    Args:
        labels: Like Dataset.labels: (N,) class indices, or (N, K) with 1, 0 and NaN.
    """
    if dataset.task is Task.SINGLE_LABEL:
        return np.asarray(labels, np.int64)
    values = np.asarray(labels)
    one = (values == 1).sum(axis=1) == 1
    return np.where(one, (values == 1).argmax(axis=1), UNLABELLED).astype(np.int64)


def marks(dataset: Dataset, labels: NDArray[Any]) -> Floats:
    """(N, K) 1, 0 or NaN: whether each image has each class."""
    if dataset.task is Task.MULTI_LABEL:
        return np.asarray(labels, np.float32)
    values = np.asarray(labels)
    out = np.asarray(values[:, None] == np.arange(len(dataset.classes)), np.float32)
    out[values == UNLABELLED] = np.nan
    return out


def cosines(images: Floats, classes: Floats) -> Floats:
    """(n, K) similarity of images and classes, both unit vectors."""
    return np.asarray(images @ classes.T, np.float32)


def softmax(similarity: NDArray[Any], logit_scale: float) -> Floats:
    """(n, K) probabilities, rows summing to one."""
    logits = np.asarray(similarity, np.float64) * logit_scale
    logits -= logits.max(axis=1, keepdims=True)
    values = np.exp(logits)
    return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)


def average_precision(given: NDArray[Any], score: NDArray[Any]) -> float:
    """Area under precision and recall, in steps; NaN without positives. Unknown (NaN) images are left out.

    Of equal scores all count at once, as in scikit-learn's ``average_precision_score``.
    """
    known = ~np.isnan(given)
    positive, score = given[known] == 1, score[known]
    if not positive.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits, values = positive[order].cumsum(), score[order]
    last = np.r_[np.flatnonzero(np.diff(values)), len(values) - 1]
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def mean_average_precision(given: Floats, score: Floats) -> float:
    """Mean over the classes that occur; NaN without any."""
    found = [average_precision(given[:, k], score[:, k]) for k in range(given.shape[1])]
    known = [value for value in found if value == value]
    return float(np.mean(known)) if known else float("nan")


def best_thresholds(given: Floats, score: Floats) -> Floats:
    """(K,) the cosine from which each class counts as present, with the best F1 on these images.

    A class that does not occur gets a threshold above all scores.
    """
    out = np.full(given.shape[1], 2.0, np.float32)
    for k in range(given.shape[1]):
        known = ~np.isnan(given[:, k])
        positive, values = given[known, k] == 1, score[known, k]
        if not positive.any():
            continue
        order = np.argsort(-values, kind="stable")
        hits = positive[order].cumsum()
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + positive.sum())
        last = int(f1.argmax())
        below = values[order[last + 1]] if last + 1 < len(order) else values[order[last]] - 1e-3
        out[k] = (values[order[last]] + below) / 2
    return out


def figures(
    given_one: Ints,
    given_marks: Floats,
    similarity: Floats,
    thresholds: Floats | None,
    classes: tuple[str, ...],
) -> Json:
    """All there is to say of answers for n images.

    Args:
        given_one: (n,) the class where there is exactly one, else -1.
        given_marks: (n, K) 1, 0, NaN.
        similarity: (n, K) cosines.
        thresholds: (K,) for images with several labels; None where there are none.

    Returns:
        n, n_single (images with exactly one label), accuracy, balanced_accuracy and macro_f1 (of those), map
        (mean average precision of all, by cosine), confusion, and by class support, recall, precision, f1,
        average_precision; with thresholds also micro_f1, macro_f1_marks and each class's f1_marks.
    """
    n_classes = len(classes)
    result = scores(given_one, np.asarray(similarity.argmax(axis=1), np.int64), n_classes)
    precision_of = [average_precision(given_marks[:, k], similarity[:, k]) for k in range(n_classes)]
    value: Json = {
        "n": len(given_one),
        "n_single": result.n,
        "accuracy": _number(result.accuracy),
        "balanced_accuracy": _number(result.balanced_accuracy),
        "macro_f1": _number(result.macro_f1),
        "map": _number(mean_average_precision(given_marks, similarity)),
        "confusion": result.confusion.tolist(),
        "classes": [
            {
                "name": name,
                "support": int(result.support[k]),
                "recall": float(result.recall[k]),
                "precision": float(result.precision[k]),
                "f1": float(result.f1[k]),
                "average_precision": _number(precision_of[k]),
            }
            for k, name in enumerate(classes)
        ],
    }
    if thresholds is not None:
        value |= _with_thresholds(given_marks, similarity, thresholds, value["classes"])
    return value


def _with_thresholds(given: Floats, similarity: Floats, thresholds: Floats, rows: list[Json]) -> Json:
    known = ~np.isnan(given)
    yes, said = (given == 1) & known, (similarity >= thresholds) & known
    hits, n_yes, n_said = (yes & said).sum(axis=0), yes.sum(axis=0), said.sum(axis=0)
    f1 = 2 * hits / np.maximum(n_yes + n_said, 1)
    for k, row in enumerate(rows):
        row |= {"n_marked": int(n_yes[k]), "f1_marks": float(f1[k]), "threshold": float(thresholds[k])}
    return {
        "micro_f1": float(2 * hits.sum() / max(int((n_yes + n_said).sum()), 1)),
        "macro_f1_marks": float(f1[n_yes > 0].mean()) if (n_yes > 0).any() else None,
    }


def _number(value: float) -> float | None:
    return None if value != value else float(value)


@dataclass(frozen=True)
class Change:
    """What another set of prompts does to one class.

    Attributes:
        support: Images of the class.
        before, after: Share of them found.
        low, high: 95 % interval of the difference (Tango's, for paired shares).
    """

    name: str
    support: int
    before: float
    after: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """After less before."""
        return self.after - self.before

    @property
    def is_sure(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def changes(given: Ints, before: Ints, after: Ints, classes: tuple[str, ...]) -> list[Change]:
    """The change of every class between two sets of answers for the same images.

    Args:
        given, before, after: (n,) class indices; given -1 is left out.
    """
    found = []
    for k, name in enumerate(classes):
        of_class = given == k
        was, now = (before == k)[of_class], (after == k)[of_class]
        n = int(of_class.sum())
        if not n:
            found.append(Change(name, 0, float("nan"), float("nan"), float("nan"), float("nan")))
            continue
        low, high = tango_interval(int((was & ~now).sum()), int((now & ~was).sum()), n)
        found.append(Change(name, n, float(was.mean()), float(now.mean()), low, high))
    return found


def precision_change(
    given: Floats, before: Floats, after: Floats, *, n_draws: int = 300, seed: int = 0
) -> tuple[float, float, float]:
    """What other prompts do to the average precision of one class, with a 95 % interval.

    The interval is of the paired bootstrap: images are drawn with replacement, and both are scored on them.

    Args:
        given: (n,) 1, 0, NaN.
        before, after: (n,) cosines.

    Returns:
        (difference, low, high); NaN for a class that does not occur.
    """
    difference = average_precision(given, after) - average_precision(given, before)
    if difference == 0 or difference != difference:
        return difference, difference, difference
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(given), size=(n_draws, len(given)))
    found = [average_precision(given[d], after[d]) - average_precision(given[d], before[d]) for d in draws]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return difference, float(low), float(high)


def split_names(dataset: Dataset, positions: Ints, tuned_on: Ints) -> NDArray[np.str_]:
    """(n,) the part that each image plays: "val" for those that thresholds were tuned on."""
    parts = np.array(SPLITS)[np.asarray(dataset.split)[positions]]
    return np.where(np.isin(positions, tuned_on), "val", parts)
