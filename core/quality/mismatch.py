"""Captions that disagree with the labels, or with the picture: what a person should look at first.

Against labels: for every label, a logistic regression on the words and pairs of words of the captions, fitted
crosswise, so that each caption is judged by a model that saw neither it nor its copies' labels in its fold.
An image's score is how far its most surprising label is from what its caption says. Against pictures: the
cosine of the CLIP vectors of caption and picture, lowest first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.captions import words_of
from core.data.dataset import Dataset, Task
from core.data.labels import Labels
from core.data.splits import multilabel_folds
from core.errors import BadInput, NotFound
from core.files import Json, read_arrays, write_json
from core.runs.store import Run, create_run
from core.workspace import Workspace

KIND = "mismatch"
BY_LABELS, BY_PICTURE = "labels", "picture"
N_FOLDS = 5
STRENGTH = 10.0
MOST_WORDS = 16  # of a caption, for CLIP: its context is short
FILE = "mismatch.npz"
_ARRAYS = ("positions", "scores", "label", "given", "said")

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Mismatches:
    """n images in the order in which they should be looked at.

    Attributes:
        by: "labels" or "picture".
        positions: (n,) int64, in the data set.
        scores: (n,) float32. By labels: how far the caption's word on ``label`` is from what it is, 0 to 1.
            By picture: minus the cosine of both.
        label: (n,) int64, the label that is in question; -1 by picture.
        given: (n,) float32, 1 or 0: what it is; NaN by picture.
        said: (n,) float32, how likely it is by the caption; the cosine by picture.
    """

    by: str
    positions: NDArray[np.int64]
    scores: Floats
    label: NDArray[np.int64]
    given: Floats
    said: Floats

    def __len__(self) -> int:
        return len(self.positions)

    def reason(self, classes: Sequence[str], row: int) -> str:
        """In words, why the image is in the list."""
        if self.by == BY_PICTURE:
            return f"caption and picture {self.said[row]:.2f} alike"
        name, said = classes[self.label[row]], self.said[row]
        if self.given[row] == 1:
            return f"has {name}, the caption makes it {100 * said:.0f} % likely"
        return f"lacks {name}, the caption makes it {100 * said:.0f} % likely"


def create_mismatch(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Any,
    *,
    by: str,
    model: Json | None = None,
    label_version: int = 0,
    name: str | None = None,
) -> Run:
    """The folder of a run that looks for them; ``core.runs.launch.start`` sets it going.

    Args:
        by: "labels" or "picture".
        model: Which CLIP model, as zero-shot runs keep it; needed by picture.

    Raises:
        BadInput: There are no captions, or no such way to look.
    """
    if dataset.captions is None:
        raise BadInput(f"Data set {dataset.name!r} has no captions.", "Import a table with a caption column.")
    if by not in (BY_LABELS, BY_PICTURE):
        raise BadInput(f"Captions cannot be set against {by!r}.", "Choose labels or picture.")
    if by == BY_PICTURE and model is None:
        raise BadInput("To set captions against pictures a CLIP model is needed.", "Name one with --model.")
    job = {"by": by, "model": model}
    return create_run(workspace, dataset, recipe, name=name, kind=KIND, label_version=label_version, job=job)


def against_labels(
    captions: Sequence[str],
    labels: Labels,
    on_share: Callable[[float], None] = lambda share: None,
    seed: int = 0,
) -> Mismatches:
    """Images whose captions speak against their labels.

    Args:
        captions: N; those without a word say nothing and are left out.
        labels: N; of one class an image each class counts as a label.
        on_share: Told how much is done, 0 to 1.
    """
    answers = np.where(labels.yes, 1, np.where(labels.no, 0, np.nan)).astype(np.float32)
    worded = np.array([bool(words_of(one)) for one in captions], bool)
    rows = np.flatnonzero(worded & ~np.isnan(answers).all(axis=1))
    said = _said_crosswise([captions[row] for row in rows.tolist()], answers[rows], on_share, seed)
    with np.errstate(invalid="ignore"):
        gaps = np.nan_to_num(np.abs(said - answers[rows]), nan=0.0)
    if not gaps.size:
        return _mismatches(BY_LABELS, rows, *(np.zeros(0, np.float32) for _ in range(4)))
    label = gaps.argmax(axis=1)
    at = np.arange(len(rows))
    return _mismatches(
        BY_LABELS, rows, gaps[at, label], label, answers[rows[at], label], np.asarray(said)[at, label]
    )


def _said_crosswise(
    captions: list[str], answers: Floats, on_share: Callable[[float], None], seed: int
) -> NDArray[np.float64]:
    """(n, K) how likely each label is by the words of the caption; NaN where a fold cannot tell."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectors = TfidfVectorizer(
        tokenizer=words_of,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=2,
    )
    said = np.full(answers.shape, np.nan)
    try:
        features = vectors.fit_transform(captions)  # no label goes into it
    except ValueError:  # no word occurs in two captions
        return said
    folds = multilabel_folds(answers, N_FOLDS, seed)
    for fold in range(N_FOLDS):
        held = folds == fold
        for k in range(answers.shape[1]):
            learnt = ~held & ~np.isnan(answers[:, k])
            if held.any() and len(np.unique(answers[learnt, k])) == 2:
                model = LogisticRegression(C=STRENGTH, max_iter=200, solver="liblinear")
                model.fit(features[learnt], answers[learnt, k])
                said[held, k] = model.predict_proba(features[held])[:, 1]
            on_share((fold + (k + 1) / answers.shape[1]) / N_FOLDS)
    return said


def against_pictures(positions: NDArray[np.int64], pictures: Floats, texts: Floats) -> Mismatches:
    """Images whose captions do not fit what is seen.

    Args:
        positions: (n,) of the images.
        pictures, texts: (n, D) unit vectors of image and caption.
    """
    cosine = np.einsum("nd,nd->n", pictures, texts)
    nothing = np.full(len(positions), -1)
    return _mismatches(BY_PICTURE, positions, -cosine, nothing, np.full(len(positions), np.nan), cosine)


def shortened(caption: str) -> str:
    """As much of a caption as CLIP can take."""
    return " ".join(caption.split()[:MOST_WORDS])


def _mismatches(
    by: str,
    positions: NDArray[np.int64],
    scores: NDArray[Any],
    label: NDArray[Any],
    given: NDArray[Any],
    said: NDArray[Any],
) -> Mismatches:
    order = np.argsort(-scores, kind="stable")
    return Mismatches(
        by,
        positions[order],
        scores[order].astype(np.float32),
        label[order].astype(np.int64),
        given[order].astype(np.float32),
        said[order].astype(np.float32),
    )


def save_mismatches(run: Run, found: Mismatches) -> None:
    """Keep them with the run. Raises StorageFailed."""
    from core.files import atomic_writer

    arrays = {name: getattr(found, name) for name in _ARRAYS}
    with atomic_writer(run.folder / FILE) as file:
        np.savez(file, **arrays)
    write_json(run.folder / "mismatch.json", {"by": found.by, "n": len(found)})


def load_mismatches(run: Run) -> Mismatches:
    """What ``save_mismatches`` kept. Raises NotFound or DamagedFile."""
    path = run.folder / FILE
    if not path.exists():
        raise NotFound(f"Run {run.name!r} has found nothing yet.", "Let it finish, or resume it.")
    arrays = read_arrays(path, _ARRAYS, mend="Look again.")
    return Mismatches(str(run.job.get("by", "")), **arrays)


def as_rows(dataset: Dataset, found: Mismatches, top: int) -> list[Json]:
    """The first ``top`` for people and JSON: id, caption, labels, reason, score."""
    assert dataset.captions is not None
    rows = []
    for row in range(min(top, len(found))):
        at = int(found.positions[row])
        label = dataset.labels[at]
        several = dataset.task is Task.MULTI_LABEL
        names = np.flatnonzero(label == 1) if several else [label]
        rows.append(
            {
                "item_id": str(dataset.item_ids[at]),
                "caption": dataset.captions[at],
                "labels": [dataset.classes[int(k)] for k in names],
                "reason": found.reason(dataset.classes, row),
                "score": round(float(found.scores[row]), 4),
            }
        )
    return rows
