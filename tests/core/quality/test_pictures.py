from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.dataset import Dataset
from core.data.images import ArrayImages
from core.data.statistics import image_statistics
from core.quality.pictures import components, near_pairs, picturable, projected, spacing, standardised
from core.workspace import Workspace


def all_distances(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors[:, None].astype(float) - vectors[None].astype(float), axis=2)


def test_brightness_and_contrast_do_not_count(sample: Dataset) -> None:
    assert isinstance(sample.images, ArrayImages)
    image = np.array(sample.images.pixels[:1])
    duller = (image // 2 + 40).astype(np.uint8)
    vectors = standardised(np.concatenate([image, duller, np.full_like(image, 90)]))
    assert vectors.shape == (3, 14 * 14)
    assert np.linalg.norm(vectors[0] - vectors[1]) < 0.02
    assert np.linalg.norm(vectors[:2], axis=1) == pytest.approx(1, abs=1e-5)
    assert not vectors[2].any(), "one flat tone"


def test_odd_sides_and_colour_are_averaged_by_area() -> None:
    image = np.zeros((1, 17, 5, 3), np.uint8)
    image[:, :, 2] = 255
    vectors = standardised(image).reshape(9, 5, 3)
    assert np.ptp(vectors, axis=0) == pytest.approx(0, abs=1e-6)
    assert (vectors[0, :, 0].argmax(), vectors[0, :, 1].argmax()) == (2, 2)


def test_a_projection_never_lengthens_a_distance(sample: Dataset) -> None:
    assert isinstance(sample.images, ArrayImages)
    positions = np.arange(0, 6000, 40)
    full = all_distances(standardised(np.array(sample.images.pixels[positions])))
    short = all_distances(projected(sample.images.pixels, positions))
    assert (short <= full + 1e-4).all()
    assert np.median(short) > 0.9 * np.median(full)


def test_flat_and_unreadable_images_have_no_picture(workspace: Workspace, sample: Dataset) -> None:
    statistics = image_statistics(workspace, sample)
    statistics.deviation[[3, 9]] = 0.0, np.nan
    assert set(range(12)) - set(picturable(statistics)[:10].tolist()) == {3, 9}


def test_near_pairs_are_exactly_those_of_the_full_matrix(sample: Dataset) -> None:
    assert isinstance(sample.images, ArrayImages)
    vectors = projected(sample.images.pixels, np.arange(0, 6000, 4))
    radius = np.random.default_rng(0).uniform(0.1, 0.5, len(vectors)).astype(np.float32)
    shares: list[float] = []
    found = {
        (min(i, j), max(i, j))
        for one, other in near_pairs(vectors, radius, shares.append)
        for i, j in zip(one.tolist(), other.tolist(), strict=True)
    }
    wanted = all_distances(vectors) <= np.minimum(radius[:, None], radius[None])
    assert found == {(i, j) for i, j in np.argwhere(wanted).tolist() if i < j}
    assert len(found) > 100
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_spacing_is_about_the_distance_to_the_twentieth_neighbour(sample: Dataset) -> None:
    assert isinstance(sample.images, ArrayImages)
    vectors = projected(sample.images.pixels, np.arange(0, 6000, 4))
    exact = np.sort(all_distances(vectors), axis=1)[:, 20]
    assert np.corrcoef(spacing(vectors), exact)[0, 1] > 0.98
    assert np.median(spacing(vectors) / exact) == pytest.approx(1, abs=0.05)


def test_there_is_no_spacing_without_neighbours() -> None:
    assert np.isinf(spacing(np.zeros((1, 3), np.float32))).all()
    assert len(spacing(np.zeros((0, 3), np.float32))) == 0
    assert list(near_pairs(np.zeros((0, 3), np.float32), np.zeros(0, np.float32))) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=30))
def test_components_are_those_that_a_walk_finds(pairs: list[tuple[int, int]]) -> None:
    beside: dict[int, set[int]] = {item: {item} for item in range(15)}
    for i, j in pairs:
        beside[i].add(j)
        beside[j].add(i)
    smallest = []
    for item in range(15):
        reached, edge = {item}, {item}
        while edge:
            edge = set().union(*(beside[one] for one in edge)) - reached
            reached |= edge
        smallest.append(min(reached))
    blocks = (np.array(pairs[k : k + 7], np.int64).reshape(-1, 2) for k in range(0, len(pairs), 7))
    assert components(15, ((block[:, 0], block[:, 1]) for block in blocks)).tolist() == smallest
