"""Runs beside each other: what differs between their recipes, and their figures by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from core.errors import BadInput
from core.runs.recipe import Recipe
from core.runs.store import Run, RunStatus

FIGURES = ("valid_accuracy", "test_accuracy", "test_macro_f1", "seconds")
ABOUT: dict[str, Callable[[Run], Any]] = {
    "dataset": lambda run: run.dataset,
    "label_version": lambda run: run.label_version,
    "tags": lambda run: ", ".join(run.tags) or "no tag",
}
"""What runs can be grouped by beside the fields of a recipe."""


def recipe_differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """By field, the value in each run, for the fields in which not all are equal; data and labels first.

    Raises:
        BadInput: A recipe is damaged.
    """
    values = [
        {**{name: ABOUT[name](run) for name in ("dataset", "label_version")}, **_values(run)} for run in runs
    ]
    found = {name: [one[name] for one in values] for name in values[0]} if values else {}
    return {name: row for name, row in found.items() if any(value != row[0] for value in row)}


def grouped(runs: Sequence[tuple[Run, RunStatus]], by: str) -> list[dict[str, Any]]:
    """Finished runs by a field of the recipe or of ABOUT: how many, and mean and deviation of each figure.

    Returns:
        Rows with ``by``, ``n``, and for each of FIGURES the mean and ``FIGURE_sd`` (None below two runs), the
        best validation first.

    Raises:
        BadInput: There is nothing of that name to group by.
    """
    if by not in ABOUT and by not in Recipe.model_fields:
        raise BadInput(
            f"Runs cannot be grouped by {by!r}.",
            f"Choose {', '.join(ABOUT)} or a field of the recipe: `tidyset train --help-recipe` lists them.",
        )
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run, now in runs:
        if now.summary:
            groups.setdefault(str(value_of(run, by)), []).append(now.summary)
    rows = [{by: name, "n": len(members), **_figures(members)} for name, members in groups.items()]
    return sorted(rows, key=lambda row: -(row["valid_accuracy"] or 0.0))


def value_of(run: Run, by: str) -> Any:
    """What a run is grouped by; "?" where its recipe is damaged."""
    if by in ABOUT:
        return ABOUT[by](run)
    if by == "model" and "model" in run.job:
        return run.job["model"]
    try:
        return _values(run)[by]
    except BadInput:
        return "?"


def _values(run: Run) -> dict[str, Any]:
    return run.recipe.model_dump()


def _figures(members: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for figure in FIGURES:
        values = [float(one[figure]) for one in members if one.get(figure) is not None]
        found[figure] = mean(values) if values else None
        found[f"{figure}_sd"] = stdev(values) if len(values) > 1 else None
    return found
