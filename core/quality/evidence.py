"""What speaks for and against each label: probabilities of models that never trained on the image, its
nearest images, and how its own training went. Made by core.worker.finding, kept in a run's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.errors import DamagedFile, NotFound
from core.evaluation.crossval import N_FOLDS, check_folds
from core.files import atomic_writer, read_arrays
from core.runs.recipe import Recipe
from core.runs.store import Run, RunState, create_run, list_runs, status
from core.workspace import Workspace

KIND = "issues"
N_NEIGHBOURS = 10
_FILE = "evidence.npz"
_ARRAYS = ("labels", "pred_probs", "neighbours", "area")


@dataclass(frozen=True, eq=False)
class Evidence:
    """Rows as in the data set.

    Attributes:
        labels: (N,) int64, the labels that were looked at; -1 for what was left out or has none. Where images
            have several: (N, K) float32 with 1, 0 and NaN.
        pred_probs: (N, K) float32, of models that did not train on the image; NaN where nothing was asked.
        neighbours: (N, 10) int32, positions of the nearest training images in such a model's feature space,
            the nearest first; -1 where there are fewer.
        area: (N,) float32, area under the margin; NaN for images that no model trained on. (N, K) where
            images have several labels, NaN also for what is unknown.
        run: Id of the run that made it.
        label_version: Of ``labels``.
    """

    labels: NDArray[Any]
    pred_probs: NDArray[np.float32]
    neighbours: NDArray[np.int32]
    area: NDArray[np.float32]
    run: str
    label_version: int


def create_search(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Recipe,
    *,
    label_version: int,
    n_folds: int = N_FOLDS,
    name: str | None = None,
) -> Run:
    """Make a run that gathers evidence on every label; core.runs.launch starts it.

    Raises:
        BadInput: Too few labelled images, a number of folds that makes no sense, or a recipe that
            cannot be trained on them.
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


def newest_search(workspace: Workspace, dataset: Dataset) -> Run | None:
    """The newest finished search of the data set as it is now."""
    for run in list_runs(workspace, dataset=dataset.name, kind=KIND):
        if run.fingerprint == dataset.fingerprint and status(run).state is RunState.FINISHED:
            return run
    return None


def save_evidence(run: Run, evidence: Evidence) -> None:
    """Keep it in the run's folder. Raises StorageFailed."""
    with atomic_writer(run.folder / _FILE) as file:
        np.savez(file, allow_pickle=False, **{name: getattr(evidence, name) for name in _ARRAYS})


def load_evidence(run: Run) -> Evidence:
    """The evidence on the labels of the run's data set.

    Raises:
        NotFound: The search has not finished.
        DamagedFile: The file cannot be read.
    """
    arrays = kept_arrays(run, _FILE, _ARRAYS)
    if len({array.shape[:1] for array in arrays.values()}) != 1 or arrays["pred_probs"].ndim != 2:
        raise DamagedFile(f"{run.folder / _FILE} holds arrays that do not fit together.", "Search again.")
    return Evidence(**arrays, run=run.id, label_version=run.label_version)


def kept_arrays(
    run: Run, file: str, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """The named arrays of a .npz file in the folder of a search, and those of the optional ones that are
    there. Raises as load_evidence does.
    """
    path = run.folder / file
    if not path.exists():
        raise NotFound(f"{run.name!r} has not finished its search.", "Let it finish, or resume it.")
    found = read_arrays(path, names, optional, "Search again.")
    if any(array.dtype.kind not in "biufU" for array in found.values()):
        raise DamagedFile(f"{path} holds arrays of another kind than expected.", "Search again.")
    return found
