"""The sentences follow from the matrix and change with it."""

from __future__ import annotations

import numpy as np

from core.evaluation.metrics import Scores
from core.evaluation.remarks import largest_cell, remarks

CLASSES = ("T-shirt", "Trouser", "Pullover", "Coat", "Shirt", "Bag")
CONFUSION = np.array(
    [
        [80, 0, 1, 0, 18, 1],
        [0, 99, 0, 1, 0, 0],
        [1, 0, 82, 9, 8, 0],
        [0, 0, 7, 85, 8, 0],
        [20, 0, 6, 8, 65, 1],
        [0, 0, 0, 0, 1, 99],
    ]
)


def texts(confusion: np.ndarray, mean_confidence: float = 0.85, n_sure: int = 0) -> dict[str, str]:
    found = remarks(Scores(confusion), CLASSES, mean_confidence, n_sure)
    return {remark.topic: remark.text for remark in found}


def test_the_best_the_worst_and_the_most_confused() -> None:
    said = texts(CONFUSION)
    assert said["classes"].startswith("Trouser is recognised best")
    assert "Shirt worst" in said["classes"]
    assert "20 × Shirt taken for T-shirt, 18 × the other way" in said["pair"]
    assert "42 % of all 90 mistakes" in said["pair"]
    assert "87 % of the mistakes lie among T-shirt" not in said["group"]
    assert "Shirt" in said["group"]


def test_the_pair_is_named_in_the_direction_that_happens_more() -> None:
    turned = CONFUSION.copy()
    turned[0, 4], turned[4, 0] = 30, 2
    assert "30 × T-shirt taken for Shirt, 2 × the other way" in texts(turned)["pair"]


def test_sureness_is_told_only_where_it_is_off() -> None:
    accuracy = np.trace(CONFUSION) / CONFUSION.sum()
    assert "sureness" not in texts(CONFUSION, accuracy)
    assert "too sure of itself" in texts(CONFUSION, accuracy + 0.1)["sureness"]
    assert "too cautious" in texts(CONFUSION, accuracy - 0.1)["sureness"]
    assert "1 mistake was made" in texts(CONFUSION, accuracy, 1)["sureness"]


def test_without_mistakes_or_items_nothing_is_made_up() -> None:
    perfect = np.diag([10] * 6)
    assert set(texts(perfect, 1.0)) == {"classes"}
    assert remarks(Scores(np.zeros((6, 6), np.int64)), CLASSES, 0.0, 0) == []
    assert largest_cell(perfect) is None
    assert largest_cell(CONFUSION) == (4, 0)


def test_spread_mistakes_name_no_group() -> None:
    spread = np.full((6, 6), 2) + np.diag([50] * 6)
    assert "group" not in texts(spread)
