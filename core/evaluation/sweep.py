"""A sweep: a recipe trained with every combination of a few values, each with its time, judged on one split.

The best is chosen on validation images. On test images each other one is set against it, image by image:
the difference of the headline figure with a 95 % interval from a paired bootstrap (Efron and Tibshirani
1993), so that what only luck of the draw could have made is not taken for better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset
from core.evaluation.multilabel import multilabel_scores
from core.files import Json, read_result
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run
from core.workspace import Workspace

KIND = "sweep"
N_DRAWS = 2000
FIGURES = {"mean_f1": "mean F1", "accuracy": "accuracy", "macro_auc": "mean AUC", "macro_f1": "macro F1"}


def create_sweep(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Recipe,
    settings: Sequence[Mapping[str, Any]],
    *,
    label_version: int,
    name: str | None = None,
) -> Run:
    """Make a run that trains ``recipe`` with each of ``settings``; core.runs.launch starts it.

    Raises:
        BadInput: A recipe that cannot be trained on the data.
        NameTaken, StorageFailed: As for any run.
    """
    job = {"settings": [dict(setting) for setting in settings]}
    return create_run(workspace, dataset, recipe, name=name, kind=KIND, label_version=label_version, job=job)


def of_images(labels: NDArray[Any], probs: NDArray[Any]) -> NDArray[np.float64]:
    """What the headline figure is the mean of: F1 of each image with a known label, or right (1) and wrong.

    Args:
        labels: (n, K) with 1, 0 and NaN, or (n,) class indices.
        probs: (n, K).
    """
    if labels.ndim == 2:
        return multilabel_scores(labels, probs).of_images["f1"]
    return np.asarray(probs.argmax(axis=1) == labels, np.float64)


def figures_of(labels: NDArray[Any], probs: NDArray[Any]) -> dict[str, float | None]:
    """The headline figure first: mean_f1 and more where images have several labels, else accuracy."""
    if not len(labels):
        return {}
    if labels.ndim == 1:
        return {"accuracy": float(of_images(labels, probs).mean())}
    found = multilabel_scores(labels, probs)
    values = {"mean_f1": found.samples("f1"), "macro_auc": found.macro_auc, "macro_f1": found.macro("f1")}
    return {name: None if np.isnan(value) else float(value) for name, value in values.items()}


def paired_gap(ours: NDArray[np.float64], theirs: NDArray[np.float64], seed: int = 0) -> Json:
    """``difference`` of the means of the same n images, first minus second, and its interval ``ci95``."""
    gaps = ours - theirs
    rng = np.random.default_rng(seed)
    kinds, counts = np.unique(gaps, return_counts=True)
    drawn = rng.multinomial(len(gaps), counts / len(gaps), size=N_DRAWS) @ kinds / len(gaps)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"difference": float(gaps.mean()), "ci95": [float(low), float(high)]}


def put_together(rows: list[Json], images: Sequence[NDArray[np.float64]]) -> Json:
    """The rows with ``best`` (the number of the best on validation) and, in each other row, ``against_best``.

    Args:
        rows: Each with ``setting``, ``seconds``, ``valid`` and ``test``.
        images: Of each row, what its test figure is the mean of; empty without test images.
    """

    best = _by_validation(rows)[0]
    for number, row in enumerate(rows):
        told = number != best and len(images[best])
        row["against_best"] = paired_gap(images[number], images[best]) if told else None
    return {"best": best, "rows": rows}


def headline_of(rows: Sequence[Json]) -> str:
    """The figure by which the best is chosen: the first of ``figures_of``."""
    return next((name for row in rows for name in row["valid"] or row["test"]), "mean_f1")


def ranked(value: Json) -> list[int]:
    """Numbers of the settings, the best on validation images first."""
    return _by_validation(value["rows"])


def _by_validation(rows: Sequence[Json]) -> list[int]:
    headline = headline_of(rows)

    def figure(number: int) -> float:
        found = rows[number]["valid"].get(headline)
        return -1.0 if found is None else float(found)

    return sorted(range(len(rows)), key=lambda number: -figure(number))


def read_sweep(run: Run) -> Json:
    """What a finished run of this kind found. Raises NotFound or DamagedFile."""
    return read_result(run.folder / "sweep.json", rows=list, best=int)


def text_sweep(value: Json) -> str:
    """For people: a line a setting, the best first."""
    rows = value["rows"]
    fields = list(rows[0]["setting"])
    headline = headline_of(rows)
    widths = [max(len(field), *(len(str(row["setting"][field])) for row in rows)) for field in fields]
    heads = "  ".join(f"{field:<{width}}" for field, width in zip(fields, widths, strict=True))
    lines = [
        f"{len(rows)} trainings, {FIGURES.get(headline, headline)}; the best on validation is marked",
        "",
        f"    {heads}  {'seconds':>8}  {'valid':>7}  {'test':>7}  against the best, 95 % interval",
    ]
    for number in ranked(value):
        row = rows[number]
        cells = "  ".join(
            f"{row['setting'][field]!s:<{width}}" for field, width in zip(fields, widths, strict=True)
        )
        shares = "  ".join(_share(row[part].get(headline)) for part in ("valid", "test"))
        mark = " *  " if number == value["best"] else "    "
        lines.append(f"{mark}{cells}  {row['seconds']:>8.1f}  {shares}  {_gap(row['against_best'])}".rstrip())
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return f"{value:>7.4f}" if value is not None else f"{'-':>7}"


def _gap(gap: Json | None) -> str:
    if gap is None:
        return ""
    low, high = gap["ci95"]
    return f"{gap['difference']:+.4f} ({low:+.4f} to {high:+.4f})"
