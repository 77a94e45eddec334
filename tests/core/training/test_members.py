"""Members of an ensemble side by side: the same networks as one by one; stopped, gone on with, failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import TrainingFailed
from core.files import read_array, write_array
from core.runs.recipe import Recipe
from core.training.inference import predict
from core.training.loop import FitResult
from core.training.stages import fit_stages

Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def pair(recipe: Recipe) -> Recipe:
    return recipe.with_changes({"members": 2, "epochs": 2, "threads": 2, "device": "cpu"})


def train(shapes: Any, recipe: Recipe, folder: Path, **arguments: Any) -> tuple[FitResult, Events]:
    """An ensemble on the shapes, read from a file as in a run."""
    folder.mkdir(exist_ok=True)
    write_array(folder / "pixels.npy", shapes.pixels)
    events: Events = []
    result = fit_stages(
        read_array(folder / "pixels.npy"),
        shapes.labels,
        shapes.parts,
        shapes.classes,
        recipe,
        lambda type_, **fields: events.append((type_, fields)),
        checkpoint_file=folder / "checkpoint",
        **arguments,
    )
    return result, events


def probs(shapes: Any, result: FitResult) -> Any:
    return predict(result.model, result.card, shapes.pixels, shapes.parts.test, result.machine).pred_probs


def told(events: Events, type_: str) -> list[dict[str, Any]]:
    return [fields for name, fields in events if name == type_]


def test_side_by_side_gives_what_one_after_another_gives(shapes: Any, pair: Recipe, tmp_path: Path) -> None:
    alone, one_by_one = train(shapes, pair.with_changes({"threads": 1}), tmp_path / "alone")
    both, events = train(shapes, pair, tmp_path / "both")

    np.testing.assert_allclose(probs(shapes, both), probs(shapes, alone), atol=1e-5)
    assert [e["epoch"] for e in told(events, "epoch")] == [0, 1, 2, 3]
    assert [e["epoch"] for e in told(one_by_one, "epoch")] == [0, 1, 2, 3]
    assert len(told(events, "started")) == 1
    assert all(0 < e["share"] <= 1 for e in told(events, "progress") if "share" in e)
    assert not list(tmp_path.glob("both/*.task"))


def test_what_was_stopped_side_by_side_goes_on(shapes: Any, pair: Recipe, tmp_path: Path) -> None:
    whole, _ = train(shapes, pair.with_changes({"threads": 1}), tmp_path / "whole")
    stopped, _ = train(shapes, pair, tmp_path / "broken", should_stop=lambda: True)
    assert stopped.stopped
    assert (tmp_path / "broken" / "stage-1.checkpoint").exists()
    result, events = train(shapes, pair, tmp_path / "broken")

    assert not result.stopped
    assert len(told(events, "ensemble")) == 1
    # the step on which it stopped was made with two threads, which sum in another order
    np.testing.assert_allclose(probs(shapes, result), probs(shapes, whole), atol=0.1)


def test_what_hinders_one_member_is_said_as_of_one_network(shapes: Any, pair: Recipe, tmp_path: Path) -> None:
    wild = pair.with_changes({"optimizer": "sgd", "learning_rate": 10, "weight_decay": 1, "epochs": 30})
    with pytest.raises(TrainingFailed, match=r"became NaN in epoch \d+. Lower learning_rate"):
        train(shapes, wild, tmp_path / "wild")
