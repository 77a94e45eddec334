"""The layout: UMAP's graph and forces, the same map every time, and as trustworthy as umap-learn's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.embeddings.features import FeatureSource
from core.embeddings.layout import curve, fuzzy_graph, lay_out, memberships, place
from core.embeddings.maps import MapRequest
from core.embeddings.neighbours import nearest, neighbour_graph
from core.embeddings.projection import principal_components, umap_reference
from core.embeddings.quality import map_quality

ROOT = Path(__file__).resolve().parents[3]


def pixels(sample: Dataset, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(features, labels) of some images, spread over the classes."""
    rows = np.arange(len(sample))[:: len(sample) // n][:n]
    images = np.asarray(sample.images.pixels)[rows]  # type: ignore[attr-defined]
    return images.reshape(len(rows), -1).astype(np.float32) / 255, np.asarray(sample.labels, np.int64)[rows]


def mapped(values: np.ndarray, seed: int = 0) -> np.ndarray:
    graph = fuzzy_graph(*neighbour_graph(values, 14))
    return lay_out(graph, principal_components(values), seed=seed)


def test_the_graph_is_umaps() -> None:
    from umap.umap_ import fuzzy_simplicial_set

    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 5)).astype(np.float32)
    rows, distances = neighbour_graph(values, 14)
    own = np.arange(300)[:, None]
    theirs, _, _ = fuzzy_simplicial_set(
        values,
        15,
        np.random.RandomState(0),
        "euclidean",
        knn_indices=np.hstack([own, rows]),
        knn_dists=np.hstack([np.zeros((300, 1), np.float32), distances]),
    )
    assert np.abs(fuzzy_graph(rows, distances) - theirs).max() < 1e-3


def test_the_curve_is_umaps() -> None:
    from umap.umap_ import find_ab_params

    assert curve(0.1) == pytest.approx(find_ab_params(1.0, 0.1), rel=1e-4)


def test_memberships_of_copies_and_of_constant_distances() -> None:
    assert np.allclose(memberships(np.zeros((2, 5), np.float32)), 1)
    assert np.isfinite(memberships(np.array([[0, 0, 0, 1, 9]], np.float32))).all()
    assert np.allclose(memberships(np.full((1, 5), 3, np.float32)), 1)


def test_the_map_is_as_trustworthy_as_umap_learns(sample: Dataset) -> None:
    values, labels = pixels(sample, 400)
    request = MapRequest(FeatureSource("pixels"))
    ours = map_quality(values, mapped(values), labels, 10)
    theirs = map_quality(values, umap_reference(values, request), labels, 10)
    assert ours is not None
    assert theirs is not None
    assert ours.trustworthiness > theirs.trustworthiness - 0.01
    assert ours.continuity > theirs.continuity - 0.03


SAME = f"""
import sys, hashlib
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from core.embeddings.layout import fuzzy_graph, lay_out
from core.embeddings.neighbours import neighbour_graph
from core.embeddings.projection import principal_components
values = np.random.default_rng(0).normal(size=(600, 20)).astype(np.float32)
xy = lay_out(fuzzy_graph(*neighbour_graph(values, 14)), principal_components(values), seed=3, n_epochs=50)
print(hashlib.sha256(xy.tobytes()).hexdigest())
"""


def test_the_same_seed_makes_the_same_map_in_another_process_with_other_threads() -> None:
    values = np.random.default_rng(0).normal(size=(600, 20)).astype(np.float32)
    graph, start = fuzzy_graph(*neighbour_graph(values, 14)), principal_components(values)
    here = lay_out(graph, start, seed=3, n_epochs=50)
    prints = {hashlib.sha256(here.tobytes()).hexdigest()}
    for threads in ("1", "2"):
        environment = {**os.environ, "NUMBA_NUM_THREADS": threads}
        result = subprocess.run(
            [sys.executable, "-c", SAME], capture_output=True, text=True, check=True, env=environment
        )
        prints.add(result.stdout.strip())
    assert len(prints) == 1
    other = lay_out(graph, start, seed=4, n_epochs=50)
    assert not np.array_equal(here, other)


def test_new_images_are_placed_among_their_own(sample: Dataset) -> None:
    values, labels = pixels(sample, 1_500)
    new = np.zeros(len(values), bool)
    new[::10] = True
    old_xy = mapped(values[~new])
    rows, distances = nearest(values[~new], values[new], 15)
    found = place(rows, distances, old_xy)
    around, _ = nearest(old_xy, found, 5)
    votes = np.array([np.bincount(labels[~new][row]).argmax() for row in around])
    in_features = np.array([np.bincount(labels[~new][row]).argmax() for row in rows[:, :5]])
    agree = (votes == labels[new]).mean()
    assert agree > (in_features == labels[new]).mean() - 0.1, "nearly as many as in feature space"
    assert np.array_equal(mapped(values[~new]), old_xy), "the map itself stays"


def test_a_copy_is_placed_on_its_original_and_nobody_between_islands() -> None:
    xy = np.array([[0, 0], [0, 1], [0, 2], [10, 10]], np.float32)
    rows, distances = np.array([[1, 0, 2, 3]]), np.array([[0, 5, 6, 7]], np.float32)
    assert np.allclose(place(rows, distances, xy), [[0, 1]], atol=0.05)
    even = place(rows, np.array([[3, 3, 3, 3]], np.float32), xy)
    assert even[0, 0] < 1, "where most neighbours are, not at their mean"


def test_principal_components_are_those_of_a_singular_value_decomposition() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(200, 6)) * [5, 3, 1, 1, 1, 1] + 7).astype(np.float32)
    found = principal_components(values)
    u, s, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    assert np.allclose(np.abs(found), np.abs(u[:, :2] * s[:2]), atol=1e-2)
    assert np.array_equal(found, principal_components(values))
    single = principal_components(values[:, :1])
    assert (single[:, 1] == 0).all()


def test_a_report_that_raises_ends_the_layout(sample: Dataset) -> None:
    values, _ = pixels(sample, 100)

    def stop(share: float, _: str) -> None:
        if share > 0.1:
            raise KeyboardInterrupt

    graph = fuzzy_graph(*neighbour_graph(values, 10))
    with pytest.raises(KeyboardInterrupt):
        lay_out(graph, principal_components(values), report=stop)
