"""Runs of kind "tune": made, and read while they go. ``core.worker.tuning`` does them.

Beside what every run has, the folder holds::

    study.log            Optuna's journal of the study: what the sampler learns from
    trials/0003/         trial.json (what was tried, and what came of it), events.jsonl (its curves),
                         lock (held by the worker that trains it), checkpoint.safetensors while under way
    importances.json     how much each field mattered so far
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.data.dataset import Dataset, Task
from core.errors import BadInput, DamagedFile
from core.files import Json, read_json, write_json
from core.metrics import epoch_metrics, find_epoch_metric
from core.runs.events import EventLog
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run
from core.tuning.space import Axis, space_from_json, space_to_json
from core.workspace import Workspace

KIND = "tune"
LOSS = "loss"
_FIRST = {Task.SINGLE_LABEL: "accuracy", Task.MULTI_LABEL: "macro_auc"}


def objectives(task: Task) -> tuple[str, ...]:
    """What can be best on validation images, the usual one first: the metrics of an epoch, and the loss."""
    return (_FIRST[task], *(name for name in epoch_metrics(task) if name != _FIRST[task]), LOSS)


def is_objective(name: str, task: Task | None = None) -> bool:
    """Whether it is one, for this task or for any; metrics also by an earlier name."""
    return name == LOSS or find_epoch_metric(name, task) is not None


def field_of(objective: str) -> str:
    """The field of the epoch events that decides."""
    return f"valid_{objective.replace('-', '_')}"


def title_of(objective: str) -> str:
    """On pages."""
    one = find_epoch_metric(objective)
    return "Loss" if one is None else one.title


MOST_TRIALS = 10_000


class TrialState(StrEnum):
    """What became of a trial."""

    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    """Broken off, because others were better after as many epochs."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One set of values, and what came of it.

    Attributes:
        number: 0-based.
        params: By field, the value tried.
        value: The objective: of the best epoch, or the last for recipes that keep that; None without one.
        epoch: 0-based epoch of ``value``.
        n_epochs: Epochs trained.
        seconds: Spent training.
        error: Why it failed, else "".
        cached: Whether an equal training was there already.
    """

    number: int
    params: dict[str, Any]
    state: TrialState
    value: float | None = None
    epoch: int | None = None
    n_epochs: int = 0
    seconds: float = 0.0
    error: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What a study was asked for.

    Attributes:
        axes: What may change.
        n_trials: How many are tried in all.
        objective: What is best.
        with_cost: Whether seconds of training are a second objective.
        prune: Whether trials that look poor are broken off.
        n_workers: Processes that train at the same time.
        seed: Of the sampler.
    """

    axes: tuple[Axis, ...]
    n_trials: int
    objective: str = "accuracy"
    with_cost: bool = False
    prune: bool = True
    n_workers: int = 1
    seed: int = 0

    @property
    def maximise(self) -> bool:
        """Whether more is better."""
        one = find_epoch_metric(self.objective)
        return one is not None and one.higher_is_better


def create_study(
    workspace: Workspace,
    dataset: Dataset,
    base: Recipe,
    plan: StudyPlan,
    *,
    label_version: int,
    name: str | None = None,
) -> Run:
    """Make a run that searches ``plan.axes`` around ``base``; core.runs.launch starts it.

    Raises:
        BadInput: A number of trials or workers that makes no sense, or a recipe or an objective that does not
            fit the task.
        NameTaken, StorageFailed: As for any run.
    """
    check_plan(plan)
    if not is_objective(plan.objective, dataset.task):
        raise BadInput(
            f"The objective {plan.objective} does not fit the labels of {dataset.name!r}.",
            f"Choose one of {', '.join(objectives(dataset.task))}.",
        )
    job = {"plan": plan_to_json(plan)}
    return create_run(workspace, dataset, base, name=name, kind=KIND, label_version=label_version, job=job)


def check_plan(plan: StudyPlan) -> None:
    """Whether a plan makes sense. Raises BadInput."""
    if not 1 <= plan.n_trials <= MOST_TRIALS:
        raise BadInput(f"{plan.n_trials} trials cannot be.", f"Choose 1 to {MOST_TRIALS:,}.")
    if not 1 <= plan.n_workers <= 64:
        raise BadInput(f"{plan.n_workers} workers cannot be.", "Choose 1 to 64.")
    if not is_objective(plan.objective):
        names = ", ".join((*epoch_metrics(), LOSS))
        raise BadInput(f"There is no objective {plan.objective!r}.", f"Choose one of {names}.")


def plan_to_json(plan: StudyPlan) -> Json:
    """The plan as ``plan_of`` reads it."""
    return {**asdict(plan), "axes": space_to_json(plan.axes)}


def plan_of(run: Run) -> StudyPlan:
    """What the study was asked for. Raises DamagedFile."""
    try:
        plan = dict(run.job["plan"])
        found = StudyPlan(**{**plan, "axes": space_from_json(plan["axes"])})
        if not is_objective(found.objective) or not 1 <= found.n_trials <= MOST_TRIALS:
            raise ValueError(f"{found.n_trials!r} trials for {found.objective!r}")
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(
            f"{run.folder / 'run.json'} has no sound search plan ({error}).", "Start a new search."
        ) from error


def study_file(run: Run) -> Path:
    """study.log: Optuna's journal."""
    return run.folder / "study.log"


def importances_file(run: Run) -> Path:
    """importances.json."""
    return run.folder / "importances.json"


def trial_folder(run: Run, number: int) -> Path:
    """Where one trial is kept."""
    return run.folder / "trials" / f"{number:04}"


def trial_events(run: Run, number: int) -> EventLog:
    """What happened in one trial."""
    return EventLog(trial_folder(run, number) / "events.jsonl")


def save_trial(run: Run, record: TrialRecord) -> None:
    """Write trial.json. Raises StorageFailed."""
    write_json(trial_folder(run, record.number) / "trial.json", asdict(record))


def load_trials(run: Run) -> list[TrialRecord]:
    """All trials by number; one whose file is damaged is left out (``damaged_trials``)."""
    return _trials(run)[0]


def damaged_trials(run: Run) -> list[str]:
    """Of each trial whose file cannot be read, which and why."""
    return _trials(run)[1]


def _trials(run: Run) -> tuple[list[TrialRecord], list[str]]:
    found, damaged = [], []
    for file in sorted((run.folder / "trials").glob("*/trial.json")):
        try:
            found.append(_load_trial_once(file, file.stat().st_mtime_ns))
        except DamagedFile as error:
            damaged.append(str(error))
        except (OSError, KeyError, TypeError, ValueError, OverflowError) as error:
            damaged.append(f"{file} tells of no trial ({type(error).__name__}: {error}).")
    return found, damaged


@lru_cache(maxsize=16_384)
def _load_trial_once(file: Path, written_ns: int) -> TrialRecord:
    value = read_json(file)
    best, epoch = value.get("value"), value.get("epoch")
    return TrialRecord(
        number=int(value["number"]),
        params=dict(value["params"]),
        state=TrialState(value["state"]),
        value=None if best is None else float(best),
        epoch=None if epoch is None else int(epoch),
        n_epochs=int(value.get("n_epochs", 0)),
        seconds=float(value.get("seconds", 0.0)),
        error=str(value.get("error", "")),
        cached=bool(value.get("cached", False)),
    )


def load_importances(run: Run) -> dict[str, float]:
    """By field, its share of what differed between trials, the largest first; {} before there are enough."""
    try:
        return {str(name): float(share) for name, share in read_json(importances_file(run)).items()}
    except (DamagedFile, TypeError, ValueError):
        return {}


def ranked(trials: Sequence[TrialRecord], plan: StudyPlan) -> list[TrialRecord]:
    """Finished trials, the best first; of equal ones the quicker."""
    done = [one for one in trials if one.state is TrialState.FINISHED and one.value is not None]
    sign = -1.0 if plan.maximise else 1.0
    return sorted(done, key=lambda one: (sign * float(one.value or 0.0), one.seconds))


def front(trials: Sequence[TrialRecord], plan: StudyPlan) -> list[TrialRecord]:
    """Finished trials that no other beats in both value and time, the quickest first (the Pareto front)."""
    kept: list[TrialRecord] = []
    for one in sorted(ranked(trials, plan), key=lambda trial: trial.seconds):
        better = not kept or (_better(one, kept[-1], plan))
        if better:
            kept.append(one)
    return kept


def _better(one: TrialRecord, other: TrialRecord, plan: StudyPlan) -> bool:
    assert one.value is not None
    assert other.value is not None
    return one.value > other.value if plan.maximise else one.value < other.value


def best_so_far(trials: Sequence[TrialRecord], plan: StudyPlan) -> list[tuple[int, float]]:
    """(number, best value up to there) of the finished trials."""
    found: list[tuple[int, float]] = []
    pick = max if plan.maximise else min
    for one in trials:
        if one.state is TrialState.FINISHED and one.value is not None:
            found.append((one.number, pick(one.value, found[-1][1]) if found else one.value))
    return found


def recipe_of(run: Run, trial: TrialRecord) -> Recipe:
    """The recipe of one trial. Raises BadInput where the values contradict each other."""
    return run.recipe.with_changes(trial.params)


def as_value(run: Run, trials: Sequence[TrialRecord], importances: Mapping[str, float]) -> dict[str, Any]:
    """The study as JSON, as ``tidyset tune --json`` prints it."""
    plan = plan_of(run)
    best = ranked(trials, plan)
    return {
        "run": run.name,
        "data": run.dataset,
        "label_version": run.label_version,
        "objective": plan.objective,
        "space": [axis.text for axis in plan.axes],
        "n_trials": len(trials),
        "n_by_state": {state: sum(one.state is state for one in trials) for state in TrialState},
        "best": _row(best[0]) if best else None,
        "front": [_row(one) for one in front(trials, plan)] if plan.with_cost else None,
        "importances": dict(importances),
        "trials": [_row(one) for one in trials],
    }


def _row(trial: TrialRecord) -> dict[str, Any]:
    row = {**asdict(trial), "state": str(trial.state), "seconds": round(trial.seconds, 2)}
    if not trial.error:
        del row["error"]
    return row


def text_study(value: Mapping[str, Any]) -> str:
    """The study for people."""
    counts = ", ".join(f"{n} {state}" for state, n in value["n_by_state"].items() if n)
    lines = [f"{value['run']}: {value['n_trials']} trials on {value['data']} ({counts})"]
    best = value["best"]
    if best is None:
        return "\n".join([*lines, "  no trial finished"])
    lines.append(f"  best validation {value['objective']} {best['value']:.4f}, trial {best['number']}:")
    lines += [f"    {name} = {_short(setting)}" for name, setting in best["params"].items()]
    if value["importances"]:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in value["importances"].items())
        lines.append(f"  what mattered: {shares}")
    lines.append(
        "  The best of many is flattered by luck on the validation images: train it to see its test figures."
    )
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
