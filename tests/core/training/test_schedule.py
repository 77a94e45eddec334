from __future__ import annotations

from typing import Any

import pytest
import torch

from core.runs.recipe import make_recipe
from core.training.schedule import Patience, learning_rate


def rates(n: int = 100, **changes: Any) -> list[float]:
    recipe = make_recipe({"learning_rate": 1.0, **changes})
    return [learning_rate(recipe, step, n) for step in range(n)]


def test_one_cycle_follows_torchs() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], 1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=1000, pct_start=0.2, div_factor=10, final_div_factor=1000
    )
    theirs = []
    for _ in range(1000):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates(1000, schedule="one-cycle") == pytest.approx(theirs, abs=0.01)


def test_cosine_rises_in_the_warm_up_and_falls_to_nothing() -> None:
    values = rates(schedule="cosine", warmup_share=0.1)
    assert values[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert max(values) == values[9] == 1.0
    assert values[10:] == sorted(values[10:], reverse=True)
    assert values[-1] < 0.001


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant", "plateau"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_shortest_runs_have_a_rate(schedule: str, n: int) -> None:
    assert all(0 < value <= 1 for value in rates(n, schedule=schedule))


def after(losses: list[float], **changes: Any) -> list[str]:
    patience = Patience()
    recipe = make_recipe(changes)
    return [patience.after(recipe, epoch, loss) for epoch, loss in enumerate(losses)]


def test_early_stopping_counts_epochs_without_a_lower_loss() -> None:
    decisions = after([3, 2, 2.5, 1.9, 2, 2, 2], early_stopping_patience=3)
    assert decisions == ["go on"] * 6 + ["stop"]


def test_the_plateau_rule_lowers_the_rate_again_and_again() -> None:
    decisions = after([1.0] + [2.0] * 6, schedule="plateau", plateau_patience=2)
    assert decisions == ["go on", "go on", "lower", "go on", "lower", "go on", "lower"]


def test_early_stopping_gives_the_lower_rate_its_chance() -> None:
    decisions = after([1.0] + [2.0] * 8, schedule="plateau", plateau_patience=3, early_stopping_patience=2)
    assert decisions[3] == "lower"
    assert decisions.index("stop") == 6


def test_no_number_counts_as_no_improvement() -> None:
    assert after([float("nan")] * 3, early_stopping_patience=2)[-1] == "stop"
