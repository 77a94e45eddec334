"""Thresholds of each label, tuned on validation images, and what that brings on images it has not seen.

A threshold chosen on some images looks better on them than it is. So the gain is measured crosswise: each
fifth of the validation images is judged by thresholds that were tuned on the other four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.data.splits import stratified_folds
from core.errors import BadInput, DamagedFile
from core.evaluation.multilabel import Floats, Labels, multilabel_scores
from core.files import read_json, write_json
from core.people.acting import allow
from core.people.roles import Right
from core.workspace import Workspace

Aim = Literal["f1", "g-mean", "precision"]
AIMS: tuple[Aim, ...] = ("f1", "g-mean", "precision")
HALF = 0.5
FOLDS = 5
_RATIO_OF = {"f1": "f1", "g-mean": "g_mean", "precision": "recall"}
"""What an aim is judged by: at a fixed precision, how much is found."""


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of a run's K labels.

    Attributes:
        values: A label is predicted yes from its value on.
        aim: What they were tuned for, or "manual".
        precision: The wanted one, for aim "precision".
        n: Known validation labels that each was tuned on.
        at_half: What the aim is judged by (F1, G-mean, or recall) at a threshold of one half.
        nested: The same at thresholds tuned on other images; None where there are too few.
    """

    values: tuple[float, ...]
    aim: str
    precision: float = 0.9
    n: tuple[int, ...] = ()
    at_half: tuple[float | None, ...] = ()
    nested: tuple[float | None, ...] = ()

    def where_they_help(self) -> Thresholds:
        """The same, but one half for each label for which tuning does not win on other images than it was
        tuned on, or where there are too few to say: from few images one learns thresholds by heart.
        """
        values = tuple(
            value if judged is not None and half is not None and judged > half else HALF
            for value, half, judged in zip(self.values, self.at_half, self.nested, strict=True)
        )
        return replace(self, values=values)


def tune_thresholds(
    labels: Labels, pred_probs: NDArray[Any], aim: Aim = "f1", precision: float = 0.9, seed: int = 0
) -> Thresholds:
    """The threshold of each label that is best for the aim.

    Args:
        labels: (N, K) of images that the network was not trained on.
        pred_probs: (N, K).
        aim: The highest F1, the highest G-mean of recall and specificity, or the lowest threshold that
            reaches ``precision`` (the strictest one where none does).
        seed: Of the folds for the honest figure.

    Raises:
        BadInput: There is no such aim.
    """
    if aim not in AIMS:
        raise BadInput(f"There is no aim {aim!r}.", f"Choose one of {', '.join(AIMS)}.")
    n_labels = labels.shape[1]
    values, at_half, nested, n = [], [], [], []
    for k in range(n_labels):
        known = ~np.isnan(labels[:, k])
        yes, probs = labels[known, k] == 1, np.asarray(pred_probs[known, k], np.float64)
        values.append(best_threshold(yes, probs, aim, precision))
        at_half.append(_judged(yes, probs, np.full(len(yes), HALF), aim))
        crosswise = crosswise_thresholds(yes, probs, aim, precision, seed)
        nested.append(None if crosswise is None else _judged(yes, probs, crosswise, aim))
        n.append(int(known.sum()))
    return Thresholds(tuple(values), aim, precision, tuple(n), tuple(at_half), tuple(nested))


def best_threshold(yes: NDArray[np.bool_], probs: Floats, aim: Aim, precision: float = 0.9) -> float:
    """The best threshold of one label, between two probabilities; one half without both answers."""
    if yes.all() or not yes.any():
        return HALF
    distinct = np.unique(probs)
    candidates = np.r_[distinct[0], (distinct[1:] + distinct[:-1]) / 2]
    order = np.argsort(probs)
    first = np.searchsorted(probs[order], candidates, side="left")
    n_yes_below = np.r_[0, np.cumsum(yes[order])][first]
    tp = yes.sum() - n_yes_below
    fp = (len(yes) - first) - tp
    fn, tn = n_yes_below, first - n_yes_below
    if aim == "precision":
        shares = tp / np.maximum(tp + fp, 1)
        reached = np.flatnonzero((shares >= precision) & (tp > 0))
        return float(candidates[reached[0] if len(reached) else len(candidates) - 1])
    if aim == "f1":
        score = 2 * tp / np.maximum(2 * tp + fp + fn, 1)
    else:
        score = np.sqrt(tp / (tp + fn) * tn / (tn + fp))
    best = np.flatnonzero(score == score.max())
    return float(candidates[best[np.argmin(np.abs(candidates[best] - HALF))]])


def crosswise_thresholds(
    yes: NDArray[np.bool_], probs: Floats, aim: Aim, precision: float, seed: int
) -> Floats | None:
    """(n,) for each image the threshold tuned on the folds it is not in; None with too few of one answer."""
    if min(int(yes.sum()), int((~yes).sum())) < FOLDS:
        return None
    folds = stratified_folds(yes.astype(np.int64), FOLDS, seed)
    out = np.empty(len(yes))
    for fold in range(FOLDS):
        held = folds == fold
        out[held] = best_threshold(yes[~held], probs[~held], aim, precision)
    return out


def _judged(yes: NDArray[np.bool_], probs: Floats, thresholds: Floats, aim: str) -> float | None:
    if not yes.any():
        return None
    said = (probs >= thresholds)[:, None].astype(np.float64)
    result = multilabel_scores(yes[:, None].astype(np.float32), said, HALF)
    return float(result.counts.ratio(_RATIO_OF[aim])[0])


def thresholds_file(run_folder: Path) -> Path:
    """Where a run's thresholds are kept."""
    return run_folder / "thresholds.json"


def save_thresholds(run_folder: Path, thresholds: Thresholds) -> None:
    """Keep them with the run. Raises StorageFailed."""
    allow(Workspace(run_folder.parents[1]), Right.RUN)
    write_json(thresholds_file(run_folder), asdict(thresholds))


def load_thresholds(run_folder: Path, n_labels: int) -> Thresholds:
    """Those kept with a run; one half for each where there are none. Raises DamagedFile."""
    file = thresholds_file(run_folder)
    if not file.exists():
        return Thresholds((HALF,) * n_labels, "manual")
    kept = read_json(file)
    try:
        values = tuple(map(float, kept["values"]))
        if len(values) != n_labels or not all(0 <= value <= 1 for value in values):
            raise ValueError(f"{n_labels} thresholds from 0 to 1 were expected")
        return Thresholds(
            values=values,
            aim=str(kept["aim"]),
            precision=float(kept["precision"]),
            n=tuple(map(int, kept["n"])),
            at_half=tuple(map(_known, kept["at_half"])),
            nested=tuple(map(_known, kept["nested"])),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DamagedFile(f"{file} is garbled ({error}).", "Tune the thresholds again.") from error


def _known(value: float | None) -> float | None:
    return None if value is None else float(value)


def by_hand(values: Sequence[float]) -> Thresholds:
    """Thresholds that a person chose.

    Raises:
        BadInput: One is no share.
    """
    wrong = [value for value in values if not 0 <= value <= 1]
    if wrong:
        raise BadInput(f"{wrong[0]:g} is no threshold.", "Give a number from 0 to 1.")
    return Thresholds(tuple(map(float, values)), "manual")
