"""Which classes lie among one another, as numbers and as sentences."""

from __future__ import annotations

import numpy as np
import pytest

from core.embeddings.purity import class_overlap, in_words, map_neighbours, mixed_pairs

CLASSES = ("Shirt", "Coat", "Bag")


def test_shares_are_counted_over_labelled_neighbours() -> None:
    labels = np.array([0, 0, 1, 1, -1])
    near = np.array([[1, 2], [0, 4], [0, 3], [2, 4], [0, 1]])
    found = class_overlap(near, labels, 3)
    assert np.allclose(found.shares[:2], [[2 / 3, 1 / 3, 0], [1 / 3, 2 / 3, 0]])
    assert np.isnan(found.shares[2]).all()
    assert found.counts.tolist() == [2, 2, 0]
    assert found.mean_purity == pytest.approx(2 / 3)
    assert mixed_pairs(found) == [(1, 0, pytest.approx(1 / 3), pytest.approx(1 / 3))]


def test_in_words() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2] * 10)
    near = np.array([[(i // 10) * 10 + (i + j) % 10 for j in range(1, 5)] for i in range(30)])
    near[:10, 0] = 15  # a quarter of Shirt's neighbours are coats
    said = in_words(class_overlap(near, labels, 3), CLASSES)
    assert said[0] == (
        "Shirt and Coat are mixed: 25 % of the neighbours of Shirt are Coat, and 0 % the other way round."
    )
    assert said[-1] == "Coat stands apart best: 100 % of its neighbours are its own."
    apart = in_words(class_overlap(near[10:] - 10, labels[10:] - 1, 2), CLASSES[1:])
    assert apart[0].startswith("No two classes are mixed")


def test_one_class_only() -> None:
    near = np.array([[1], [0]])
    found = class_overlap(near, np.array([1, 1]), 3)
    assert found.mean_purity == 1
    assert in_words(found, CLASSES) == ["There is only one class, Coat: nothing can be mixed."]


def test_map_neighbours_leave_out_the_point_itself_even_among_copies() -> None:
    xy = np.concatenate([np.zeros((500, 2)), np.random.default_rng(0).normal(5, 1, (100, 2))])
    near = map_neighbours(xy.astype(np.float32), 7)
    assert near.shape == (600, 7)
    assert (near != np.arange(600)[:, None]).all()
    assert (near[:500] < 500).all()


def test_two_labelled_images_without_labelled_neighbours() -> None:
    labels = np.array([0, 1, -1, -1])
    found = class_overlap(np.array([[2, 3], [2, 3], [0, 3], [1, 2]]), labels, 3)
    assert np.isnan(found.mean_purity)
    assert in_words(found, CLASSES)[0].startswith("No labelled image has a labelled neighbor")
