"""Filling unknown labels by a model: only where it is right often enough on known labels that it did not see.

Every known label is judged by a model that was trained without its image. From these answers come two cuts
for each label, above which yes and below which no is right as often as was asked for, and, crosswise, how
often that held on labels that the cuts were not chosen on. What lies between stays unknown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.data.splits import stratified_folds
from core.errors import BadInput
from core.files import Json, read_result
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run
from core.training.scores import roc_auc
from core.workspace import Workspace

KIND = "fill"
JOINT, PER_LABEL = "joint", "per-label"
METHODS = (PER_LABEL, JOINT)
LEAST_MEASURED = 10
"""A side of a label is filled only if so many known labels say how often that would be right."""

MARGIN = 0.3
"""A cut is asked for more than the filling, by so much of what is missing to certainty: one that only just
reaches it on the labels that it is chosen on misses it on others half of the time, and then fills nothing."""

CUT_FOLDS = 5
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """Filling one answer of one label.

    Attributes:
        cut: The probability of yes from which on (for no: up to which) it is filled; None: never.
        precision: How often that was right on known labels that the cut was not chosen on; None: not known.
        n_measured: On how many.
        n_filled: How many unknown labels get this answer.
    """

    cut: float | None
    precision: float | None
    n_measured: int
    n_filled: int


@dataclass(frozen=True, slots=True)
class LabelFilling:
    """What becomes of one label.

    Attributes:
        n_known, n_unknown: Labels that may be learnt from, and that may be filled.
        auc: Of the answers on known labels; None without both answers.
        brier: Mean squared error of the probabilities on known labels; 0.25 is a coin.
        yes_at_half, no_at_half: How often yes and no are right on known labels where the more likely answer
            is taken: what filling all of them would come to. None where it is never said, or not kept.
    """

    name: str
    n_known: int
    n_unknown: int
    auc: float | None
    brier: float | None
    yes: Side
    no: Side
    yes_at_half: float | None = None
    no_at_half: float | None = None


def create_fill(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Recipe,
    *,
    method: str,
    precision: float = 0.95,
    n_folds: int = 3,
    apply: bool = True,
    label_version: int = 0,
    name: str | None = None,
) -> Run:
    """The folder of a run that fills; ``core.runs.launch.start`` sets it going.

    Args:
        method: "per-label" (a network for each label) or "joint" (one for all, unknown labels masked).
        precision: How often a filled label is to be right, above one half.
        n_folds: By how many models the known labels are judged.
        apply: Whether the labels are written into the journal; else it is only told what would be.

    Raises:
        BadInput: Images have one label, or a choice or the recipe makes no sense.
    """
    if dataset.task is not Task.MULTI_LABEL:
        raise BadInput(
            f"Data set {dataset.name!r} has one label an image.", "Filling is for several labels an image."
        )
    if method not in METHODS:
        raise BadInput(f"There is no method {method!r}.", f"Choose one of {', '.join(METHODS)}.")
    if not 0.5 < precision < 1 or n_folds < 2:
        raise BadInput(
            f"A precision of {precision:g} with {n_folds} folds makes no sense.",
            "Give a precision between 0.5 and 1 and at least 2 folds.",
        )
    job = {"method": method, "precision": precision, "n_folds": n_folds, "apply": apply}
    return create_run(workspace, dataset, recipe, name=name, kind=KIND, label_version=label_version, job=job)


def plan_label(
    name: str, labels: NDArray[np.float32], probs: Floats, may_fill: NDArray[np.bool_], precision: float
) -> LabelFilling:
    """Decide on one label.

    Args:
        labels: (n,) 1, 0 or NaN, of the images that were learnt from.
        probs: (n,) probability of yes; of each known label by a model that did not train on its image.
        may_fill: (n,) which unknown labels may be filled.
        precision: The wanted one.
    """
    known = ~np.isnan(labels)
    yes, of_known, of_unknown = labels[known] == 1, probs[known], probs[may_fill & ~known]
    auc = roc_auc(yes, of_known)
    planned = LabelFilling(
        name,
        int(known.sum()),
        len(of_unknown),
        None if np.isnan(auc) else auc,
        float(((of_known - yes) ** 2).mean()) if known.any() else None,
        _side(yes, of_known, precision),
        _flipped(_side(~yes, 1 - of_known, precision)),
        _share(yes[of_known >= 0.5]),
        _share(~yes[of_known < 0.5]),
    )
    found = answers(planned, of_unknown)
    return replace(
        planned,
        yes=replace(planned.yes, n_filled=int((found == 1).sum())),
        no=replace(planned.no, n_filled=int((found == 0).sum())),
    )


def _share(right: NDArray[np.bool_]) -> float | None:
    return float(right.mean()) if len(right) else None


def _side(yes: NDArray[np.bool_], probs: Floats, precision: float) -> Side:
    """Filling with yes; nothing is counted yet."""
    aim = precision + MARGIN * (1 - precision)
    cut = cut_for(yes, probs, aim)
    measured, n_measured = crosswise_precision(yes, probs, aim)
    if cut is None or measured is None or measured < precision or n_measured < LEAST_MEASURED:
        return Side(None, measured, n_measured, 0)
    return Side(cut, measured, n_measured, 0)


def _flipped(side: Side) -> Side:
    return replace(side, cut=None if side.cut is None else 1 - side.cut)


def cut_for(yes: NDArray[np.bool_], probs: Floats, precision: float) -> float | None:
    """The lowest probability from which on at least LEAST_MEASURED answers reach ``precision``."""
    order = np.argsort(-probs, kind="stable")
    n = np.arange(1, len(probs) + 1)
    shares = np.cumsum(yes[order]) / n
    last = np.r_[np.diff(probs[order]) != 0, True] if len(probs) else np.zeros(0, bool)
    fits = np.flatnonzero((shares >= precision) & last & (n >= LEAST_MEASURED))
    return float(probs[order][fits[-1]]) if len(fits) else None


def crosswise_precision(
    yes: NDArray[np.bool_], probs: Floats, precision: float, seed: int = 0
) -> tuple[float | None, int]:
    """(how often yes was right, on how many): each fifth is cut where the other four say."""
    folds = stratified_folds(yes.astype(np.int64), CUT_FOLDS, seed)
    said = np.zeros(len(yes), bool)
    for fold in range(CUT_FOLDS):
        held = folds == fold
        cut = cut_for(yes[~held], probs[~held], precision)
        if cut is not None:
            said |= held & (probs >= cut)
    n = int(said.sum())
    return (float(yes[said].mean()) if n else None), n


def answers(filling: LabelFilling, probs: Floats) -> NDArray[np.float32]:
    """(n,) 1, 0 or NaN: what the cuts make of probabilities; yes wins where both would be filled."""
    out = np.full(len(probs), np.nan, np.float32)
    if filling.no.cut is not None:
        out[probs <= filling.no.cut] = 0
    if filling.yes.cut is not None:
        out[probs >= filling.yes.cut] = 1
    return out


def read_fill(run: Run) -> Json:
    """What a finished run of this kind found. Raises NotFound or DamagedFile."""
    kinds = {"method": str, "precision": float, "applied": bool, "who": str, "labels": list}
    return read_result(run.folder / "fill.json", n_unknown=int, n_filled=int, **kinds)


def fillings_of(value: Json) -> list[LabelFilling]:
    """What ``to_json`` made."""
    return [
        LabelFilling(**{**one, "yes": Side(**one["yes"]), "no": Side(**one["no"])}) for one in value["labels"]
    ]


def to_json(fillings: list[LabelFilling]) -> list[Json]:
    """As kept in fill.json."""
    return [asdict(filling) for filling in fillings]


def text_fill(value: Json) -> str:
    """For people: a line a label."""
    lines = [
        f"{value['n_filled']:,} of {value['n_unknown']:,} unknown labels "
        f"{'filled' if value['applied'] else 'could be filled'} ({value['method']}), "
        f"asked to be right {100 * value['precision']:.0f} % of the time",
        "",
        f"  {'label':<20} {'unknown':>8} {'yes':>6} {'right':>14} {'no':>6} {'right':>14} {'AUC':>7}"
        f"   {'at one half: yes':>17} {'no':>7}",
    ]
    for one in value["labels"]:
        cells = [f"{one['n_unknown']:>8,}"]
        for side in (one["yes"], one["no"]):
            right = (
                "-"
                if side["precision"] is None
                else f"{100 * side['precision']:.1f} % of {side['n_measured']:,}"
            )
            cells.append(f"{side['n_filled']:>6,} {right:>14}")
        auc = "-" if one["auc"] is None else f"{one['auc']:.3f}"
        halves = [
            "-" if share is None else f"{100 * share:.1f} %"
            for share in (one.get("yes_at_half"), one.get("no_at_half"))
        ]
        lines.append(f"  {one['name'][:20]:<20} {' '.join(cells)} {auc:>7}   {halves[0]:>17} {halves[1]:>7}")
    lines += [
        "",
        "Right: measured on known labels, by models that had not seen their image.",
        "At one half: how often yes and no would be right if every label were filled.",
    ]
    if value["applied"]:
        lines.append(
            f"Made by {value['who']}; `tidyset labels revert --person {value['who']}` takes all back."
        )
    return "\n".join(lines)
