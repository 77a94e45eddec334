"""Strategies of active learning: what each asks for, what a run asks for next, and their comparison."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data.dataset import Dataset
from core.data.hiding import hide_labels
from core.data.tags import tags_of
from core.errors import BadInput
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.quality.active import STRATEGIES, choose
from core.quality.active_compare import create_comparison
from core.runs.store import status
from core.worker import work
from core.workspace import Workspace
from tests.finished_runs import finished_run, small_recipe


def two_groups() -> tuple[np.ndarray, np.ndarray]:
    """(probabilities, features): 30 sure images at the left, 10 unsure ones at the right, one far away."""
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 0.1, (30, 2)), rng.normal(5, 0.1, (10, 2)), [[50.0, 50.0]]])
    first = np.concatenate([np.full(30, 0.99), np.linspace(0.52, 0.7, 10), [0.95]])
    return np.stack([first, 1 - first], axis=1).astype(np.float32), features.astype(np.float32)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_chooses_different_images(strategy: str) -> None:
    probs, features = two_groups()
    shares: list[float] = []
    chosen = choose(strategy, 8, probs, features, features[:3], seed=1, on_share=shares.append)
    assert shares == sorted(shares)
    assert bool(shares) == (strategy in ("badge", "core-set", "typical"))  # the others take no time
    assert all(0 <= share <= 1 for share in shares)
    assert len(set(chosen.tolist())) == 8
    assert set(chosen) <= set(range(41))
    np.testing.assert_array_equal(chosen, choose(strategy, 8, probs, features, features[:3], seed=1))
    assert len(choose(strategy, 100, probs, features, features[:0])) == 41


def test_what_they_ask_for_first() -> None:
    probs, features = two_groups()
    for strategy in ("least-confident", "margin", "entropy"):
        assert choose(strategy, 10, probs, features, features[:3]).tolist() == list(range(30, 40))
    assert choose("core-set", 1, probs, features, features[:3]).tolist() == [40]
    typical = choose("typical", 1, probs, features, features[:3])
    assert typical[0] >= 30  # the group that has no label
    several = np.array([[0.9, 0.9], [0.5, 0.99], [0.1, 0.8]], np.float32)
    assert choose("margin", 1, several, features[:3], features[:0]).tolist() == [1]
    with pytest.raises(BadInput, match="no strategy"):
        choose("loudest", 1, probs, features, features)


def test_next_names_unlabelled_images_and_tags_them(workspace: Workspace, sample: Dataset) -> None:
    run = finished_run(workspace, sample, "first")
    arguments = ["active", "next", "--run", "first", "-n", "5", "--strategy", "entropy", "--json"]
    assert CliRunner().invoke(app, arguments).exit_code == 1  # every image has a label
    few = hide_labels(workspace, sample, "few", keep=100)
    copied = finished_run(workspace, few, "second")
    said = json.loads(
        CliRunner().invoke(app, [*arguments[:3], "second", *arguments[4:], "--tag", "ask"]).stdout
    )
    assert len(said["item_ids"]) == 5
    assert (few.labels[few.positions(said["item_ids"])] == -1).all()
    assert set(tags_of(workspace, few)["ask"]) == set(said["item_ids"])
    assert run.dataset != copied.dataset


def test_strategies_are_compared_on_the_same_labels(workspace: Workspace, sample: Dataset) -> None:
    recipe = small_recipe(epochs=1).with_changes({"width": 4, "epoch_images": 64})
    numbers = {"start": 20, "step": 10, "rounds": 1, "seeds": 2}
    run = create_comparison(workspace, sample, recipe, strategies=["random", "badge"], **numbers)
    assert work(run.folder) == 0
    summary = status(run).summary
    assert summary["n_labels"] == [20, 30]
    one, other = (curve["seeds"] for curve in summary["curves"])
    assert [seed[0] for seed in one] == [seed[0] for seed in other]
    assert all(len(curve["interval"]) == 2 for curve in summary["curves"])
    with pytest.raises(BadInput, match="no strategy"):
        create_comparison(workspace, sample, recipe, strategies=["loudest"])


def test_accuracy_on_corrected_test_labels_is_not_that_on_others(
    workspace: Workspace, sample: Dataset
) -> None:
    recipe = small_recipe(epochs=1).with_changes({"width": 4, "epoch_images": 64})
    numbers = {"start": 20, "step": 10, "rounds": 1, "seeds": 1}
    test = sample.in_split("test")
    found = []
    for corrected in (False, True):
        if corrected:  # all test images become bags: the same training has another accuracy
            ids = [str(one) for one in np.asarray(sample.item_ids)[test]]
            LabelJournal(workspace).append(sample, [NewEdit(one, EditKind.LABEL, "Bag") for one in ids])
        run = create_comparison(workspace, sample, recipe, strategies=["random"], **numbers)
        assert work(run.folder) == 0
        found.append(status(run).summary["curves"][0]["seeds"][0])
    assert found[0] != found[1]
