from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as sk

from core.errors import BadInput
from core.evaluation.thresholds import (
    best_threshold,
    by_hand,
    load_thresholds,
    save_thresholds,
    tune_thresholds,
)

RNG = np.random.default_rng(0)
PROBS = RNG.random(200).round(2)
YES = RNG.random(200) < PROBS**2


def f1_at(threshold: float) -> float:
    return float(sk.f1_score(YES, threshold <= PROBS))


def test_no_threshold_has_a_better_f1_or_g_mean() -> None:
    assert f1_at(best_threshold(YES, PROBS, "f1")) == max(f1_at(t) for t in np.linspace(0, 1, 101))

    def g_mean(threshold: float) -> float:
        said = threshold <= PROBS
        return float(np.sqrt(said[YES].mean() * (~said[~YES]).mean()))

    best = g_mean(best_threshold(YES, PROBS, "g-mean"))
    assert best == pytest.approx(max(g_mean(t) for t in np.linspace(0.001, 1, 1000)))


def test_a_wanted_precision_is_reached_by_the_lowest_threshold_that_does() -> None:
    threshold = best_threshold(YES, PROBS, "precision", 0.6)
    assert sk.precision_score(YES, threshold <= PROBS) >= 0.6
    lower = [t for t in np.unique(PROBS) if t < threshold]
    assert all(sk.precision_score(YES, t <= PROBS) < 0.6 for t in lower)


def test_the_nested_figure_is_no_better_than_tuning_on_the_same_images() -> None:
    rng = np.random.default_rng(1)
    noise = rng.random((120, 6))
    labels = (rng.random((120, 6)) < 0.3).astype(np.float32)  # nothing can be learnt here
    labels[:20, 0] = np.nan
    found = tune_thresholds(labels, noise)
    for k, threshold in enumerate(found.values):
        known = ~np.isnan(labels[:, k])
        tuned = sk.f1_score(labels[known, k], noise[known, k] >= threshold)
        assert found.nested[k] is not None
        assert found.nested[k] <= tuned
    assert found.n[0] == 100


def test_too_few_answers_promise_nothing() -> None:
    labels = np.zeros((30, 2), np.float32)
    labels[:2, 0] = 1
    found = tune_thresholds(labels, np.linspace(1, 0, 60).reshape(30, 2))
    assert found.nested == (None, None)
    assert found.values[1] == 0.5
    assert found.at_half[1] is None


def test_what_is_learned_by_heart_is_not_kept() -> None:
    rng = np.random.default_rng(1)
    helped = np.concatenate([rng.uniform(0.05, 0.15, 60), rng.uniform(0.2, 0.4, 40)])  # never above one half
    probs = np.stack([helped, rng.random(100), rng.random(100)], axis=1)
    labels = np.stack([np.arange(100) >= 60, rng.random(100) < 0.5, np.arange(100) < 2], axis=1)
    tuned = tune_thresholds(labels.astype(np.float32), probs)
    kept = tuned.where_they_help()
    assert kept.values[0] == tuned.values[0] < 0.5
    assert kept.values[1] == (tuned.values[1] if tuned.nested[1] > tuned.at_half[1] else 0.5)
    assert tuned.nested[2] is None
    assert kept.values[2] == 0.5
    assert (kept.nested, kept.at_half) == (tuned.nested, tuned.at_half)


def test_they_are_kept_with_the_run(tmp_path: Path) -> None:
    assert load_thresholds(tmp_path, 3).values == (0.5, 0.5, 0.5)
    chosen = by_hand([0.2, 0.5, 0.9])
    save_thresholds(tmp_path, chosen)
    assert load_thresholds(tmp_path, 3) == chosen
    with pytest.raises(BadInput, match=r"1\.5 is no threshold"):
        by_hand([0.5, 1.5])
    with pytest.raises(BadInput, match="no aim 'recall'"):
        tune_thresholds(np.zeros((1, 1), np.float32), np.zeros((1, 1)), "recall")  # type: ignore[arg-type]
