"""The benchmark of label errors would see a bad order: its noise, its figures and its rivals are right."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import label_issues
from benchmarks.label_issues import cleanlab_order, flip, orders_of, ranking, summary
from core.data.dataset import Dataset
from core.quality.label_issues import LabelIssues
from core.workspace import Workspace


def test_flips_are_as_many_as_asked_never_right_and_the_same_for_a_seed() -> None:
    labels = np.arange(2_000) % 4
    among = np.arange(0, 1_600)
    noisy = flip(labels, among, 0.05, np.ones((4, 4)), seed=3)
    wrong = np.flatnonzero(noisy != labels)
    assert len(wrong) == 80
    assert wrong.max() < 1_600
    assert set(noisy[wrong]) == {0, 1, 2, 3}
    assert np.array_equal(noisy, flip(labels, among, 0.05, np.ones((4, 4)), seed=3))
    assert not np.array_equal(noisy, flip(labels, among, 0.05, np.ones((4, 4)), seed=4))


def test_confusable_flips_follow_the_confusion() -> None:
    labels = np.arange(3_000) % 3
    odds = np.array([[90, 0, 10], [5, 90, 15], [0, 0, 90]])
    noisy = flip(labels, np.arange(3_000), 0.5, odds, seed=0)
    wrong = noisy != labels
    assert wrong.sum() == 1_500
    assert set(noisy[wrong & (labels == 0)]) == {2}
    from_one = noisy[wrong & (labels == 1)]
    assert (from_one == 2).mean() == pytest.approx(0.75, abs=0.07)
    assert (noisy[wrong & (labels == 2)] == 0).mean() == pytest.approx(0.5, abs=0.07), "nothing was confused"


def test_average_precision_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    order, wrong = rng.permutation(50), rng.random(50) < 0.3
    score = np.empty(50)
    score[order] = np.arange(50, 0, -1)
    found = ranking(order, wrong, (5, 50))
    assert found.average_precision == pytest.approx(average_precision_score(wrong, score))
    assert found.precision[5] == wrong[order[:5]].mean()
    assert found.recall[50] == 1


def made_up(n: int = 400) -> tuple[LabelIssues, np.ndarray]:
    """Issues in their own order, with scores that other orders can be made of."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, n)
    scores = rng.normal(size=(n, 3))
    scores[np.arange(n), labels] += 2
    probs = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)
    own = probs[np.arange(n), labels]
    late = np.where(np.arange(n) < 50, np.nan, rng.random(n)).astype(np.float32)
    found = LabelIssues(
        positions=rng.permutation(n),
        labels=labels,
        suggested=(labels + 1) % 3,
        scores={"self_confidence": 1 - own, "neighbours": np.zeros(n, np.float32), "dynamics": late},
        combined=np.linspace(1, 0, n, dtype=np.float32),
        flagged=np.arange(n) < 20,
        pred_probs=probs,
        neighbour_labels=np.full((n, 10), -1),
        n_estimated=20,
    )
    return found, labels


def test_orders_hold_the_same_images_and_equal_scores_do_not_follow_the_combined_order() -> None:
    found, _ = made_up()
    among = np.arange(100, 400)
    orders = orders_of(found, among, seed=0)
    for name, order in orders.items():
        assert np.array_equal(np.sort(order), among), name
    assert np.array_equal(orders["combined"], found.positions[np.isin(found.positions, among)])
    assert np.array_equal(orders["neighbours"], orders["random"]), "all are equal"
    assert np.isnan(found.scores["dynamics"][np.isin(found.positions, orders["dynamics"][-30:])]).all()


def test_cleanlabs_order_has_what_it_flags_first() -> None:
    from cleanlab.filter import find_label_issues

    found, labels = made_up()
    rng = np.random.default_rng(0)
    given = np.where(rng.random(len(labels)) < 0.1, (labels + 1) % 3, labels)
    order = cleanlab_order(given, found.pred_probs)
    flagged = np.flatnonzero(find_label_issues(given, found.pred_probs, n_jobs=1))
    assert len(flagged) > 5
    assert set(order[: len(flagged)]) == set(flagged)
    assert np.array_equal(np.sort(order), np.arange(len(labels)))
    rest = found.pred_probs[order, given[order]][len(flagged) :]
    assert (np.diff(rest) >= 0).all()


@pytest.mark.slow
def test_the_whole_benchmark_small(
    workspace: Workspace,
    sample: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = "--data fashion-mnist-sample --noise confusable --folds 2 --seeds 0 --trainings 1 --json"
    monkeypatch.setattr(sys, "argv", ["", *options.split(), "--set", "epochs=1", "width=4", "threads=1"])
    label_issues.main()
    value = json.loads(capsys.readouterr().out)
    (one,) = value["worlds"]
    assert (one["noise"], one["n_flipped"]) == ("confusable", 250)
    precision = {name: order["average_precision"] for name, order in one["orders"].items()}
    assert precision["combined"] > 2 * precision["random"]
    after = one["reviewer"]["after"]
    assert set(after) == {"combined", "cleanlab", "random"}
    assert after["combined"]["corrected_per_100_reviews"] > after["random"]["corrected_per_100_reviews"]
    assert value["summary"] == summary(value["worlds"])

    monkeypatch.setattr(sys, "argv", [one for one in sys.argv if one != "--json"])
    label_issues.main()
    text = capsys.readouterr().out
    assert f"{precision['combined']:.4f}" in text
    assert f"correct {after['combined']['corrected_per_100_reviews']:5.1f} labels" in text
