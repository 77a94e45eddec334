"""k-fold cross-validation: how good a recipe is, and how much of that is the luck of the split.

Runs of kind "crossval": made and read here, done by ``core.worker.crossvalidation``. Their folder holds
crossval.json, as ``tidyset crossval --json`` prints it, and predictions.parquet with the out-of-fold
predictions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset, is_labelled
from core.errors import BadInput, NotFound
from core.evaluation.metrics import scores
from core.evaluation.multilabel import multilabel_scores
from core.files import Json, read_result
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run
from core.workspace import Workspace

KIND = "crossval"
N_FOLDS = 5
FIGURES = ("accuracy", "macro_f1", "balanced_accuracy", "loss")
FIGURES_OF_SEVERAL = ("macro_auc", "macro_f1", "mean_average_precision", "accuracy")
"""Where images have several labels."""
TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "macro_auc": "macro ROC AUC",
    "mean_average_precision": "average precision",
    "loss": "loss",
}
_MOST = {"loss": math.inf}


def create_crossval(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Recipe,
    *,
    label_version: int,
    n_folds: int = N_FOLDS,
    name: str | None = None,
) -> Run:
    """Make a run that trains ``recipe`` once without each fold; core.runs.launch starts it.

    The test split is in no fold: it stays for the one model that is chosen in the end.

    Raises:
        BadInput: A number of folds that the labelled images do not allow, or a recipe that cannot be trained
            on them.
        NameTaken, StorageFailed: As for any run.
    """
    check_folds(dataset, n_folds)
    return create_run(
        workspace,
        dataset,
        recipe,
        name=name,
        kind=KIND,
        label_version=label_version,
        job={"n_folds": n_folds},
    )


def check_folds(dataset: Dataset, n_folds: int) -> None:
    """Raises BadInput where folds of at least two labelled images each cannot be had."""
    outside_test = np.asarray(dataset.split) != SPLITS.index("test")
    n = int(is_labelled(np.asarray(dataset.labels)[outside_test]).sum())
    if not 2 <= n_folds <= max(2, n // 2):
        raise BadInput(
            f"{n_folds} folds do not fit {n:,} labelled images.",
            "Choose 2 or more folds, of at least two images each.",
        )


def read_crossval(run: Run) -> dict[str, Any]:
    """crossval.json. Raises NotFound before the run has finished, DamagedFile."""
    path = crossval_file(run)
    if not path.exists():
        raise NotFound(f"{run.name!r} has not finished.", "Let it finish, or resume it.")
    return read_result(path, run=str, data=str, n_folds=int, folds=list, curves=dict, notes=list)


def crossval_file(run: Run) -> Path:
    """crossval.json in the run's folder."""
    return run.folder / "crossval.json"


def fold_figures(labels: NDArray[Any], pred_probs: NDArray[np.float32]) -> dict[str, float]:
    """FIGURES of one fold, or FIGURES_OF_SEVERAL; NaN for what a fold cannot tell.

    Args:
        labels: (n,) the fold's labels, or (n, K) with 1, 0 and NaN for unknown, which counts for nothing.
        pred_probs: (n, K) of the model that did not see it; the loss is the mean of -log p(label).
    """
    if labels.ndim == 2:
        several = multilabel_scores(labels, pred_probs)
        return {
            "macro_auc": several.macro_auc,
            "macro_f1": several.macro("f1"),
            "mean_average_precision": several.mean_average_precision,
            "accuracy": several.micro("accuracy"),
        }
    n_classes = pred_probs.shape[1]
    found = scores(labels, pred_probs.argmax(axis=1), n_classes)
    own = np.clip(pred_probs[np.arange(len(labels)), labels].astype(np.float64), 1e-12, 1)
    return {
        "accuracy": found.accuracy,
        "macro_f1": found.macro_f1,
        "balanced_accuracy": found.balanced_accuracy,
        "loss": float(-np.log(own).mean()),
    }


def spread(values: Sequence[float], *, most: float = math.inf) -> dict[str, Any]:
    """Mean, standard deviation and 95 % interval of a figure over k folds.

    The folds share training images, so their figures are not independent, and an interval from their standard
    deviation alone is too narrow. The variance is therefore multiplied by 1/k + n_test/n_train (Nadeau and
    Bengio, Machine Learning 52 (2003), 239-281), which for k folds is 1/k + 1/(k - 1). No estimator is
    unbiased (Bengio and Grandvalet, JMLR 5 (2004)); this one errs on the side of too wide.

    Args:
        values: (k,) one a fold, k at least 2.
        most: The figure lies between 0 and this, and so does its interval.
    """
    from scipy.stats import t  # here: a second of imports that only this needs

    k = len(values)
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(t.ppf(0.975, k - 1)) * deviation * math.sqrt(1 / k + 1 / (k - 1))
    return {"mean": mean, "sd": deviation, "ci95": [max(0.0, mean - half), min(most, mean + half)]}


def summarise(
    folds: Sequence[Mapping[str, float]], curves: Sequence[NDArray[np.float32]], fields: Sequence[str]
) -> Json:
    """All folds together; a figure that fewer than two folds have is left out.

    Args:
        folds: Of each fold its figures.
        curves: Of each fold (epochs, F), the ``fields`` after every epoch; NaN where there is none.
        fields: F names.
    """
    longest = max(len(one) for one in curves)
    stack = np.full((len(curves), longest, len(fields)), np.nan)
    for number, one in enumerate(curves):
        stack[number, : len(one)] = one
    by_field = {
        name: [[_rounded(value) for value in fold] for fold in stack[:, :, column]]
        for column, name in enumerate(fields)
    }
    known = {name: [fold[name] for fold in folds if not math.isnan(fold[name])] for name in folds[0]}
    return {
        **{
            name: spread(known[name], most=_MOST.get(name, 1.0))
            for name in TITLES
            if len(known.get(name, ())) > 1
        },
        "folds": [{name: _none_for_nan(value) for name, value in fold.items()} for fold in folds],
        "curves": by_field,
    }


def headline(value: Mapping[str, Any]) -> str:
    """The figure that says most: the first that is there of ROC AUC and accuracy."""
    return "macro_auc" if "macro_auc" in value else "accuracy"


def _none_for_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def band(curves: Sequence[Sequence[float | None]]) -> list[tuple[int, float, float, float]]:
    """(epoch, mean, mean - sd, mean + sd) over the folds, 1-based; epochs that a fold did not reach are left
    out for it.

    Args:
        curves: Of each fold the figure after every epoch, as crossval.json has it.
    """
    rows = []
    for epoch in range(max(map(len, curves), default=0)):
        found = [float(v) for one in curves if epoch < len(one) and (v := one[epoch]) is not None]
        if found:
            mean, sd = float(np.mean(found)), float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
            rows.append((epoch + 1, mean, mean - sd, mean + sd))
    return rows


def text_crossval(value: Mapping[str, Any]) -> str:
    """The result for people."""
    lines = [f"{value['run']}: {value['n_folds']} folds of {value['data']}, the test split left out"]
    for name, title in TITLES.items():
        if name in value:
            one = value[name]
            low, high = one["ci95"]
            lines.append(
                f"  {title:<18}{one['mean']:.4f} ± {one['sd']:.4f}   95 % interval {low:.4f} to {high:.4f}"
            )
    main = headline(value)
    by_fold = ("        -" if fold[main] is None else f"{fold[main]:>9.4f}" for fold in value["folds"])
    lines.append("  fold         " + "".join(f"{number:>9}" for number in range(1, value["n_folds"] + 1)))
    lines.append(f"  {TITLES[main]:<13}" + "".join(by_fold))
    return "\n".join([*lines, *(f"  {text}" for text in value["notes"])])
