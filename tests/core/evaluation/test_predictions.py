"""Predictions come back from disk as they were, and damaged ones say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import DamagedFile
from core.evaluation.predictions import Predictions, load_predictions, save_predictions


@pytest.fixture
def predictions() -> Predictions:
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([1, 1, 1], 6).astype(np.float32)
    return Predictions(
        item_ids=np.array([f"item-{i}" for i in range(6)]),
        split=np.array(["train", "train", "val", "val", "test", "test"]),
        labels=np.array([0, 1, 2, -1, 0, 1]),
        pred_probs=probs,
        classes=("a, b", "ü", "c"),
        run="run-1",
        label_version=7,
        fingerprint="f" * 32,
    )


def test_they_come_back(tmp_path: Path, predictions: Predictions) -> None:
    save_predictions(tmp_path / "p.parquet", predictions)
    again = load_predictions(tmp_path / "p.parquet")
    for name in ("item_ids", "split", "labels", "pred_probs"):
        np.testing.assert_array_equal(getattr(again, name), getattr(predictions, name))
    assert (again.classes, again.run, again.label_version) == (predictions.classes, "run-1", 7)


def test_one_split(predictions: Predictions) -> None:
    part = predictions.only("val")
    assert part.item_ids.tolist() == ["item-2", "item-3"]
    np.testing.assert_array_equal(part.predicted, predictions.pred_probs[2:4].argmax(1))
    np.testing.assert_array_equal(part.confidence, predictions.pred_probs[2:4].max(1))


def test_a_truncated_file_is_named(tmp_path: Path, predictions: Predictions) -> None:
    path = tmp_path / "p.parquet"
    save_predictions(path, predictions)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DamagedFile, match=r"p\.parquet"):
        load_predictions(path)
