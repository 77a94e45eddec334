"""From zero to few labels: on features where the answer is known, and as a job on the sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.embeddings.clip_models import find_model
from core.embeddings.few_shot import (
    Labelled,
    adapter,
    blend,
    create_few_shot,
    curve,
    draw,
    pools,
    probe,
    read_curve,
    spread,
)
from core.embeddings.prompts import default_prompts
from core.embeddings.zero_shot import ZeroShotRequest
from core.errors import BadInput
from core.evaluation.predictions import Predictions
from core.runs.store import status
from core.worker import work
from core.workspace import Workspace
from tests.tagged import tagged
from tests.tiny_clip import write_tiny_clip


def clouds(n: int, seed: int, n_classes: int = 3) -> Labelled:
    """Unit vectors around one direction a class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    values = np.eye(8, dtype=np.float32)[labels] * 2 + rng.normal(0, 0.5, (n, 8)).astype(np.float32)
    return Labelled(values / np.linalg.norm(values, axis=1, keepdims=True), labels)


WRONG_WORDS = np.eye(8, dtype=np.float32)[[1, 2, 0]]


def test_a_few_labels_mend_wrong_words() -> None:
    train, validation, test = clouds(24, 0), clouds(60, 1), clouds(300, 2)
    assert (probe(train, validation, test.features) == test.labels).mean() > 0.9
    said = adapter(train, validation, WRONG_WORDS, 1.0, test.features)
    assert (said == test.labels).mean() > 0.9
    assert ((test.features @ WRONG_WORDS.T).argmax(axis=1) == test.labels).mean() < 0.2


def test_one_label_in_all_is_answered_with_that() -> None:
    one = Labelled(clouds(1, 0).features, np.array([2]))
    assert set(probe(one, clouds(9, 1), clouds(9, 2).features)) == {2}


def test_fewer_shots_are_among_the_more() -> None:
    labels = np.array([0, 0, 0, 1, 1, -1, 1, 0])
    few, many = (draw(labels, np.arange(8), shots, seed=1) for shots in (1, 3))
    assert set(few) <= set(many)
    assert labels[few].tolist().count(0) == labels[few].tolist().count(1) == 1
    assert 5 not in many
    assert np.array_equal(many, draw(labels, np.arange(8), 3, seed=1))


def test_a_curve_rises_and_has_intervals() -> None:
    train = clouds(90, 0)

    def pool(shots: int, seed: int) -> Labelled:
        rows = draw(train.labels, np.arange(90), shots, seed)
        return Labelled(train.features[rows], train.labels[rows])

    found = curve(pool, clouds(60, 1), clouds(300, 2), WRONG_WORDS, 1.0, shots=(1, 16), n_seeds=3)
    assert [row["shots"] for row in found["rows"]] == [1, 1, 16, 16]
    first, last = found["rows"][0], found["rows"][2]
    assert found["zero_shot"] < first["mean"] < last["mean"]
    assert last["low"] <= last["mean"] <= last["high"]
    assert spread([0.5, 0.5, 0.5]) == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert spread([0.4, 0.6])["high"] == pytest.approx(0.5 + 12.7062 * 0.1, abs=1e-3)


def test_the_job_on_the_sample(workspace: Workspace, sample: Dataset, tmp_path: Path) -> None:
    checkpoint, config = write_tiny_clip(tmp_path / "tiny")
    model = find_model(workspace, "tiny", checkpoint=checkpoint, config=config)
    request = ZeroShotRequest(model, default_prompts(sample))
    run = create_few_shot(workspace, sample, request, shots=(1, 16), n_seeds=2)
    assert work(run.folder) == 0, status(run).error
    found = read_curve(run)
    assert found["n_test"] == len(sample.in_split("test"))
    by_key = {(row["method"], row["shots"]): row for row in found["rows"]}
    assert by_key["linear probe", 16]["mean"] > max(0.2, by_key["linear probe", 1]["mean"] - 0.05)
    assert by_key["Tip-Adapter", 16]["n_train"] == 160
    with pytest.raises(BadInput, match="make no curve"):
        create_few_shot(workspace, sample, request, shots=(), n_seeds=2)


def test_half_of_few_training_images_stand_in_for_validation(workspace: Workspace, sample: Dataset) -> None:
    few = tagged(workspace, sample, 120, split=np.repeat([0, 2], (100, 20)).astype(np.int8))
    assert few.splits == ("train", "test")
    drawn_from, held = pools(few)
    assert not np.intersect1d(drawn_from, held).size
    assert np.union1d(drawn_from, held).tolist() == few.in_split("train").tolist()
    assert 40 <= len(held) <= 60
    drawn_from, held = pools(sample)
    assert (len(drawn_from), len(held)) == (4_000, 1_000)


def said(probs: list[list[float]], labels: list[int], split: list[str]) -> Predictions:
    n = len(labels)
    ids = np.array([str(k) for k in range(n)])
    values = np.array(probs, np.float32)
    return Predictions(ids, np.array(split), np.array(labels), values, ("a", "b"), "r", 0, "f")


def test_the_weight_of_a_blend_is_chosen_on_validation() -> None:
    split = ["val"] * 3 + ["test"] * 2
    labels = [0, 1, 1, 0, 1]
    model = said([[0.6, 0.4], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], labels, split)
    clip = said([[0.5, 0.5], [0.0, 1.0], [0.0, 1.0], [0.5, 0.5], [0.0, 1.0]], labels, split)
    found = blend(model, clip)
    assert (found.model, found.clip, found.blended) == (0.5, 1.0, 1.0)
    assert 0 < found.weight < 1
    assert found.validation == 1
    with pytest.raises(BadInput, match="no labelled val image"):
        blend(replace(model, split=np.array(["test"] * 5)), clip)
