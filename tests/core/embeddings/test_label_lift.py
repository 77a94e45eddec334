"""Whether a label's images lie together, over known labels only."""

from __future__ import annotations

import numpy as np
import pytest

from core.embeddings.label_lift import in_words, label_lift

UNKNOWN = np.nan


def test_known_neighbours_are_counted() -> None:
    labels = np.array([[1, 0, 1], [1, 0, UNKNOWN], [0, UNKNOWN, UNKNOWN], [UNKNOWN, 0, UNKNOWN]])
    near = np.array([[1, 2], [0, 3], [0, 1], [1, 2]])
    found = label_lift(near, labels)
    assert found.among_neighbours[0] == pytest.approx(2 / 3), "of 1, 2, 0 and 3 the last is unknown"
    assert found.among_all[0] == pytest.approx(2 / 3)
    assert found.among_all[1] == 0
    assert np.isnan(found.among_neighbours[1]), "no image has it"
    assert np.isnan(found.among_neighbours[2]), "nothing is known of its neighbours"
    assert found.counts.tolist() == [2, 0, 1]
    assert found.order == [0]


def test_in_words() -> None:
    labels = np.zeros((40, 2))
    labels[:10, 0] = 1
    labels[::2, 1] = 1
    near = np.array([[(i // 10) * 10 + (i + j) % 10 for j in (1, 2, 3, 4)] for i in range(40)])
    assert in_words(label_lift(near, labels), ("dog", "man")) == [
        "dog lies together: 100 % of the neighbours of its images have it, of all images 25 %.",
        "man is strewn: 50 % of the neighbours of its images have it, of all images 50 %.",
    ]
    nothing = np.full((40, 2), UNKNOWN)
    assert in_words(label_lift(near, nothing), ("dog", "man")) == [
        "No label is known of an image and its neighbours: nothing can be told."
    ]
