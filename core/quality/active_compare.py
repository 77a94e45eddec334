"""Asking for a comparison of active-learning strategies: how many labels, how often, how many seeds."""

from __future__ import annotations

from collections.abc import Sequence

from core.data.dataset import Dataset
from core.errors import BadInput
from core.labels.versions import current_version
from core.quality.active import STRATEGIES
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run
from core.workspace import Workspace

KIND = "active"


def create_comparison(
    workspace: Workspace,
    dataset: Dataset,
    recipe: Recipe,
    *,
    strategies: Sequence[str] = STRATEGIES,
    start: int = 50,
    step: int = 50,
    rounds: int = 4,
    seeds: int = 3,
) -> Run:
    """A run of kind "active", not yet started (core.worker.active does it).

    Args:
        recipe: What is trained each time.
        strategies: Of STRATEGIES; each begins with the same ``start`` labels and may ask for ``step`` more,
            ``rounds`` times, from each of ``seeds`` seeds.

    Raises:
        BadInput: There is no such strategy, or a number is below one.
    """
    unknown = [name for name in strategies if name not in STRATEGIES]
    if unknown or not strategies:
        said = f"There is no strategy {unknown[0]!r}." if unknown else "No strategy is named."
        raise BadInput(said, f"Choose among {', '.join(STRATEGIES)}.")
    if min(start, step, rounds, seeds) < 1:
        raise BadInput("start, step, rounds and seeds must be 1 or more.", "Correct those.")
    numbers = {"start": start, "step": step, "rounds": rounds, "seeds": seeds}
    job = {"strategies": list(dict.fromkeys(strategies)), **numbers}
    version = current_version(workspace, dataset.name)
    return create_run(workspace, dataset, recipe, label_version=version, kind=KIND, job=job)


def n_trainings(n_strategies: int, rounds: int, seeds: int) -> int:
    """How many networks a comparison trains."""
    return n_strategies * seeds * (rounds + 1)
