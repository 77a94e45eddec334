"""Neighbours: exact against a plain sort, by clusters against exact, and where copies abound."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.embeddings import neighbours
from core.embeddings.features import FeatureSource, features_of
from core.embeddings.neighbours import (
    build_index,
    index_of,
    most_similar,
    nearest,
    neighbour_graph,
    recall,
    search,
)
from core.workspace import Workspace


def clouds(n: int = 3_000, dimensions: int = 16, n_clouds: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles = rng.normal(0, 4, (n_clouds, dimensions))
    return (middles[rng.integers(n_clouds, size=n)] + rng.normal(0, 1, (n, dimensions))).astype(np.float32)


def sorted_plainly(values: np.ndarray, metric: str) -> np.ndarray:
    """(n, n) distances in float64."""
    wide = values.astype(np.float64)
    if metric == "cosine":
        unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
        return 1 - unit @ unit.T
    return np.linalg.norm(wide[:, None] - wide[None], axis=2)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_graph_of_few_images_is_exact(metric: str) -> None:
    values = clouds(400)
    rows, distances = neighbour_graph(values, 10, metric=metric)
    truth = sorted_plainly(values, metric)
    np.fill_diagonal(truth, np.inf)
    expected = np.sort(truth, axis=1)[:, :10]
    assert np.allclose(distances, expected, atol=1e-4)
    assert recall(rows, np.argsort(truth, axis=1)[:, :10]) > 0.999


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_graph_by_clusters_finds_nearly_all(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = clouds()
    exact, _ = neighbour_graph(values, 10, metric=metric)
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100)
    found, distances = neighbour_graph(values, 10, metric=metric)
    again, _ = neighbour_graph(values, 10, metric=metric)
    assert recall(found, exact) > 0.97
    assert np.array_equal(found, again)
    assert (found != np.arange(len(values))[:, None]).all(), "nobody is a neighbour of itself"
    assert (np.diff(distances, axis=1) >= 0).all()


def test_copies_by_the_thousand_are_each_others_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "EXACT_UP_TO", 100)
    values = np.concatenate([np.tile(clouds(1), (4_000, 1)), clouds(1_000, seed=1)])
    sizes = np.diff(build_index(values, "euclidean").starts)
    assert sizes.max() <= 4 * 71, "a cluster of copies is cut"
    rows, distances = neighbour_graph(values, 10)
    assert (distances[:4_000] == 0).all()
    assert (rows[:4_000] < 4_000).all()
    assert len(set(rows[5].tolist())) == 10, "ten others, not one ten times"


def test_search_for_one_image_against_a_plain_sort() -> None:
    values = clouds()
    truth = sorted_plainly(values, "cosine")[7]
    rows, distances = most_similar(values, values[7], 5)
    assert rows[0] == 7
    assert np.allclose(distances, np.sort(truth)[:5], atol=1e-4)
    index = build_index(values)
    found, _ = search(values, index, values[7], 5)
    assert found[0] == 7
    asked = range(0, 3_000, 30)
    hits = [
        recall(search(values, index, values[i], 10)[0][None], most_similar(values, values[i], 10)[0][None])
        for i in asked
    ]
    assert np.mean(hits) > 0.97


def test_more_neighbours_than_a_cluster_holds_or_than_there_are() -> None:
    values = clouds(300)
    index = build_index(values)
    rows, _ = search(values, index, values[0], 250, n_probes=1)
    assert len(rows) == len(set(rows.tolist())) == 250
    assert len(most_similar(values, values[0], 1_000)[0]) == 300
    assert len(search(values, index, values[0], 1_000)[0]) == 300


def test_new_images_find_their_nearest() -> None:
    values = clouds(500)
    rows, distances = nearest(values, values[:20] + np.float32(1e-3), 3)
    assert np.array_equal(rows[:, 0], np.arange(20))
    assert np.allclose(distances[:, 0], 4e-3, atol=1e-4)


def test_near_copies_far_from_the_origin_keep_their_order() -> None:
    values = np.float32(1_000) + clouds(50, 8)
    values[1] = values[0] + np.float32(0.01)
    rows, distances = neighbour_graph(values, 3)
    assert rows[0, 0] == 1
    assert distances[0, 0] == pytest.approx(np.linalg.norm(values[1] - values[0]), rel=1e-4)


def test_the_index_is_kept(workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    features = features_of(workspace, sample, FeatureSource("pixels"))
    made = index_of(workspace, features)

    def never(*_: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(neighbours, "build_index", never)
    kept = index_of(workspace, features)
    assert np.array_equal(kept.order, made.order)
    assert np.array_equal(np.sort(kept.order), np.arange(len(sample)))
