"""The points of a run's curves: steps at first, then an epoch each, never too many."""

from __future__ import annotations

import pytest

from core.data.dataset import Dataset
from core.runs.curves import MOST_POINTS, curves, thinned
from core.runs.recipe import PRESETS
from core.runs.store import Run, create_run
from core.workspace import Workspace


@pytest.fixture
def run(workspace: Workspace, sample: Dataset) -> Run:
    run = create_run(workspace, sample, PRESETS["fast"])
    run.events.append("started", epochs=2)
    return run


def step(run: Run, epoch: int, number: int, loss: float) -> None:
    run.events.append("progress", epoch=epoch, step=number, n_steps=10, share=0.1, train_loss=loss)


def test_a_curve_grows_within_the_first_epoch(run: Run) -> None:
    step(run, 0, 2, 2.0)
    step(run, 0, 5, 1.5)
    found = curves(run)
    assert found["train_loss"] == [(0.2, 2.0), (0.5, 1.5)]
    assert found["valid_loss"] == []


def test_an_epoch_stands_for_its_steps(run: Run) -> None:
    step(run, 0, 5, 1.5)
    run.events.append("epoch", epoch=0, train_loss=1.2, valid_loss=1.0, valid_macro_f1=None)
    step(run, 1, 1, 1.1)
    found = curves(run)
    assert found["train_loss"] == [(1.0, 1.2), (1.1, 1.1)]
    assert found["valid_loss"] == [(1.0, 1.0)]
    assert found["valid_macro_f1"] == []


def test_after_a_resume_what_was_lost_is_gone(run: Run) -> None:
    run.events.append("epoch", epoch=0, train_loss=1.0)
    run.events.append("epoch", epoch=1, train_loss=0.5)
    step(run, 2, 5, 0.4)
    run.events.append("started", epochs=3, resumed_from=1)
    assert curves(run)["train_loss"] == [(1.0, 1.0), (2.0, 0.5)]
    run.events.append("epoch", epoch=1, train_loss=0.6)
    assert curves(run)["train_loss"] == [(1.0, 1.0), (2.0, 0.6)]


def rate(run: Run, epoch: int, number: int, value: float) -> None:
    run.events.append("progress", epoch=epoch, step=number, n_steps=10, learning_rate=value)


def test_a_warm_up_within_the_first_epoch_stays_visible(run: Run) -> None:
    rate(run, 0, 2, 0.1)
    rate(run, 0, 5, 0.3)
    run.events.append("epoch", epoch=0, learning_rate=0.2, train_loss=1.0)
    rate(run, 1, 5, 0.1)
    found = curves(run)
    assert found["learning_rate"] == [(0.2, 0.1), (0.5, 0.3), (1.0, 0.2), (1.5, 0.1)]
    run.events.append("started", epochs=2, resumed_from=1)
    assert curves(run)["learning_rate"] == [(0.2, 0.1), (0.5, 0.3), (1.0, 0.2)]
    run.events.append("started", epochs=2, resumed_from=None)
    assert curves(run)["learning_rate"] == [(1.0, 0.2)], "it starts over"


def test_predicting_has_no_steps(run: Run) -> None:
    run.events.append("progress", share=1.0, seconds_left=None, text="Predicting, 10 %")
    assert all(points == [] for points in curves(run).values())


@pytest.mark.parametrize("n", [0, 1, 499, 500, 501, 999, 1_000, 12_345])
def test_points_are_thinned_and_the_last_is_kept(n: int) -> None:
    points = [(float(i), float(i)) for i in range(n)]
    few = thinned(points)
    assert len(few) <= MOST_POINTS
    assert few[:1] == points[:1]
    assert few[-1:] == points[-1:]
    assert few == sorted(set(few))
