"""What to do with unknown labels: the ways are trained alike, and told apart on known test labels only."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.multilabel import multilabel_scores
from core.quality.unknown import (
    JOINT,
    MASKED,
    WAYS,
    create_unknown,
    n_trainings,
    read_unknown,
    summary,
    text_unknown,
)
from core.runs.recipe import make_recipe
from core.runs.store import RunState, status
from core.worker import work
from core.workspace import Workspace
from tests.tagged import tagged

RECIPE = make_recipe({"width": 4, "epochs": 2, "batch_size": 32, "learning_rate": 3e-3, "threads": 1})


def with_test_images(workspace: Workspace, sample: Dataset, n: int) -> Dataset:
    """Tagged images, every third of them a test image."""
    return tagged(workspace, sample, n, split=np.where(np.arange(n) % 3 == 2, 2, 0).astype(np.int8))


def test_a_way_that_is_better_on_every_image_is_told_and_one_that_is_not_is_not() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((300, 2)) < 0.5).astype(np.float32)
    labels[::5, 0] = np.nan

    def scores(noise: float, seed: int) -> object:
        draw = np.random.default_rng(seed).normal(0, noise, labels.shape)
        return multilabel_scores(labels, 1 / (1 + np.exp(-(2 * np.nan_to_num(labels) - 1 + draw))))

    found = {
        "as-no": [scores(4.0, seed) for seed in (1, 2, 3)],
        MASKED: [scores(1.0, seed) for seed in (4, 5, 6)],
        JOINT: [scores(1.0, seed) for seed in (7, 8, 9)],
    }
    rows = {one["way"]: one for one in summary(found, n_draws=400)}  # type: ignore[arg-type]
    assert rows[MASKED]["against_masked"] is None
    worse, same = (rows[way]["against_masked"]["macro_auc"] for way in ("as-no", JOINT))
    assert worse["ci95"][1] < 0
    assert same["ci95"][0] < 0 < same["ci95"][1]
    assert worse["difference"] == pytest.approx(rows["as-no"]["macro_auc"] - rows[MASKED]["macro_auc"])


def test_every_way_is_trained_and_judged_on_the_same_known_test_labels(
    workspace: Workspace, sample: Dataset
) -> None:
    clothes = with_test_images(workspace, sample, 300)
    run = create_unknown(workspace, clothes, RECIPE, seeds=1, hide=0.2, precision=0.6)
    assert work(run.folder) == 0
    assert status(run).state is RunState.FINISHED
    value = read_unknown(run)
    assert [one["way"] for one in value["ways"]] == list(WAYS)
    known = ~np.isnan(np.asarray(clothes.labels)[clothes.in_split("test")])
    assert (value["n_test"], value["n_known"]) == (100, int(known.sum()))
    assert 0.2 < value["unknown_share"] < 0.4
    filled = {one["way"]: one for one in value["ways"] if one["n_filled"] is not None}
    assert sorted(filled) == ["joint", "per-label"]
    assert any(one["n_filled"] and 0.5 < one["filled_right"] <= 1 for one in filled.values())
    assert "against masked" in text_unknown(value)
    again = create_unknown(workspace, clothes, RECIPE, ways=["joint"], seeds=1, hide=0.2, precision=0.6)
    assert work(again.folder) == 0
    assert read_unknown(again)["ways"] == [one for one in value["ways"] if one["way"] in (MASKED, JOINT)]
    assert read_unknown(again)["seconds"] < value["seconds"], "what was trained is not trained again"


def test_leaving_out_is_not_told_where_hardly_an_image_is_whole(
    workspace: Workspace, sample: Dataset
) -> None:
    few = with_test_images(workspace, sample, 90)
    run = create_unknown(workspace, few, RECIPE.with_changes({"epochs": 1}), ways=["left-out"], seeds=1)
    assert work(run.folder) == 0
    value = read_unknown(run)
    assert [one["way"] for one in value["ways"]] == [MASKED]
    assert "left-out is not told" in value["notes"][0]


def test_what_cannot_be_compared_is_refused(workspace: Workspace, sample: Dataset) -> None:
    with pytest.raises(BadInput, match="one label an image"):
        create_unknown(workspace, sample, RECIPE)
    clothes = with_test_images(workspace, sample, 60)
    with pytest.raises(BadInput, match="no known test labels"):
        create_unknown(workspace, tagged(workspace, sample, name="untested"), RECIPE)
    with pytest.raises(BadInput, match="no way 'guess'"):
        create_unknown(workspace, clothes, RECIPE, ways=["guess"])
    with pytest.raises(BadInput, match="makes no sense"):
        create_unknown(workspace, clothes, RECIPE, hide=1.5)
    assert n_trainings(WAYS, 3, 4) == 3 * (5 + 3 * 5)
