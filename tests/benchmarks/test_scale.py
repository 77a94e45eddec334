"""The pieces that the benchmarks of many images and many sessions stand on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import augmented, scale_plan
from benchmarks.load import slope
from benchmarks.readme import RESULTS
from benchmarks.sessions import percentile, usage
from core.data.dataset import Dataset


def test_the_same_seed_writes_the_same_images(tmp_path: Path, sample: Dataset) -> None:
    for name in "ab":
        augmented.write_from(sample, tmp_path / name, 300, seed=1)
    one, other = (np.load(tmp_path / name / "x_train.npy") for name in "ab")
    assert one.shape == (270, 28, 28)
    assert (one == other).all()
    assert len({image.tobytes() for image in one}) == 270
    assert np.load(tmp_path / "a" / "y_test.npy").shape == (30,)


def test_augmenting_moves_no_more_than_it_says() -> None:
    images = np.zeros((50, 28, 28), np.uint8)
    images[:, 13:15, 13:15] = 200
    found = augmented.augmented(images, np.random.default_rng(0))
    inside = found[:, 9:19, 9:19].max(axis=(1, 2))
    assert (inside > 100).all()
    assert found[:, :5].max() <= 1


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.0
    assert percentile(list(map(float, range(1, 101))), 0.95) == 95.0
    assert np.isnan(percentile([], 0.95))


def test_a_slope_comes_with_an_interval_that_holds_it() -> None:
    minutes = np.arange(0, 15, 1 / 12)
    noise = np.random.default_rng(0).normal(0, 2, len(minutes))
    rising, flat = slope(minutes, 100 + 3 * minutes + noise), slope(minutes, 100 + noise)
    assert rising["ci95"][0] < 3 < rising["ci95"][1]
    assert flat["ci95"][0] < 0 < flat["ci95"][1]


def test_a_process_tells_what_it_uses() -> None:
    found = usage(os.getpid())
    assert 0 < found.own_mb <= found.resident_mb <= found.peak_mb
    assert found.threads >= 1
    assert found.files >= 1


@pytest.mark.skipif(not (RESULTS / "million.json").exists(), reason="not measured yet")
def test_the_plan_is_what_the_benchmark_measured() -> None:
    page = scale_plan.PAGE.read_text()
    assert scale_plan.with_table(page) == page, "run benchmarks/scale_plan.py"
    result = json.loads((RESULTS / "million.json").read_text())
    assert scale_plan.table(result, 10).count("\n| ") == len(result["per_image"]) + 2
