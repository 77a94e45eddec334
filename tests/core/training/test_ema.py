"""The moving average against a plain one in NumPy that averages after every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core.runs.recipe import Recipe
from core.training import loop
from core.training.ema import WeightAverage
from core.training.loop import FitResult, Trainer, fit

State = dict[str, NDArray[np.float64]]


def plain_average(states: list[State], decay: float) -> State:
    """Of the state before the first step and after each one."""
    average = states[0]
    for step, state in enumerate(states[1:]):
        d = min(decay, (1 + step) / (10 + step))
        average = {name: d * average[name] + (1 - d) * state[name] for name in average}
    return average


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """The trained network's tensors before the first step and after each, of the next training."""
    seen: list[State] = []

    def note(trainer: Trainer) -> None:
        seen.append({k: v.double().numpy().copy() for k, v in trainer.model.state_dict().items()})

    begin, step = Trainer.start_alike, Trainer.train_step

    def noted_begin(self: Trainer) -> None:
        begin(self)
        note(self)

    def noted_step(self: Trainer, positions: Any) -> None:
        step(self, positions)
        note(self)

    monkeypatch.setattr(loop.Trainer, "start_alike", noted_begin)
    monkeypatch.setattr(loop.Trainer, "train_step", noted_step)
    return seen


def train(shapes: Any, recipe: Recipe) -> FitResult:
    return fit(shapes.pixels, shapes.labels, shapes.parts, shapes.classes, recipe)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 6, 30])
def test_the_average_is_that_of_every_step(
    shapes: Any, recipe: Recipe, states: list[State], n_steps: int
) -> None:
    n_epochs = 1 if n_steps <= 6 else 5
    size = len(shapes.parts.train) * n_epochs // n_steps
    changes = {"model": "small-resnet", "width": 4, "keep": "last", "ema_decay": 0.8, "dropout": 0}
    recipe = recipe.with_changes({**changes, "batch_size": size, "epochs": n_epochs})
    result = train(shapes, recipe)
    assert len(states) == n_steps + 1
    right = plain_average(states, 0.8)
    batches = [name for name in right if name.endswith("num_batches_tracked")]
    assert any(name.endswith("running_var") for name in right)
    for name, tensor in result.model.state_dict().items():
        if name in batches:
            assert int(tensor) == n_steps
        else:
            np.testing.assert_allclose(tensor, right[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_frozen_weights_are_left_alone() -> None:
    from core.models import ModelCard, build

    card = ModelCard("plain-cnn", 2, ("a", "b"), 1, 8, 8, (0.0,), (1.0,))
    model = build(card)
    frozen = next(iter(model.parameters())).requires_grad_(False)
    average = WeightAverage(model, 0.5)
    with torch.no_grad():
        frozen += 1
    average.update(100)
    kept = next(iter(average.model.parameters()))
    assert torch.equal(kept + 1, frozen)
