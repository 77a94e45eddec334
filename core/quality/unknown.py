"""What to do with unknown labels: five ways, trained alike and judged on the same known test labels.

====================  =================================================================================
``left-out``          images with an unknown label are not trained on
``as-no``             an unknown label counts as no
``masked``            an unknown label counts for nothing
``per-label``         filled by a network for each label where it is right often enough, then masked
``joint``             the same by one network for all labels
====================  =================================================================================

Each difference is to ``masked``. Its interval comes from a bootstrap (Efron and Tibshirani 1993) that draws
the test images and the repetitions anew, each image with all its labels and both ways' answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset, Task
from core.errors import BadInput
from core.evaluation.multilabel import Floats, MultiLabelScores
from core.evaluation.multilabel_bootstrap import drawn_figures, mean_of_rows
from core.files import Json, read_json
from core.quality.filling import JOINT, PER_LABEL
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run
from core.wording import percent
from core.workspace import Workspace

KIND = "unknown"
LEFT_OUT, AS_NO, MASKED = "left-out", "as-no", "masked"
WAYS = (LEFT_OUT, AS_NO, MASKED, PER_LABEL, JOINT)
FIGURES = ("macro_auc", "mean_f1")
N_DRAWS = 1000
N_FOLDS = 3
FEWEST_WHOLE = 50
"""With fewer images of which all labels are known, leaving out the others leaves too little to learn from."""


def create_unknown(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Recipe,
    *,
    ways: Sequence[str] = WAYS,
    seeds: int = 3,
    hide: float = 0.0,
    precision: float = 0.9,
    label_version: int = 0,
    name: str | None = None,
) -> Run:
    """The folder of a run that compares them; ``core.runs.launch.start`` sets it going.

    Args:
        ways: Of WAYS; ``masked`` is always among them, for the others are set against it.
        seeds: How often each is trained.
        hide: Share of the known training and validation labels that is hidden first, other ones in each
            repetition: so that the ways can be compared where much more is known, and filled labels checked.
        precision: How often a filled label is to be right.

    Raises:
        BadInput: Images have one label, no label is unknown, there is no test split with known labels, or a
            choice makes no sense.
    """
    if dataset.task is not Task.MULTI_LABEL:
        raise BadInput(
            f"Data set {dataset.name!r} has one label an image.", "This is for several labels an image."
        )
    strange = [way for way in ways if way not in WAYS]
    if strange or not ways:
        said = f"There is no way {strange[0]!r}." if strange else "No way is named."
        raise BadInput(said, f"Choose among {', '.join(WAYS)}.")
    if not 1 <= seeds <= 20 or not 0 <= hide < 1 or not 0.5 < precision < 1:
        raise BadInput(
            f"{seeds} repetitions, {hide:g} of the labels hidden and a precision of {precision:g}: that "
            "makes no sense.",
            "Give 1 to 20 repetitions, a share from 0 to below 1, and a precision between 0.5 and 1.",
        )
    labels = np.asarray(dataset.labels)
    if not hide and not np.isnan(labels[dataset.in_split("train")]).any():
        raise BadInput(
            f"Every training label of {dataset.name!r} is known.", "Hide a share of them, such as 0.4."
        )
    if np.isnan(labels[dataset.in_split("test")]).all():
        raise BadInput(f"Data set {dataset.name!r} has no known test labels.", "Import it with a test split.")
    job = {
        "ways": [way for way in WAYS if way in ways or way == MASKED],
        "seeds": seeds,
        "hide": hide,
        "precision": precision,
    }
    return create_run(workspace, dataset, recipe, name=name, kind=KIND, label_version=label_version, job=job)


def n_trainings(ways: Sequence[str], seeds: int, n_labels: int) -> int:
    """How many networks a comparison trains at most."""
    judges = N_FOLDS * ((PER_LABEL in ways) * n_labels + (JOINT in ways))
    return seeds * (len(ways) + judges)


def summary(scores: Mapping[str, Sequence[MultiLabelScores]], n_draws: int = N_DRAWS) -> list[Json]:
    """By way its mean figures, and how far they are from those of ``masked``, with 95 % intervals.

    Args:
        scores: Of each way, one a repetition, all on the same test images and labels, in the same order.
    """
    drawn = {way: [_draws(one, n_draws) for one in found] for way, found in scores.items()}
    rng = np.random.default_rng(0)
    n_seeds = len(scores[MASKED])
    chosen = rng.integers(n_seeds, size=(n_draws, n_seeds))
    return [
        {
            "way": way,
            **{name: float(np.mean([_figure(one, name) for one in found])) for name in FIGURES},
            "of_seeds": {name: [_figure(one, name) for one in found] for name in FIGURES},
            "against_masked": None
            if way == MASKED
            else {name: _gap(scores, drawn, way, name, chosen) for name in FIGURES},
        }
        for way, found in scores.items()
    ]


def _figure(found: MultiLabelScores, name: str) -> float:
    return found.macro_auc if name == "macro_auc" else found.samples("f1")


def _draws(found: MultiLabelScores, n_draws: int) -> dict[str, Floats]:
    """(n_draws,) of each figure; alike draws of the images for every way and repetition."""
    figures = drawn_figures(found, n_draws, seed=0)
    return {"macro_auc": mean_of_rows(figures["auc"]), "mean_f1": figures["mean_f1"]}


def _gap(
    scores: Mapping[str, Sequence[MultiLabelScores]],
    drawn: Mapping[str, Sequence[Mapping[str, Floats]]],
    way: str,
    name: str,
    chosen: NDArray[np.int64],
) -> Json:
    gaps = [a - b for a, b in zip(_of(scores[way], name), _of(scores[MASKED], name), strict=True)]
    each = np.array([a[name] - b[name] for a, b in zip(drawn[way], drawn[MASKED], strict=True)])
    mean = each[chosen, np.arange(len(chosen))[:, None]].mean(axis=1)
    mean = mean[~np.isnan(mean)]
    ends = [float(end) for end in np.quantile(mean, [0.025, 0.975])] if len(mean) else None
    return {"difference": float(np.mean(gaps)), "ci95": ends}


def _of(found: Sequence[MultiLabelScores], name: str) -> list[float]:
    return [_figure(one, name) for one in found]


def read_unknown(run: Run) -> Json:
    """What a finished run of this kind found. Raises NotFound or DamagedFile."""
    value: Json = read_json(run.folder / "unknown.json")
    return value


def text_unknown(value: Json) -> str:
    """For people: a line a way."""
    lines = [
        f"{value['data']}: {percent(value['unknown_share'], 0)} of the training labels unknown; "
        f"{value['n_known']:,} known labels of {value['n_test']:,} test images, {value['seeds']} repetitions",
        "",
        f"  {'way':<10} {'mean ROC AUC':>12}  {'against masked, 95 % interval':<30} {'mean F1':>8}  "
        f"{'filled':>8} {'right':>7}",
    ]
    for one in value["ways"]:
        gap = (one["against_masked"] or {}).get("macro_auc")
        filled = "" if one["n_filled"] is None else f"{one['n_filled']:,.0f}"
        right = "" if one["filled_right"] is None else percent(one["filled_right"])
        cells = f"  {one['way']:<10} {one['macro_auc']:>12.4f}  {_in_words(gap):<30} {one['mean_f1']:>8.4f}"
        lines.append(f"{cells}  {filled:>8} {right:>7}".rstrip())
    return "\n".join([*lines, *(["", *value["notes"]] if value["notes"] else [])])


def _in_words(gap: Mapping[str, Any] | None) -> str:
    if gap is None:
        return ""
    if gap["ci95"] is None:
        return f"{gap['difference']:+.4f}"
    return f"{gap['difference']:+.4f} ({gap['ci95'][0]:+.4f} to {gap['ci95'][1]:+.4f})"
