"""The registry agrees with scikit-learn, and one new metric is found wherever metrics are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import sklearn.metrics as sk
from numpy.typing import NDArray

from core.data.labels import Labels, Task
from core.errors import BadInput
from core.metrics import Metric, Scores, find_metric, metric, metrics_for, registry, score, valid_figures
from core.metrics.bootstrap import bootstrap, bootstrap_scores, drawn_weights
from core.metrics.bounds import auc_bounds, mean_bounds, precision_bounds, with_itself
from core.runs.recipe import Recipe, metric_choices
from core.tuning.studies import field_of, objectives

NAMES = ["a", "b", "c", "d", "e"]
K = len(NAMES)


def single(n: int = 200, seed: int = 0, classes: int = K) -> tuple[Labels, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, classes, n)
    probs = rng.dirichlet(np.ones(K), n)
    probs[np.arange(n), values] += 0.3
    probs = (probs / probs.sum(axis=1, keepdims=True)).round(2).astype(np.float32)
    values[rng.random(n) < 0.1] = -1
    return Labels.of(values, NAMES), probs


def several(n: int = 200, seed: int = 0, unknown: float = 0.0) -> tuple[Labels, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    values = (rng.random((n, K)) < 0.3).astype(np.float32)
    probs = (0.6 * rng.random((n, K)) + 0.4 * values).round(2).astype(np.float32)
    values[rng.random((n, K)) < unknown] = np.nan
    return Labels.of(values, NAMES), probs


def test_one_class_an_image_is_scikit_learns() -> None:
    labels, probs = single(classes=4)  # the fifth is predicted, never given
    rows = labels.known
    given, said = labels.values[rows], probs[rows].argmax(axis=1)
    expected = {
        "accuracy": sk.accuracy_score(given, said),
        "balanced_accuracy": sk.recall_score(given, said, labels=range(4), average="macro"),
        "macro_f1": sk.f1_score(given, said, average="macro", zero_division=0),
        "macro_precision": sk.precision_score(given, said, average="macro", zero_division=0),
        "macro_recall": sk.recall_score(given, said, average="macro", zero_division=0),
        "weighted_f1": sk.f1_score(given, said, average="weighted", zero_division=0),
        "top_2_accuracy": sk.top_k_accuracy_score(
            given, probs[rows] - 1e-6 * np.arange(K), k=2, labels=range(K)
        ),
        "log_loss": -np.log(probs[rows][np.arange(len(given)), given].astype(float)).mean(),
        "macro_auc": np.mean([sk.roc_auc_score(given == k, probs[rows, k]) for k in range(4)]),
        "mean_average_precision": np.mean(
            [sk.average_precision_score(given == k, probs[rows, k]) for k in range(4)]
        ),
    }
    for name, value in expected.items():
        assert find_metric(name, labels.task)(labels, probs) == pytest.approx(value), name


def test_several_labels_are_scikit_learns() -> None:
    labels, probs = several()
    labels = labels.with_values(labels.values * (np.arange(K) < 4))  # the fifth is never given
    probs[:, 4] = 0.1  # nor predicted
    yes, said = labels.values.astype(int), (probs >= 0.5).astype(int)
    here = slice(0, 4)
    expected = {
        "accuracy": 1 - sk.hamming_loss(yes, said),
        "exact_match": sk.accuracy_score(yes, said),
        "macro_f1": sk.f1_score(yes[:, here], said[:, here], average="macro"),
        "macro_precision": sk.precision_score(yes[:, here], said[:, here], average="macro"),
        "micro_f1": sk.f1_score(yes, said, average="micro"),
        "weighted_recall": sk.recall_score(yes, said, average="weighted", zero_division=0),
        "mean_f1": sk.f1_score(yes, said, average="samples", zero_division=1),
        "jaccard": sk.jaccard_score(yes, said, average="samples", zero_division=1),
        "macro_auc": sk.roc_auc_score(yes[:, here], probs[:, here]),
        "mean_average_precision": sk.average_precision_score(yes[:, here], probs[:, here]),
        "brier": ((probs - yes) ** 2).mean(),
    }
    for name, value in expected.items():
        assert find_metric(name, labels.task)(labels, probs) == pytest.approx(value), name


@pytest.mark.parametrize("task", list(Task))
def test_nothing_known_is_no_error(task: Task) -> None:
    shape = (3,) if task is Task.SINGLE_LABEL else (3, K)
    labels = Labels.of(np.full(shape, -1 if task is Task.SINGLE_LABEL else np.nan), NAMES)
    for labels_now in (labels, labels.take(np.zeros(0, np.int64))):
        probs = np.full((len(labels_now), K), 0.2)
        for one in metrics_for(task).values():
            assert np.isnan(one(labels_now, probs)), one.name
    assert set(valid_figures(labels, np.full((3, K), 0.2)).values()) == {None}


@pytest.mark.parametrize("made", [single, several])
def test_a_weighted_draw_is_the_figure_of_the_drawn_images(made: object) -> None:
    labels, probs = single(60) if made is single else several(60, unknown=0.2)
    weights = next(drawn_weights(np.arange(60), 3, seed=1))
    drawn = [np.repeat(np.arange(60), one.astype(int)) for one in weights]
    whole = score(labels, probs)
    scores = Scores(labels, whole.predicted, probs, whole.thresholds, weights)
    for one in metrics_for(labels.task).values():
        values = [one.value(score(labels.take(rows), probs[rows])) for rows in drawn]
        np.testing.assert_allclose(one.draws(scores)[0], values, rtol=1e-5, err_msg=one.name)


def test_two_runs_are_judged_on_the_same_draws() -> None:
    labels, probs = several()
    same = bootstrap(["macro_f1", "accuracy"], labels, probs, probs, n_draws=50)
    assert {name: (one.value, *one.ends) for name, one in same.items()} == {
        "macro_f1": (0.0, 0.0, 0.0),
        "accuracy": (0.0, 0.0, 0.0),
    }
    better = bootstrap("macro_auc", labels, 1 - probs, probs, n_draws=200)["macro_auc"]
    assert 0 < better.low < better.value < better.high
    assert better.of_classes is not None
    assert better.of_classes.shape == (200, K)


def test_whole_groups_are_drawn() -> None:
    labels, probs = single(100)
    copies = np.repeat(np.arange(100), 5)
    once = bootstrap("accuracy", labels, probs, n_draws=300)["accuracy"]
    grouped = bootstrap("accuracy", labels.take(copies), probs[copies], groups=copies, n_draws=300)[
        "accuracy"
    ]
    assert grouped.ends == pytest.approx(once.ends)
    alone = bootstrap("accuracy", labels.take(copies), probs[copies], n_draws=300)["accuracy"]
    assert alone.high - alone.low < 0.6 * (once.high - once.low)
    with pytest.raises(BadInput, match="one group an image"):
        bootstrap("accuracy", labels, probs, groups=np.zeros(3))


def test_the_bootstrap_takes_predictions_without_probabilities() -> None:
    labels, probs = single()
    found = bootstrap_scores("macro_f1", Scores(labels, probs.argmax(axis=1)), n_draws=100)["macro_f1"]
    assert found.low < found.value < found.high


@pytest.mark.parametrize("seed", range(40))
def test_bounds_contain_the_figure(seed: int) -> None:
    labels, probs = several(8, seed, unknown=0.5)
    labels = labels.with_values(np.where(np.arange(K) == seed % K, np.nan, labels.values))
    found = score(labels, probs)
    sure = labels.yes.any(axis=0) & labels.no.any(axis=0)
    for ends_of, figures in ((auc_bounds, found.auc), (precision_bounds, found.average_precision)):
        ends = np.array([ends_of(labels.yes[:, k], ~labels.known[:, k], probs[:, k]) for k in range(K)])
        low, high = mean_bounds(with_itself(ends, figures), sure)
        if sure.any():
            assert low - 1e-12 <= np.nanmean(figures) <= high + 1e-12
        for _ in range(5):
            way = (np.random.default_rng(seed).random(labels.values.shape) < 0.5).astype(np.float32)
            full = score(labels.with_values(np.where(labels.known, labels.values, way)), probs)
            answered = full.auc if ends_of is auc_bounds else full.average_precision
            if not np.isnan(answered).all():
                assert low - 1e-12 <= np.nanmean(answered) <= high + 1e-12


@pytest.fixture
def misses() -> Iterator[Metric]:
    @metric("misses", "Misses", higher_is_better=False)
    def misses(scores: Scores) -> float:
        return float((scores.labels.known & ~scores.right).sum())

    yield misses
    registry.unregister(misses)


def test_a_new_metric_is_found_wherever_metrics_are_chosen(misses: Metric) -> None:
    for task in Task:
        assert "misses" in metric_choices(task)
        assert "misses" in objectives(task)
    recipe = Recipe(keep_by="misses")
    recipe.check_task(Task.MULTI_LABEL)
    assert recipe.signed(3.0) == -3.0  # so that fewer is better when the best epoch is kept
    assert recipe.deciding_figure("accuracy") == field_of("misses") == "valid_misses"
    labels, probs = single()
    assert valid_figures(labels, probs)["valid_misses"] == misses(labels, probs) > 0
    assert bootstrap("misses", labels, probs, n_draws=20)["misses"].high > 0
    with pytest.raises(BadInput, match="There is a metric 'misses'"):
        metric("n_wrong", "Wrong", aliases=("misses",))(lambda scores: 0.0)


def test_a_package_adds_metrics_by_an_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    (tmp_path / "extra_metrics.py").write_text(  # type: ignore[operator]
        "from core.metrics import metric\n"
        "@metric('always_one', 'One')\n"
        "def always_one(scores):\n"
        "    return 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint("extra", "extra_metrics", registry.ENTRY_POINTS),
        EntryPoint("broken", "no_such_module_at_all", registry.ENTRY_POINTS),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry._load_all.cache_clear()
    with pytest.warns(UserWarning, match="no_such_module_at_all cannot be used"):
        found = find_metric("always-one", Task.SINGLE_LABEL)
    assert found(*single()) == 1.0
    registry.unregister(found)


def test_earlier_names_are_still_read() -> None:
    figures = valid_figures(*several())
    assert figures["valid_average_precision"] == figures["valid_mean_average_precision"]
    Recipe(keep_by="average-precision").check_task(Task.MULTI_LABEL)
    with pytest.raises(BadInput, match="does not fit data with one label"):
        Recipe(keep_by="macro-auc").check_task(Task.SINGLE_LABEL)
