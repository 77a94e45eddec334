"""The figures beside a map, against scikit-learn and against maps that are known to be good or bad."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from core.embeddings import quality
from core.embeddings.quality import map_quality


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


def test_trustworthiness_and_continuity_are_scikit_learns(values: np.ndarray) -> None:
    xy = values[:, :2]
    found = map_quality(values, xy, None, 0)
    assert found is not None
    assert found.n_sampled == 300
    assert found.trustworthiness == pytest.approx(trustworthiness(values, xy, n_neighbors=15), abs=1e-6)
    assert found.continuity == pytest.approx(trustworthiness(xy, values, n_neighbors=15), abs=1e-6)
    assert found.purity is None


def test_a_map_that_keeps_everything_and_one_that_keeps_nothing(values: np.ndarray) -> None:
    flat = np.ascontiguousarray(values[:, :2])
    kept = map_quality(flat, flat * 3, None, 0)
    assert kept is not None
    assert kept.trustworthiness == kept.continuity == 1
    shuffled = np.random.default_rng(1).permutation(flat)
    lost = map_quality(flat, shuffled, None, 0)
    assert lost is not None
    assert lost.trustworthiness < 0.6


def test_a_sample_estimates_the_whole(values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = map_quality(values, values[:, :2], None, 0)
    some = map_quality(values, values[:, :2], None, 0, n_sampled=100)
    assert whole is not None
    assert some is not None
    assert some.n_sampled == 100
    assert some.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.03)
    again = map_quality(values, values[:, :2], None, 0, n_sampled=100)
    assert again == some, "the draw is seeded"


def test_a_thousand_copies_cost_a_map_nothing() -> None:
    one = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    copies = np.repeat(one, 40, axis=0)
    found = map_quality(copies, copies, None, 0)
    assert found is not None
    assert found.trustworthiness == 1


def test_too_few_points_have_no_quality() -> None:
    three = np.zeros((3, 2), np.float32)
    assert map_quality(three, three, None, 0) is None
    four = np.arange(8, dtype=np.float32).reshape(4, 2)
    assert map_quality(four, four, None, 0) is not None


def test_the_note_says_what_a_map_cannot_tell() -> None:
    assert "keeps neighbourhoods, not distances" in quality.CANNOT_TELL


def test_two_labelled_points_far_apart_have_no_purity() -> None:
    values = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    values[0] -= 50
    values[1] += 50
    labels = np.full(60, -1)
    labels[:2] = [0, 1]
    found = map_quality(values, values[:, :2], labels, 2)
    assert found is not None
    assert found.purity is None
    assert found.trustworthiness > 0.5
