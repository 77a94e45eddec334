"""The next best step with a data set: a pure function of its runs and its label edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.runs.store import Run, RunState, RunStatus
from dashboard.run_figures import right_share
from dashboard.wording import counted

Target = Literal["watch", "train", "log", "retrain", "verdict", "mistakes", "explore"]


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next.

    Attributes:
        target: Where its button leads.
        title: The button's text, an imperative.
        why: One sentence on why this, with the numbers behind it.
        run: The run it is about.
        other: The run to compare with, for a verdict.
        split: The part of the data whose mistakes to look at.
    """

    target: Target
    title: str
    why: str
    run: Run | None = None
    other: Run | None = None
    split: str | None = None


def next_step(runs: Sequence[tuple[Run, RunStatus]], corrections_since: Callable[[int], int]) -> Step:
    """The step that brings the loop on: train, look at the mistakes, correct, retrain, prove.

    Args:
        runs: The data set's training runs on its present content, newest first, each with its status.
        corrections_since: How many labels to train on have changed after a label version.
    """
    for run, status in runs:
        if status.state.active:
            return Step("watch", f"Watch {run.name}", f"{run.name} is training right now.", run)
    finished = [(run, status) for run, status in runs if status.state is RunState.FINISHED]
    if not finished:
        return _without_a_model(runs)
    run, status = finished[0]
    corrected = corrections_since(run.label_version)
    if corrected > 0:
        labels = counted(corrected, "label was", "labels were")
        why = f"{labels} corrected after {run.name} was trained: train it again to see the effect."
        return Step("retrain", "Retrain on the corrected labels", why, run)
    parent = next((other for other, _ in finished if other.id == run.parent), None)
    if parent is not None:
        why = f"{run.name} repeats {parent.name} on corrected labels: is the difference more than chance?"
        return Step("verdict", "Read the verdict", why, run, parent)
    n_wrong, split = mistakes(status)
    if n_wrong:
        why = f"Where {run.name} is sure and disagrees with the label, the label may be wrong."
        return Step(
            "mistakes",
            f"Look at the {counted(n_wrong, 'mistake')}",
            f"{why} The most confident come first.",
            run,
            split=split,
        )
    why = (
        f"{run.name} makes no mistake on images that it was not fitted to: look for leaks between the splits."
    )
    return Step("explore", "Explore the data", why, run)


def mistakes(status: RunStatus) -> tuple[int, str | None]:
    """How many validation images a finished run got wrong, where images have several labels any of them, and
    "val"; of test, where nothing was validated.

    Decisions are made on validation images: labels corrected by looking at a model's mistakes favour that
    model, and test images should stay clear of that as long as there are others.
    """
    started = status.started or {}
    for split, name in (("val", "valid"), ("test", "test")):
        right = right_share(status.summary, name)
        n = started.get(f"n_{split}")
        if right is not None and n:
            return round((1 - right) * int(n)), split
    return 0, None


def _without_a_model(runs: Sequence[tuple[Run, RunStatus]]) -> Step:
    if runs:
        run, status = runs[0]
        why = {
            RunState.FAILED: f"{run.name} failed: {status.error}",
            RunState.LOST: f"{run.name} ended without a word; it can go on from its checkpoint.",
        }.get(status.state, f"{run.name} was stopped; it can go on from where it was.")
        return Step("log", f"See what became of {run.name}", why, run)
    why = "There is no model yet: a first one shows which classes are hard and which labels look wrong."
    return Step("train", "Train a first model", why)
