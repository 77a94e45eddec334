"""Nearest training images: exact, of the training split only, never the image itself."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import DamagedFile, NotFound
from core.evaluation import nearest
from core.evaluation.nearest import most_similar, nearest_training_items
from core.evaluation.predictions import load_predictions
from core.files import write_array
from core.workspace import Workspace
from tests.finished_runs import finished_run


def test_they_equal_a_full_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 16)).astype(np.float16)
    features[7] = 0
    rows = np.flatnonzero(rng.random(500) < 0.6)
    query = features[3].astype(np.float32)
    wide = features.astype(np.float64)
    lengths = np.maximum(np.linalg.norm(wide, axis=1), 1e-12) * np.linalg.norm(query)
    cosine = (wide @ query) / lengths
    expected = rows[np.argsort(-cosine[rows])][:8]
    monkeypatch.setattr(nearest, "CHUNK", 64)
    found, similarity = most_similar(features, features[3], rows, 8)
    assert found.tolist() == expected.tolist()
    np.testing.assert_allclose(similarity, cosine[expected], atol=1e-3)


def test_there_may_be_fewer_than_asked_for() -> None:
    found, similarity = most_similar(np.eye(3, dtype=np.float32), np.array([1.0, 1, 0]), np.array([0, 2]), 8)
    assert found.tolist() == [0, 2]
    np.testing.assert_allclose(similarity, [2**-0.5, 0], atol=1e-6)
    assert len(most_similar(np.eye(3), np.ones(3), np.array([], np.int64), 8)[0]) == 0


def test_the_neighbours_of_a_run(workspace: Workspace, sample: Dataset) -> None:
    run = finished_run(workspace, sample, "r1")
    predictions = load_predictions(run.predictions_file)
    item = str(predictions.item_ids[predictions.split == "train"][11])
    found = nearest_training_items(run, predictions, item)
    assert len(found.item_ids) == 8
    assert item not in found.item_ids
    train = set(predictions.item_ids[predictions.split == "train"].tolist())
    assert set(found.item_ids.tolist()) <= train
    assert (np.diff(found.similarity) <= 0).all()
    test_item = str(predictions.item_ids[predictions.split == "test"][0])
    labels = sample.labels[sample.positions(nearest_training_items(run, predictions, test_item).item_ids)]
    assert np.bincount(labels).max() >= 4, "most neighbours of an image are of one class"


def test_what_is_missing_or_does_not_fit_is_named(workspace: Workspace, sample: Dataset) -> None:
    run = finished_run(workspace, sample, "r1")
    predictions = load_predictions(run.predictions_file)
    with pytest.raises(NotFound, match="nowhere"):
        nearest_training_items(run, predictions, "nowhere")
    write_array(run.features_file, np.zeros((3, 4), np.float16))
    with pytest.raises(DamagedFile, match=r"\(3, 4\)"):
        nearest_training_items(run, predictions, str(predictions.item_ids[0]))
    run.features_file.unlink()
    with pytest.raises(NotFound, match="no features"):
        nearest_training_items(run, predictions, str(predictions.item_ids[0]))
