"""The next best step follows the loop: train, review, retrain, prove."""

from __future__ import annotations

from dataclasses import replace

from core.data.dataset import Dataset
from core.runs.recipe import Recipe
from core.runs.store import Run, RunState, RunStatus, create_run, status
from core.workspace import Workspace
from dashboard.next_step import Step, mistakes, next_step


def made(workspace: Workspace, dataset: Dataset, name: str, *events: tuple[str, dict[str, object]]) -> Run:
    run = create_run(workspace, dataset, Recipe(), name=name)
    for kind, fields in events:
        run.events.append(kind, **fields)
    return run


def finished(workspace: Workspace, dataset: Dataset, name: str, accuracy: float = 0.9) -> Run:
    return made(
        workspace,
        dataset,
        name,
        ("started", {"n_test": 1000, "n_val": 500}),
        ("finished", {"test_accuracy": accuracy - 0.1, "valid_accuracy": accuracy, "seconds": 3.0}),
    )


def step(*runs: Run, edits: int = 0) -> Step:
    """The step after ``runs``, newest first, with ``edits`` in all."""
    return next_step([(run, status(run)) for run in runs], lambda version: max(0, edits - version))


def test_without_a_run_train_one() -> None:
    assert step().target == "train"
    assert step().title == "Train a first model"


def test_a_run_with_mistakes_leads_to_them(workspace: Workspace, sample: Dataset) -> None:
    run = finished(workspace, sample, "r1")
    todo = step(run)
    assert (todo.target, todo.run) == ("mistakes", run)
    assert (todo.title, todo.split) == ("Look at the 50 mistakes", "val"), "test images are kept for proofs"
    assert mistakes(status(run)) == (50, "val")


def test_edits_after_the_run_ask_for_a_retraining(workspace: Workspace, sample: Dataset) -> None:
    run = replace(finished(workspace, sample, "r1"), label_version=5)
    assert step(run, edits=5).target == "mistakes"
    todo = step(run, edits=12)
    assert todo.target == "retrain"
    assert todo.why.startswith("7 labels were corrected after r1")


def test_a_retrained_run_leads_to_its_verdict(workspace: Workspace, sample: Dataset) -> None:
    first = finished(workspace, sample, "r1")
    second = replace(finished(workspace, sample, "r2"), parent=first.id, label_version=12)
    todo = step(second, first, edits=12)
    assert (todo.target, todo.run, todo.other) == ("verdict", second, first)


def test_a_run_under_way_is_watched(workspace: Workspace, sample: Dataset) -> None:
    going = made(workspace, sample, "r2", ("launched", {}))
    assert step(going, finished(workspace, sample, "r1")).target == "watch"


def test_a_failed_run_says_why(workspace: Workspace, sample: Dataset) -> None:
    failed = made(workspace, sample, "r1", ("failed", {"error": "The disk is full."}))
    todo = step(failed)
    assert todo.target == "log"
    assert "The disk is full." in todo.why


def test_a_run_without_mistakes_leads_to_the_data(workspace: Workspace, sample: Dataset) -> None:
    assert step(finished(workspace, sample, "r1", accuracy=1.0)).target == "explore"


def ended(started: dict[str, object], **summary: float) -> RunStatus:
    return RunStatus(
        state=RunState.FINISHED,
        share=1.0,
        seconds_left=None,
        epochs=(),
        progress=None,
        started=started,
        summary=dict(summary),
        error="",
        notes=(),
    )


def test_test_images_stand_in_where_nothing_was_validated() -> None:
    assert mistakes(ended({"n_test": 0, "n_val": 200}, valid_accuracy=0.95)) == (10, "val")
    assert mistakes(ended({"n_test": 200, "n_val": 0}, test_accuracy=0.9)) == (20, "test")
    assert mistakes(ended({})) == (0, None)
