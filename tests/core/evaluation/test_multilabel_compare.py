"""Two runs with several labels an image: differences over known labels only, and how sure they are."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput
from core.evaluation.multilabel import multilabel_scores
from core.evaluation.multilabel_bootstrap import weighted_aucs
from core.evaluation.multilabel_compare import MultiLabelComparison, compare_labels, text_comparisons
from core.evaluation.predictions import Predictions

N, CLASSES = 300, ("cat", "dog", "boat")
IDS = np.array([f"i{number:03}" for number in range(N)])


def predictions(run: str, probs: np.ndarray, order: tuple[int, ...] = (0, 1, 2)) -> Predictions:
    classes = tuple(CLASSES[k] for k in order)
    labels = np.zeros((N, 3), np.float32)
    return Predictions(
        IDS, np.full(N, "test"), labels, probs[:, order].astype(np.float32), classes, run, 0, "f"
    )


@pytest.fixture
def labels() -> np.ndarray:
    rng = np.random.default_rng(0)
    found = (rng.random((N, 3)) < 0.4).astype(np.float32)
    found[rng.random((N, 3)) < 0.3] = np.nan
    return found


def told(labels: np.ndarray, noise: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(
        (np.nan_to_num(labels, nan=0.5) * 0.6 + 0.2 + rng.normal(0, noise, labels.shape)).clip(0, 1)
    )


def compared(labels: np.ndarray, a: np.ndarray, b: np.ndarray, **more: object) -> MultiLabelComparison:
    order = more.pop("order", (0, 1, 2))
    theirs = predictions("b", b, order)  # type: ignore[arg-type]
    return compare_labels(predictions("a", a), theirs, IDS, labels, "test", n_draws=300, **more)  # type: ignore[arg-type]


def test_a_better_run_is_proven_better_and_the_order_of_its_classes_does_not_matter(
    labels: np.ndarray,
) -> None:
    a, b = told(labels, 0.5, 1), told(labels, 0.1, 2)
    found = compared(labels, a, b, order=(2, 0, 1))
    assert found.outcome == "better"
    assert "better than a" in found.verdict
    assert all(one.ci95 is not None and one.ci95[0] > 0 for one in found.figures)
    assert all(one.p_value < 0.05 and one.only_b > one.only_a for one in found.labels)
    expected = multilabel_scores(labels[~np.isnan(labels).all(axis=1)], b[~np.isnan(labels).all(axis=1)])
    assert found.figures[1].b == pytest.approx(expected.macro_auc, abs=1e-6)
    assert "mean ROC AUC" in text_comparisons([found])
    assert found.to_json()["figures"]["mean_f1"]["difference"] > 0


def test_it_is_told_how_many_draws_are_done(labels: np.ndarray) -> None:
    one, shares = predictions("a", told(labels, 0.3, 1)), list[float]()
    compare_labels(one, one, IDS, labels, "test", n_draws=500, on_share=shares.append)
    assert shares == [0.0, 0.25, 0.5, 0.75]


def test_runs_alike_are_not_told_apart(labels: np.ndarray) -> None:
    a, b = told(labels, 0.3, 1), told(labels, 0.3, 2)
    assert compared(labels, a, b).outcome == "not proven"
    assert compared(labels, a, a).outcome == "same"


def test_unknown_labels_do_not_count(labels: np.ndarray) -> None:
    a = told(labels, 0.3, 1)
    b = np.where(np.isnan(labels), 1 - a, a)
    found = compared(labels, a, b)
    assert [one.difference for one in found.figures] == [0.0, 0.0, 0.0]
    assert found.n_known == int((~np.isnan(labels)).sum())
    assert not len(found.only_right(0, second=True))


def test_a_draw_of_every_image_once_is_the_plain_auc(labels: np.ndarray) -> None:
    scores = multilabel_scores(labels, np.round(told(labels, 0.4, 3), 1))  # with ties
    np.testing.assert_allclose(weighted_aucs(scores, np.ones((N, 1), np.float32))[0], scores.auc)


def test_nothing_known_in_common_is_said(labels: np.ndarray) -> None:
    with pytest.raises(BadInput, match="known label in common"):
        compared(np.full_like(labels, np.nan), labels, labels)
