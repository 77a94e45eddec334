"""How often the same test images were asked for a verdict; looks that found nothing are paid for.

Whoever adds edits, adds seeds or changes the recipe until p is below 0.05 gets there sooner or later although
nothing differs: five proofs of growing useless edits find something in 15 to 20 % of worlds. So each verdict
is written down in the workspace's proofs.jsonl, which outlives the runs, in the account of its test images.
The first look is judged at 0.045, and what is left of 0.05 is shared by all later ones; a look that ended
with a verdict costs nothing (core.evaluation.proof.look_level has the rule and its source).

The account is that of the images, by their content: importing them again, retraining, another recipe or other
edits open no new one. Test sets that share most of their images share the account.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.catalog import open_dataset
from core.data.dataset import SPLITS, Dataset
from core.errors import TidysetError
from core.evaluation.proof import look_level, look_penalty
from core.files import Json, digest
from core.people.acting import allow
from core.people.roles import Right
from core.quality.arms import TEST_ROLE, EditSet
from core.runs.events import EventLog
from core.runs.store import Run, find_run
from core.workspace import Workspace

FILE = "proofs.jsonl"
SKETCH = 64
SHARED = 0.5
"""Test sets with this share of their images in common (Jaccard) have one account."""
_LOOK, _COMPARISON = "look", "comparison"
Sketch = frozenset[str]


@dataclass(frozen=True, slots=True)
class Look:
    """One time that test images were asked for a verdict.

    Attributes:
        question: Names the edits and the labels before them.
        trial: Names recipe and seeds: the same trial of the same question again is no new look.
        p_value: On the labels as given, not adjusted.
        at: Unix time.
    """

    question: str
    trial: str
    run_id: str
    run_name: str
    n_seeds: int
    p_value: float
    at: float


def account_of(dataset: Dataset) -> Sketch:
    """Names the test images by their content: the 64 smallest hashes of different images.

    Two such sketches tell how many images two sets have in common (Broder, On the resemblance and containment
    of documents, 1997).
    """
    test = np.flatnonzero(np.asarray(dataset.split) == SPLITS.index("test"))
    # Half of a hash tells images apart, and sorting a million numbers takes a tenth of a second.
    halves = np.ascontiguousarray(dataset.content_hashes[test, :8]).view(">u8")[:, 0]
    return frozenset(f"{one:016x}" for one in np.unique(halves)[:SKETCH].tolist())


def same_images(one: Sketch, other: Sketch) -> bool:
    """Whether the sets of two sketches share most of their images."""
    smallest = sorted(one | other)[:SKETCH]
    return bool(smallest) and len(one & other & set(smallest)) >= SHARED * len(smallest)


def question_of(fingerprint: str, split: NDArray[np.int8], edits: EditSet) -> str:
    """Names what a proof asks: whether these edits of training labels, on this data set, help.

    Args:
        fingerprint, split: Of the data set.
    """
    trained = np.asarray(split) != TEST_ROLE
    labels = edits.before[trained], edits.after[trained]
    return digest(fingerprint, *labels, edits.excluded_before[trained], edits.excluded_after[trained])


def trial_of(run: Run) -> str:
    """Names the trainings of a proof: its recipe and its seeds."""
    recipe = run.recipe.model_dump(exclude={"seed"})
    return digest(recipe, sorted(run.job["seeds"]))


def looks_at(workspace: Workspace, dataset: Dataset) -> list[Look]:
    """The verdicts so far on the test images of ``dataset``, oldest first; of the same trial the first."""
    file = workspace.root / FILE
    if not file.exists():
        return []
    own = account_of(dataset)
    found: dict[tuple[str, str], Look] = {}
    for event in EventLog(file).read()[0]:
        if event["type"] != _LOOK:
            continue
        with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):  # a damaged line
            if _is_about(workspace, dataset, own, event):
                seen = Look(
                    str(event["question"]),
                    str(event["trial"]),
                    str(event["run"]),
                    str(event["name"]),
                    int(event["n_seeds"]),
                    float(event["p_value"]),
                    float(event["at"]),
                )
                found.setdefault((seen.question, seen.trial), seen)
    return list(found.values())


def _is_about(workspace: Workspace, dataset: Dataset, own: Sketch, event: Json) -> bool:
    """Whether a line is about these test images.

    Lines of before there were accounts name only their run: they count where the run is of this data set,
    and where it is gone, since nobody can tell any more.
    """
    if "images" in event:
        return same_images(own, frozenset(map(str, event["images"])))
    try:
        return find_run(workspace, str(event["run"])).fingerprint == dataset.fingerprint
    except TidysetError:
        return True


def n_unreadable(workspace: Workspace) -> int:
    """How many lines of the file are damaged, and so are looks that nobody can count any more."""
    return EventLog(workspace.root / FILE).n_damaged()


def looks_before(workspace: Workspace, base: Run) -> list[Look]:
    """The verdicts so far on the test images of the data set of ``base``; oldest first."""
    if not (workspace.root / FILE).exists():
        return []
    return looks_at(workspace, open_dataset(workspace, base.dataset))


def record_look(workspace: Workspace, dataset: Dataset, question: str, run: Run, p_value: float) -> None:
    """Write down that a verdict is out. Raises StorageFailed."""
    allow(workspace, Right.RUN)
    EventLog(workspace.root / FILE).append(
        _LOOK,
        images=sorted(account_of(dataset)),
        question=question,
        trial=trial_of(run),
        run=run.id,
        name=run.name,
        n_seeds=len(run.job["seeds"]),
        p_value=p_value,
    )


def earlier_than(run: Run, question: str, looks: Sequence[Look]) -> list[Look]:
    """Those before the trial of ``run``; all of them when it is a new one."""
    trials = [(look.question, look.trial) for look in looks]
    own = (question, trial_of(run))
    return list(looks[: trials.index(own)] if own in trials else looks)


def look_number(earlier: Sequence[Look]) -> int:
    """At which level the next look stands: 1 more than the earlier ones that ended without a verdict."""
    number = 1
    for look in earlier:
        number += look.p_value >= look_level(number)
    return number


def about_looks(earlier: Sequence[Look]) -> Json:
    """What the result shows of earlier looks: their number, the level, and the warning or None."""
    number = look_number(earlier)
    return {
        "number": len(earlier) + 1,
        "without_verdict": number - 1,
        "level": look_level(number),
        "penalty": look_penalty(number),
        "earlier": [
            {"run": look.run_name, "n_seeds": look.n_seeds, "p_value": look.p_value, "at": look.at}
            for look in earlier
        ],
        "warning": warning(earlier) if earlier else None,
    }


def warning(earlier: Sequence[Look]) -> str:
    """What to know before asking the same test images again."""
    n, number = len(earlier), look_number(earlier)
    times = "once" if n == 1 else "twice" if n == 2 else f"{n} times"
    found = ", ".join(
        f"{look.run_name} with {look.n_seeds} seeds: p = {look.p_value:.3f}" for look in earlier[-5:]
    )
    more = "the last five: " if n > 5 else ""
    cost = (
        f"{number - 1} of them found no significant difference, so p must now be below "
        f"{look_level(number):.2g}"
        if number > 1
        else f"all found a significant difference, so the level stays at {look_level(number):.3f}"
    )
    return (
        f"These test images were used for a verdict {times} before ({more}{found}). Repeated looks find "
        f"differences that are not there; {cost}. New test images start again."
    )


def record_comparison(workspace: Workspace, dataset: Dataset, run_a: Run, run_b: Run) -> int:
    """How many pairs of runs were compared on these test images, this one included; written down once.

    A comparison is no look: it asks which of two models is better, once each, and is not adjusted. Who
    compares many and keeps the best must know how many there were.
    """
    own, pair = account_of(dataset), sorted((run_a.id, run_b.id))
    log = EventLog(workspace.root / FILE)
    pairs = {tuple(pair)}
    for event in log.read()[0] if (workspace.root / FILE).exists() else ():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            if event["type"] == _COMPARISON and same_images(own, frozenset(map(str, event["images"]))):
                pairs.add((str(event["runs"][0]), str(event["runs"][1])))
                if list(event["runs"]) == pair:
                    pair = []
    if pair:
        with contextlib.suppress(TidysetError):  # whoever may only look still compares
            allow(workspace, Right.RUN)
            log.append(_COMPARISON, images=sorted(own), runs=pair)
    return len(pairs)
