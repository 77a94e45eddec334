"""Going on with a search: more trials of the same space, from all that it has learned so far."""

from __future__ import annotations

from dataclasses import replace

from core.data.dataset import Dataset
from core.errors import BadInput, Busy, NameTaken
from core.runs.recipe import Recipe
from core.runs.store import Run, fitting, list_runs, status, with_job
from core.tuning import studies
from core.tuning.studies import StudyPlan, TrialState
from core.workspace import Workspace

WHERE = ("threads", "device", "precision")
"""Fields of a recipe that say where and how fast it is trained, not what."""


def open_study(
    workspace: Workspace,
    dataset: Dataset,
    base: Recipe,
    plan: StudyPlan,
    *,
    label_version: int,
    name: str | None = None,
) -> Run:
    """The search of that name, gone on with up to ``plan.n_trials``; a new one where there is none.

    Raises:
        BadInput: The search of that name is another one, and in what; or it has as many trials already.
        NameTaken: The name is that of a run of another kind.
        Busy: It is going.
        StorageFailed: As for any run.
    """
    there = next((run for run in list_runs(workspace, kind=None) if run.name == name), None)
    if name is None or there is None:
        return studies.create_study(workspace, dataset, base, plan, label_version=label_version, name=name)
    if there.kind != studies.KIND:
        raise NameTaken(f"The run {name!r} is not a search.", "Choose another name, or delete that run.")
    changed = _changed(there, dataset, base, plan, label_version)
    if changed:
        raise BadInput(
            f"The search {name!r} is another one: {'; '.join(changed)}.",
            "Choose another name for a new search, or ask for what it asked for to go on with it.",
        )
    return extend(there, plan.n_trials, n_workers=plan.n_workers)


def extend(run: Run, n_trials: int, *, n_workers: int | None = None) -> Run:
    """Ask a search for ``n_trials`` in all; core.runs.launch starts it again.

    Raises:
        BadInput: It has as many already, or more than can be.
        Busy: It is going.
        StorageFailed: It could not be written.
    """
    if status(run).state.active:
        raise Busy(f"The search {run.name!r} is going.", "Wait for it, or stop it first.")
    plan, trials = studies.plan_of(run), studies.load_trials(run)
    n_tried = sum(one.state is not TrialState.RUNNING for one in trials)
    if n_trials <= n_tried or n_trials < len(trials):
        raise BadInput(
            f"The search {run.name!r} has {len(trials)} trials already.",
            f"Ask for more than that in all: --trials {len(trials) + plan.n_trials}.",
        )
    told = replace(plan, n_trials=n_trials, n_workers=n_workers or plan.n_workers)
    studies.check_plan(told)
    return with_job(run, plan=studies.plan_to_json(told))


def _changed(run: Run, dataset: Dataset, base: Recipe, plan: StudyPlan, label_version: int) -> list[str]:
    """What is asked for now and was not then, in words; trials of both could not be compared."""
    was = studies.plan_of(run)
    pairs: list[tuple[str, object, object]] = [
        ("the data set", run.dataset, dataset.name),
        ("the images of the data set", run.fingerprint, dataset.fingerprint),
        ("the version of the labels", run.label_version, label_version),
        ("the space", _space(was), _space(plan)),
        ("the objective", was.objective, plan.objective),
        ("time as a second objective", was.with_cost, plan.with_cost),
    ]
    old, new = run.recipe.model_dump(), fitting(base, dataset).model_dump()
    pairs += [
        (f"the recipe's {field}", old[field], new[field])
        for field in old
        if field not in ("threads", "device")
    ]
    return [f"{what} was {before}, not {now}" for what, before, now in pairs if before != now]


def _space(plan: StudyPlan) -> str:
    return " ".join(axis.text for axis in plan.axes)
