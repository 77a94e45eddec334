"""Risk and coverage: by hand, on a real model, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.evaluation.metrics import wilson_interval
from core.evaluation.of_run import predictions_of
from core.evaluation.selective import at_threshold, risk_coverage, threshold_for
from core.workspace import Workspace
from tests.finished_runs import finished_run


def two_classes(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """(given, pred_probs) of a model that always says 0."""
    probs = np.array([[c, 1 - c] for c in confidence])
    return np.array([0 if one else 1 for one in right]), probs


def test_a_threshold_by_hand() -> None:
    given, probs = two_classes([0.9, 0.8, 0.7, 0.6], [True, True, False, False])
    share = at_threshold(np.append(given, -1), np.vstack([probs, [[1, 0]]]), 0.7)
    assert (share.n, share.n_people, share.n_wrong) == (4, 1, 1)
    assert share.share_people == 0.25
    assert share.accuracy == pytest.approx(2 / 3)
    assert share.ci95 == wilson_interval(2, 3)


def test_the_curve_by_hand() -> None:
    given, probs = two_classes([0.9, 0.8, 0.8, 0.6], [True, True, False, False])
    curve = risk_coverage(given, probs)
    assert curve.threshold.tolist() == [0.9, 0.8, 0.6]
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 1 / 3, 1 / 2])
    # Kept one: no error. Two: half an error, whichever of the equal ones comes first. Three: 1. Four: 2.
    assert curve.area == pytest.approx(np.mean([0, 0.5 / 2, 1 / 3, 2 / 4]))
    assert curve.best_area == pytest.approx(np.mean([0, 0, 1 / 3, 2 / 4]))


def test_a_confidence_that_says_nothing_has_the_error_rate_as_its_area() -> None:
    given, probs = two_classes([0.7] * 100, [True] * 80 + [False] * 20)
    curve = risk_coverage(given, probs)
    assert curve.area == pytest.approx(0.2)
    assert curve.excess_area > 0.1


def test_a_real_model_knows_more_about_what_it_is_sure_of(workspace: Workspace, sample: Dataset) -> None:
    predictions = predictions_of(finished_run(workspace, sample, "r1"))
    test = predictions.only("test")
    curve = risk_coverage(test.labels, test.pred_probs)
    error = float((test.predicted != test.labels).mean())
    assert curve.risk[-1] == pytest.approx(error)
    assert curve.best_area < curve.area < 0.6 * error
    for index in (0, len(curve.risk) // 2, len(curve.risk) - 1):
        share = at_threshold(test.labels, test.pred_probs, float(curve.threshold[index]))
        assert 1 - share.share_people == pytest.approx(curve.coverage[index])
        assert 1 - share.accuracy == pytest.approx(curve.risk[index])

    wanted = threshold_for(test.labels, test.pred_probs, 0.9)
    assert wanted is not None
    assert wanted.ci95[0] >= 0.9
    assert 0 < wanted.share_people < 0.9
    assert any(wanted.threshold == t for t in curve.threshold)


@pytest.mark.parametrize("decimals", [1, 8])  # with ties, and next to none
def test_a_threshold_promises_no_more_than_it_holds_where_confidence_says_nothing(decimals: int) -> None:
    """All thresholds leave 89 % right: whoever finds one for 90 % is wrong."""
    rng, n_wrong = np.random.default_rng(0), 0
    for _ in range(400):
        confidence = rng.uniform(0.5, 1, 300).round(decimals)
        given, probs = two_classes(list(confidence), list(rng.random(300) < 0.89))
        n_wrong += threshold_for(given, probs, 0.9) is not None
    assert n_wrong <= 0.045 * 400  # 2.5 %, and the luck of 400 worlds


def test_a_threshold_is_found_where_confidence_says_much() -> None:
    confidence = np.linspace(0.5, 1, 1000)
    right = (confidence > 0.7) | (np.arange(1000) % 2 == 0)
    found = threshold_for(*two_classes(list(confidence), list(right)), 0.95)
    assert found is not None
    assert 0.65 < found.threshold < 0.7
    assert found.ci95[0] >= 0.95
    all_kept = threshold_for(*two_classes([0.9] * 200, [True] * 200), 0.9)
    assert all_kept is not None
    assert all_kept.n_people == 0


def test_nothing_labelled_and_nothing_kept() -> None:
    nothing = np.zeros(0, np.int64)
    curve = risk_coverage(nothing, np.zeros((0, 2)))
    assert len(curve.risk) == 0
    assert math.isnan(curve.area)
    given, probs = two_classes([0.6], [True])
    share = at_threshold(given, probs, 0.9)
    assert (share.n_people, share.ci95) == (1, (0.0, 1.0))
    assert math.isnan(share.accuracy)
    assert threshold_for(given, probs, 0.99) is None
    assert math.isnan(at_threshold(nothing, np.zeros((0, 2)), 0.5).share_people)
