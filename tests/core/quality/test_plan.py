"""How many seeds and test images a wished gain needs: against the power of the test itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.crossed import crossed
from core.evaluation.proof import FIRST_LEVEL
from core.quality.plan import Guess, images_needed, needed, plan_proof
from core.workspace import Workspace
from tests.finished_runs import finished_run

GUESS = Guess(luck=0.005, discordance=0.1, source="a guess")


def test_what_is_planned_has_a_power_of_80_percent() -> None:
    """Worlds of the planned size, with the luck and the disagreements that were guessed, and the gain."""
    rng, seeds, gain = np.random.default_rng(0), 5, 0.03
    n = math.ceil(images_needed(GUESS, gain, seeds))
    found = 0
    for _ in range(200):
        luck = rng.normal(0, GUESS.luck, (4, seeds, 1))
        of_item = rng.normal(0, math.sqrt(GUESS.discordance / 4), (4, 1, n))
        rest = rng.normal(0, math.sqrt(GUESS.discordance / 4), (4, seeds, n))
        values = luck + of_item + rest
        values[1] += gain
        found += crossed(values, 0, 1).p_value < FIRST_LEVEL
    assert 0.72 <= found / 200 <= 0.97


def test_small_gains_get_at_least_five_seeds_and_never_more_images_than_needed() -> None:
    assert needed(GUESS, 0.01, 10**6)[0] >= 5
    assert needed(GUESS, 0.05, 10**6)[0] == 3
    seeds, images = needed(GUESS, 0.01, 500)
    assert seeds == 10
    assert images > 500
    assert images_needed(GUESS, 0.01, 20) < images_needed(GUESS, 0.01, 10)
    assert math.isinf(images_needed(Guess(0.02, 0.1, ""), 0.01, 5)), "luck alone hides it"
    with pytest.raises(BadInput, match="Luck of the seed"):
        needed(Guess(0.2, 0.1, ""), 0.01, 10**6)


def test_a_plan_of_a_run(workspace: Workspace, sample: Dataset) -> None:
    base = finished_run(workspace, sample, "base", epochs=1)
    plan = plan_proof(workspace, base, 0.01)
    value = plan.to_json()
    assert {"seeds", "test_images", "minutes"} <= set(value)
    assert 5 <= plan.seeds <= 10
    assert plan.n_test == 1_000
    assert value["enough_test_images"] == (plan.test_images <= 1_000)
    assert "a usual luck of the seed (0.5 points)" in plan.text
    with pytest.raises(BadInput, match="cannot be planned"):
        plan_proof(workspace, base, 0.0)
    with pytest.raises(BadInput, match="cannot be planned"):
        plan_proof(workspace, base, float("nan"))
