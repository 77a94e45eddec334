"""Density, contours, islands and centroids of maps that were drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core.embeddings.landscape import centroids, contours, density, islands, mass_levels


def blobs(*parts: tuple[float, float, int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal((x, y), 0.08, (n, 2)) for x, y, n in parts]).astype(np.float32)


def test_density_keeps_the_number_of_points() -> None:
    found = density(blobs((0, 0, 1_000), (0.5, 0.5, 500)))
    assert found.grid.sum() == pytest.approx(1_500, rel=1e-3)
    rows, columns = found.cells(np.array([[0.5, -0.25]], np.float32))
    middle = found.places(rows.astype(float), columns.astype(float))
    assert np.allclose(middle, [[0.5, -0.25]], atol=found.cell)


def test_levels_enclose_their_share_of_the_points() -> None:
    xy = blobs((0, 0, 20_000))
    found = density(xy)
    for share, level in zip((0.5, 0.8, 0.95), mass_levels(found.grid), strict=True):
        rows, columns = found.cells(xy)
        assert (found.grid[rows, columns] >= level).mean() == pytest.approx(share, abs=0.05)


def test_a_contour_runs_round_a_round_cloud() -> None:
    xy = blobs((0.2, -0.1, 50_000))
    found = density(xy)
    level = mass_levels(found.grid, [0.5])[0]
    lines = contours(found, level)
    assert lines.shape[1:] == (2, 2)
    radius = np.linalg.norm(lines.reshape(-1, 2) - [0.2, -0.1], axis=1)
    expected = np.sqrt(2 * np.log(2)) * 0.08  # half of a round Gaussian lies within
    assert radius.mean() == pytest.approx(expected, rel=0.1)
    ends = np.round(lines.reshape(-1, 2), 4)
    _, counts = np.unique(ends, axis=0, return_counts=True)
    assert (counts % 2 == 0).all(), "every end is the beginning of another: the line is closed"


def test_nothing_is_higher_than_the_highest() -> None:
    found = density(blobs((0, 0, 100)))
    assert contours(found, float(found.grid.max()) + 1).shape == (0, 2, 2)


def test_islands_are_named_by_their_majority() -> None:
    xy = blobs((-0.6, 0, 3_000), (0.6, 0, 1_000))
    labels = np.array([0] * 3_000 + [1] * 900 + [0] * 100)
    made, member = islands(xy, labels, ("Shirt", "Coat"))
    assert [one.name for one in made] == ["Shirt, 100 %", "Coat, 90 %"]
    assert made[0].x == pytest.approx(-0.6, abs=0.1)
    assert (member[:3_000] == 0).mean() > 0.98
    assert (member[3_000:] == 1).mean() > 0.98


def test_with_several_labels_an_island_is_named_by_what_is_rare_elsewhere() -> None:
    xy = blobs((-0.6, 0, 3_000), (0.6, 0, 1_000))
    labels = np.zeros((4_000, 3), np.float32)
    labels[:, 0] = 1  # everywhere
    labels[3_100:, 1] = 1
    labels[:3_000, 2] = np.nan
    made, _ = islands(xy, labels, ("man", "dog", "boat"))
    assert [one.name for one in made] == ["man, 100 %", "dog, 90 %"]
    assert made[1].label == 1


def test_two_clouds_without_a_valley_are_one_island() -> None:
    made, _ = islands(blobs((-0.05, 0, 2_000), (0.05, 0, 2_000)), None, ())
    assert [one.name for one in made] == ["unlabelled"]


def test_all_points_in_one_place_are_one_island() -> None:
    made, member = islands(np.zeros((5_000, 2), np.float32), np.zeros(5_000, np.int64), ("Bag",))
    assert [one.name for one in made] == ["Bag, 100 %"]
    assert (member == 0).all()


def test_a_centroid_is_a_point_of_its_class() -> None:
    xy = blobs((-0.6, 0, 501), (0.6, 0, 500))
    found = centroids(xy, np.zeros(1_001, np.int64), 2)
    assert np.abs(xy - found[0]).sum(axis=1).min() == 0
    assert np.isnan(found[1]).all()
