"""A network of which something is no finite number is no result, whatever the loss says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import TrainingFailed
from core.runs.recipe import Recipe
from core.training.finite import check_probabilities, not_finite
from core.training.inference import predict
from core.training.loop import Trainer, fit

Break = Callable[[Trainer], None]


def weight(trainer: Trainer) -> None:
    next(iter(trainer.model.parameters()))[0] = float("nan")


def infinite(trainer: Trainer) -> None:
    list(trainer.model.parameters())[-1][0] = float("inf")


def statistic(trainer: Trainer) -> None:
    """Probabilities stay finite: what is divided by infinity is 0."""
    next(b for name, b in trainer.model.named_buffers() if name.endswith("running_var"))[0] = float("inf")


def average(trainer: Trainer) -> None:
    assert trainer.average
    next(iter(trainer.average.model.parameters()))[0] = float("nan")


def break_after(monkeypatch: pytest.MonkeyPatch, n_steps: int, how: Break) -> None:
    step, done = Trainer.train_step, 0

    def broken(self: Trainer, positions: Any) -> None:
        nonlocal done
        step(self, positions)
        done += 1
        if done == n_steps:
            with torch.no_grad():
                how(self)

    monkeypatch.setattr(Trainer, "train_step", broken)


def run(shapes: Any, recipe: Recipe, **arguments: Any) -> Any:
    return fit(shapes.pixels, shapes.labels, shapes.parts, shapes.classes, recipe, **arguments)


CHANGES = {"model": "small-resnet", "width": 4, "epochs": 2, "batch_size": 60, "ema_decay": 0.9}


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("how", [weight, infinite, statistic, average])
def test_what_broke_in_the_last_step_fails_the_training(
    shapes: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, how: Break, keep: str
) -> None:
    break_after(monkeypatch, 8, how)
    with pytest.raises(
        TrainingFailed,
        match=r"overflowed or became NaN in epoch 2\. Lower learning_rate .*gradient_clip to 1",
    ):
        run(shapes, recipe.with_changes({**CHANGES, "keep": keep}))


def test_without_validation_images_too(shapes: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    break_after(monkeypatch, 8, weight)
    parts = replace(shapes.parts, val=shapes.parts.val[:0])
    with pytest.raises(TrainingFailed, match="overflowed or became NaN"):
        fit(shapes.pixels, shapes.labels, parts, shapes.classes, recipe.with_changes(CHANGES))


def test_a_broken_state_is_not_kept(
    shapes: Any, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    break_after(monkeypatch, 2, weight)
    path = tmp_path / "checkpoint.safetensors"
    asked = iter([False, True])
    with pytest.raises(TrainingFailed):
        run(shapes, recipe.with_changes(CHANGES), checkpoint_file=path, should_stop=lambda: next(asked))
    assert not path.exists()


def test_probabilities_that_are_no_numbers_are_not_told(shapes: Any, recipe: Recipe) -> None:
    result = run(shapes, recipe.with_changes({**CHANGES, "epochs": 1}))
    with torch.no_grad():
        next(iter(result.model.parameters()))[0] = float("nan")
    with pytest.raises(TrainingFailed, match=r"for 60 of 60 images\. Train again with a lower learning_rate"):
        predict(result.model, result.card, shapes.pixels, shapes.parts.test, result.machine)


def test_what_is_checked() -> None:
    nan, inf = torch.tensor([0.0, float("nan")]), torch.tensor([float("-inf")])
    assert not_finite({"a": torch.zeros(3), "b": nan, "c": inf}) == ["b", "c"]
    assert not_finite({}) == []
    check_probabilities(np.ones((2, 2), np.float32))
    check_probabilities(np.ones((0, 2), np.float32))
