from __future__ import annotations

import numpy as np
import pytest

from core.data.label_statistics import label_statistics

NAN = np.nan
LABELS = np.array([[1, 0, 0], [1, 1, 0], [1, NAN, 0], [0, 0, 0]], np.float32)


def test_counts_cardinality_and_imbalance() -> None:
    found = label_statistics(LABELS)
    assert found.yes.tolist() == [3, 1, 0]
    assert found.no.tolist() == [1, 2, 4]
    assert found.unknown.tolist() == [0, 1, 0]
    assert found.together.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert found.cardinality == 1.0
    assert found.density == pytest.approx(1 / 3)
    assert found.n_yes.tolist() == [1, 2, 1]
    assert found.imbalance.tolist() == [1, 3, np.inf]
    assert found.mean_imbalance == 2


def test_a_combination_counts_where_all_is_known() -> None:
    found = label_statistics(LABELS)
    assert found.n_sets == 3
    assert dict(found.rare) == {(): (3,), (0,): (0,), (0, 1): (1,)}


def test_a_rule_is_broken_by_the_image_that_has_both() -> None:
    labels = np.zeros((200, 3), np.float32)
    labels[:100, 0] = 1
    labels[100:, 1] = 1
    labels[::2, 2] = 1
    labels[7, 1] = 1  # day and night at once
    (rule,) = label_statistics(labels).broken
    assert rule.labels == (0, 1)
    assert rule.positions == (7,)
    assert rule.expected == pytest.approx(50.5)
