"""How long a run will take: judged by runs of the same model on images of the same shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.data.dataset import Dataset
from core.runs.estimate import Estimate, estimate
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run, list_runs
from core.workspace import Workspace

RECIPE = Recipe(epochs=10, validation_share=0.1)


def ran(workspace: Workspace, dataset: Dataset, *seconds: float, **changes: Any) -> Run:
    """A finished run whose epochs took this long, on 4,500 images."""
    run = create_run(workspace, dataset, RECIPE.with_changes(changes))
    run.events.append("started", n_train=4_500, epochs=len(seconds))
    for epoch, taken in enumerate(seconds):
        run.events.append("epoch", epoch=epoch, seconds=taken)
    run.events.append("finished", seconds=sum(seconds))
    return run


def expected(workspace: Workspace, dataset: Dataset, recipe: Recipe = RECIPE) -> Estimate | None:
    shape = dataset.images.uniform
    runs = list_runs(workspace, kind=None)
    return estimate(recipe, 5_000, shape, runs, fingerprint=dataset.fingerprint)


def without_shape(run: Run) -> None:
    """As runs were written before they said the shape of their images."""
    file = run.folder / "run.json"
    about = json.loads(file.read_text())
    del about["job"]
    file.write_text(json.dumps(about))


def test_nothing_tells_before_the_first_run(workspace: Workspace, sample: Dataset) -> None:
    assert expected(workspace, sample) is None


def test_it_is_the_median_epoch_of_like_runs(workspace: Workspace, sample: Dataset) -> None:
    ran(workspace, sample, 9.0, 5.0, 4.0)
    ran(workspace, sample, 6.0, learning_rate=0.01, epochs=3)
    found = expected(workspace, sample)
    assert found is not None
    assert found.n_runs == 2
    assert found.seconds == pytest.approx(10 * 4_500 / ((4_500 / 5.0 + 4_500 / 6.0) / 2))


@pytest.mark.parametrize(
    "changes",
    [{"model": "small-resnet"}, {"width": 8}, {"image_size": 14}, {"precision": "bf16"}, {"threads": 1}],
)
def test_runs_of_another_kind_say_nothing(
    workspace: Workspace, sample: Dataset, changes: dict[str, Any]
) -> None:
    ran(workspace, sample, 5.0, **changes)
    assert expected(workspace, sample) is None


def test_more_images_or_epochs_take_longer(workspace: Workspace, sample: Dataset) -> None:
    ran(workspace, sample, 5.0)
    one, two = expected(workspace, sample), expected(workspace, sample, RECIPE.with_changes({"epochs": 20}))
    assert one is not None
    assert two is not None
    assert two.seconds == pytest.approx(2 * one.seconds)


def test_starting_and_predicting_are_added(workspace: Workspace, sample: Dataset) -> None:
    run = ran(workspace, sample, 5.0)
    events = [{"type": "launched", "at": 100.0}, *run.events.read()[0]]
    events[-1]["at"] = 113.0  # 5 seconds of training, 8 of all else
    run.events_file.write_text("".join(json.dumps(event) + "\n" for event in events))
    found = expected(workspace, sample)
    assert found is not None
    assert found.seconds == pytest.approx(10 * 5.0 + 8.0)


def test_a_run_that_was_broken_off_counts_by_its_epochs_alone(workspace: Workspace, sample: Dataset) -> None:
    run = create_run(workspace, sample, RECIPE)
    for _ in range(2):
        run.events.append("launched")
        run.events.append("started", n_train=4_500, epochs=10)
    run.events.append("epoch", epoch=0, seconds=5.0)
    found = expected(workspace, sample)
    assert found is not None
    assert found.seconds == pytest.approx(50.0)


def test_old_runs_count_on_the_data_they_were_made_on(workspace: Workspace, sample: Dataset) -> None:
    without_shape(ran(workspace, sample, 5.0))
    assert expected(workspace, sample) is not None
    runs = list_runs(workspace)
    assert estimate(RECIPE, 5_000, sample.images.uniform, runs, fingerprint="0" * 32) is None


def test_a_damaged_recipe_is_passed_over(workspace: Workspace, sample: Dataset) -> None:
    ran(workspace, sample, 5.0).recipe_file.write_text("epochs = many")
    assert expected(workspace, sample) is None
