"""Labels that are likely wrong: of a data set, or of plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import Labels, Task
from core.errors import BadInput
from core.quality import label_issues as ranking
from core.quality.evidence import N_NEIGHBOURS, Evidence
from tidyset.data import Dataset, as_person

if TYPE_CHECKING:
    import pandas as pd

_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """n judged labels, those that are most likely wrong first.

    Attributes:
        positions: (n,) int64, rows of the labels (or of the data set).
        scores: (n,) float32, 0 to 1: how likely the label is wrong. They rank; they are no probabilities.
        labels: (n,) str, the label judged; "yes" or "no" where images have several.
        suggested: (n,) str, the class that the evidence speaks for, never the label itself.
        flagged: (n,) bool, the first ``n_estimated``.
        n_estimated: How many labels are wrong, by the confident joint (Northcutt et al. 2021,
            arXiv:1911.00068).
        class_names: (n,) str, where images have several labels the class that is answered; else None.
        reasons: n sentences.
        ids: (n,) str, the images' ids, for a data set.
    """

    positions: NDArray[np.int64]
    scores: NDArray[np.float32]
    labels: NDArray[np.str_]
    suggested: NDArray[np.str_]
    flagged: NDArray[np.bool_]
    n_estimated: int
    reasons: tuple[str, ...]
    class_names: NDArray[np.str_] | None = None
    ids: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        return f"<tidyset.LabelIssues: about {self.n_estimated:,} of {len(self):,} labels are likely wrong>"

    def to_pandas(self) -> pd.DataFrame:
        """Return a table, a row a label, the most likely wrong first: position (and id), class, label,
        suggested, score, flagged, reason.
        """
        import pandas as pd

        columns: dict[str, Any] = {"position": self.positions}
        if self.ids is not None:
            columns["id"] = self.ids
        if self.class_names is not None:
            columns["class"] = self.class_names
        names = ("label", "suggested", "score", "flagged", "reason")
        values = (self.labels, self.suggested, self.scores, self.flagged, self.reasons)
        return pd.DataFrame(columns | dict(zip(names, values, strict=True)))

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.to_pandas().head(20).to_html(index=False)}"


@as_person
def find_label_issues(
    data: Dataset | None = None,
    *,
    labels: Any = None,
    pred_probs: Any = None,
    features: Any = None,
    classes: Sequence[str] | None = None,
    recipe: str = "fast",
    folds: int = 5,
    **settings: Any,
) -> LabelIssues:
    """Rank labels by how likely they are wrong.

    Of a data set, networks are trained crosswise, so that every image is judged by one that did not train on
    it. Of arrays, ``pred_probs`` must be such out-of-sample probabilities: those of a network for its own
    training images agree with wrong labels.

    Args:
        data: A data set; or give ``labels`` and ``pred_probs``.
        labels: (N,) class indices, -1 for none; or (N, K) of 1, 0 and NaN for unknown.
        pred_probs: (N, K) probabilities, out of sample. With one label an image, rows sum to one.
        features: (N, D), to compare each label with those of the nearest images; optional.
        classes: K names; "0", "1", ... when not given.
        recipe: For a data set, the preset that each fold trains.
        folds: For a data set, how many networks are trained.
        **settings: For a data set, fields of the recipe, such as ``epochs=3``.

    Raises:
        BadInput: The arrays do not fit together, or there are labels of one class only.
        TidysetError: A training failed.

    Example:
        >>> import numpy as np, tidyset
        >>> labels = np.array([0, 0, 0, 1, 1, 0])  # the last one is wrong
        >>> pred_probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.1, 0.9]])
        >>> found = tidyset.find_label_issues(labels=labels, pred_probs=pred_probs, classes=["cat", "dog"])
        >>> found.positions[0], found.suggested[0]
        (np.int64(5), np.str_('dog'))
    """
    if data is not None:
        if labels is not None or pred_probs is not None or features is not None:
            raise BadInput("Both a data set and arrays were given.", "Give one of the two.")
        return _of_dataset(data, recipe, folds, settings)
    if labels is None or pred_probs is None:
        raise BadInput("There is nothing to look at.", "Give a data set, or labels and pred_probs.")
    values, probs = checked(np.asarray(labels), np.asarray(pred_probs), classes)
    near = _nearest(probs, None if features is None else np.asarray(features))
    evidence = Evidence(
        labels=values.values,
        pred_probs=probs,
        neighbours=near,
        area=np.full(values.values.shape, np.nan, np.float32),
        run="",
        label_version=0,
    )
    return _as_result(ranking.label_issues(evidence), values.classes)


def checked(
    labels: NDArray[Any], pred_probs: NDArray[Any], classes: Sequence[str] | None
) -> tuple[Labels, NDArray[np.float32]]:
    """Both arrays, once they are known to fit together. Raises BadInput."""
    if pred_probs.ndim != 2 or len(labels) != len(pred_probs):
        raise BadInput(
            f"labels has shape {labels.shape}, pred_probs {pred_probs.shape}.",
            "pred_probs must be (N, K): a row an image, in the order of the labels.",
        )
    k = pred_probs.shape[1]
    names = tuple(map(str, classes if classes is not None else range(k)))
    if len(names) != k:
        raise BadInput(f"There are {len(names)} class names for {k} columns of pred_probs.")
    if labels.ndim == 1 and labels.dtype.kind not in "iu":
        raise BadInput(
            f"The labels are {labels.dtype}, not class indices.",
            "Give integers from 0, in the order of the columns of pred_probs; -1 for no label.",
        )
    if not np.isfinite(pred_probs).all() or pred_probs.min(initial=0) < 0 or pred_probs.max(initial=0) > 1:
        raise BadInput("pred_probs holds something that is no probability.", "Give numbers from 0 to 1.")
    found = Labels.of(labels, names)
    if found.task is Task.SINGLE_LABEL:
        if len(labels) and not -1 <= labels.min() <= labels.max() < k:
            raise BadInput(
                f"The labels go from {labels.min()} to {labels.max()}, the classes from 0 to {k - 1}.",
                "Give -1 for images without a label.",
            )
        if len(wrong := np.flatnonzero(np.abs(pred_probs.sum(axis=1) - 1) > _SUM_TOLERANCE)):
            row = int(wrong[0])
            raise BadInput(
                f"Row {row} of pred_probs sums to {pred_probs[row].sum():.3f}.",
                "Give probabilities after the softmax; of several labels an image give (N, K) labels.",
            )
    elif not np.isin(found.values[found.known], (0, 1)).all():
        raise BadInput("Labels of several classes hold something other than 1, 0 and NaN.")
    return found, np.asarray(pred_probs, np.float32)


def _nearest(probs: NDArray[np.float32], features: NDArray[Any] | None) -> NDArray[np.int32]:
    """(N, 10) rows of the nearest other images by the cosine of their features; -1 without features."""
    found = np.full((len(probs), N_NEIGHBOURS), -1, np.int32)
    if features is None:
        return found
    if features.ndim != 2 or len(features) != len(probs):
        raise BadInput(f"features has shape {features.shape} for {len(probs):,} images.", "Give (N, D).")
    from sklearn.neighbors import NearestNeighbors

    n = min(N_NEIGHBOURS, len(probs) - 1)
    if n < 1:
        return found
    rows = NearestNeighbors(metric="cosine").fit(features).kneighbors(n_neighbors=n, return_distance=False)
    found[:, :n] = rows
    return found


def _of_dataset(data: Dataset, recipe: str, folds: int, settings: dict[str, Any]) -> LabelIssues:
    from core.quality.evidence import create_search
    from core.runs.presets import find_recipe
    from tidyset.jobs import done

    chosen = find_recipe(data._workspace, recipe).with_changes(settings)
    run = create_search(
        data._workspace, data._source, chosen, label_version=data.label_version, n_folds=folds
    )
    done(run)
    found = ranking.load_issues(run)
    chosen_rows = np.isin(found.positions, data._positions)
    return _as_result(found, data.classes, data._source.item_ids, chosen_rows)


def _as_result(
    found: ranking.LabelIssues,
    classes: Sequence[str],
    ids: NDArray[np.str_] | None = None,
    keep: NDArray[np.bool_] | None = None,
) -> LabelIssues:
    rows = np.arange(len(found)) if keep is None else np.flatnonzero(keep)
    pairs = [found.names(row, classes) for row in rows.tolist()]
    before, after = (np.array([pair[side] for pair in pairs], np.str_) for side in (0, 1))
    return LabelIssues(
        positions=found.positions[rows],
        scores=found.combined[rows],
        labels=before,
        suggested=after,
        flagged=found.flagged[rows],
        n_estimated=int(found.flagged[rows].sum()),
        reasons=tuple(found.reason(row, classes) for row in rows.tolist()),
        class_names=None if found.about is None else np.array(classes)[found.about[rows]],
        ids=None if ids is None else np.asarray(ids[found.positions[rows]]),
    )
