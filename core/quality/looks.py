"""How often the same edits were put to the proof; every look after the first must pay for it.

Whoever adds seeds, or changes the recipe, until p is below 0.05 gets there sooner or later although nothing
differs: of null worlds with five looks each, 6 to 14 % show a "gain" (benchmarks/prove_null.py --looks). So
each verdict is written down in the workspace's proofs.jsonl, which outlives the runs, and look k is judged
with p multiplied by k (k + 1) / 2. The levels of all looks then sum to at most twice 5 %; in the same worlds,
whose looks share their images and seeds, 1 to 6 % remain.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import open_dataset
from core.evaluation.proof import look_penalty
from core.files import Json, digest
from core.people.acting import allow
from core.people.roles import Right
from core.quality.arms import TEST_ROLE, EditSet
from core.runs.events import EventLog
from core.runs.store import Run
from core.workspace import Workspace

FILE = "proofs.jsonl"
_LOOK = "look"


@dataclass(frozen=True, slots=True)
class Look:
    """One time that edits were put to the proof.

    Attributes:
        trial: Names recipe and seeds: the same trial again is no new look.
        p_value: On the labels as given, not adjusted.
        at: Unix time.
    """

    trial: str
    run_id: str
    run_name: str
    n_seeds: int
    p_value: float
    at: float


def question_of(fingerprint: str, split: NDArray[np.int8], edits: EditSet) -> str:
    """Names what a proof asks: whether these edits of training labels, on this data set, help.

    Args:
        fingerprint, split: Of the data set.
    """
    changed = np.flatnonzero(edits.changed & (np.asarray(split) != TEST_ROLE))
    return digest(fingerprint, changed, edits.after[changed], edits.excluded_after[changed])


def trial_of(run: Run) -> str:
    """Names the trainings of a proof: its recipe and its seeds."""
    recipe = run.recipe.model_dump(exclude={"seed"})
    return digest(recipe, sorted(run.job["seeds"]))


def looks_at(workspace: Workspace, question: str) -> list[Look]:
    """The verdicts on the same edits so far, oldest first; of the same trial the first."""
    found: dict[str, Look] = {}
    for event in EventLog(workspace.root / FILE).read()[0]:
        if event["type"] == _LOOK and event.get("question") == question:
            with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):  # a damaged line
                seen = Look(
                    str(event["trial"]),
                    str(event["run"]),
                    str(event["name"]),
                    int(event["n_seeds"]),
                    float(event["p_value"]),
                    float(event["at"]),
                )
                found.setdefault(seen.trial, seen)
    return list(found.values())


def n_unreadable(workspace: Workspace) -> int:
    """How many lines of the file are damaged, and so are looks that nobody can count any more."""
    return EventLog(workspace.root / FILE).n_damaged()


def looks_at_edits(workspace: Workspace, base: Run, edits: EditSet) -> list[Look]:
    """The verdicts so far on ``edits``, on the data set of ``base``; oldest first."""
    if not (workspace.root / FILE).exists():
        return []
    dataset = open_dataset(workspace, base.dataset)
    return looks_at(workspace, question_of(dataset.fingerprint, dataset.split, edits))


def record_look(workspace: Workspace, question: str, run: Run, p_value: float) -> None:
    """Write down that a verdict is out. Raises StorageFailed."""
    allow(workspace, Right.RUN)
    EventLog(workspace.root / FILE).append(
        _LOOK,
        question=question,
        trial=trial_of(run),
        run=run.id,
        name=run.name,
        n_seeds=len(run.job["seeds"]),
        p_value=p_value,
    )


def earlier_than(run: Run, looks: list[Look]) -> list[Look]:
    """Those before the trial of ``run``; all of them when it is a new one."""
    trials = [look.trial for look in looks]
    own = trial_of(run)
    return looks[: trials.index(own)] if own in trials else looks


def about_looks(earlier: list[Look]) -> Json:
    """What the result tells of earlier looks: their number, what they found, and the warning or None."""
    number = len(earlier) + 1
    return {
        "number": number,
        "penalty": look_penalty(number),
        "earlier": [
            {"run": look.run_name, "n_seeds": look.n_seeds, "p_value": look.p_value, "at": look.at}
            for look in earlier
        ],
        "warning": warning(earlier) if earlier else None,
    }


def warning(earlier: list[Look]) -> str:
    """What to know before putting the same edits to the proof again."""
    n = len(earlier)
    times = "once" if n == 1 else "twice" if n == 2 else f"{n} times"
    found = ", ".join(
        f"{look.run_name} with {look.n_seeds} seeds: p = {look.p_value:.3f}" for look in earlier
    )
    return (
        f"These edits were put to the proof {times} before ({found}). Adding seeds until p is small finds "
        f"gains that are not there, so at look {n + 1} p counts {look_penalty(n + 1)} times."
    )
