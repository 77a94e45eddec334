from __future__ import annotations

import itertools

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm
from numpy.typing import NDArray

from core.errors import BadInput
from core.evaluation.multilabel import multilabel_scores, pr_curve, roc_curve
from core.evaluation.multilabel_report import HEADLINE, multilabel_metrics, multilabel_text
from core.evaluation.predictions import Predictions, load_predictions, save_predictions

N, K = 300, 4


@pytest.fixture
def probs() -> NDArray[np.float32]:
    return np.random.default_rng(0).random((N, K)).round(2).astype(np.float32)  # with ties


@pytest.fixture
def labels(probs: NDArray[np.float32]) -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    return (rng.random((N, K)) < 0.15 + 0.5 * probs).astype(np.float32)


def with_unknown(labels: NDArray[np.float32], share: float = 0.3) -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    return np.where(rng.random(labels.shape) < share, np.nan, labels).astype(np.float32)


def test_every_figure_is_scikit_learns(labels: NDArray[np.float32], probs: NDArray[np.float32]) -> None:
    found = multilabel_scores(labels, probs)
    yes, said = labels.astype(int), (probs >= 0.5).astype(int)
    for k, matrix in enumerate(sk.multilabel_confusion_matrix(yes, said)):
        tn, fp, fn, tp = matrix.ravel()
        counts = found.counts
        assert (counts.tp[k], counts.fp[k], counts.tn[k], counts.fn[k]) == (tp, fp, tn, fn)
        assert found.auc[k] == pytest.approx(sk.roc_auc_score(yes[:, k], probs[:, k]))
        assert found.average_precision[k] == pytest.approx(sk.average_precision_score(yes[:, k], probs[:, k]))
        assert counts.balanced_accuracy[k] == pytest.approx(sk.balanced_accuracy_score(yes[:, k], said[:, k]))
        assert counts.specificity[k] == pytest.approx(sk.recall_score(yes[:, k], said[:, k], pos_label=0))
    for ours, theirs in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        assert found.macro(ours) == pytest.approx(theirs(yes, said, average="macro", zero_division=0))
        assert found.micro(ours) == pytest.approx(theirs(yes, said, average="micro"))
    assert found.micro("accuracy") == pytest.approx(1 - sk.hamming_loss(yes, said))
    assert found.samples("exact") == pytest.approx(sk.accuracy_score(yes, said))
    assert found.samples("f1") == pytest.approx(sk.f1_score(yes, said, average="samples", zero_division=1))
    jaccard = sk.jaccard_score(yes, said, average="samples", zero_division=1)
    assert found.samples("jaccard") == pytest.approx(jaccard)


def test_unknown_labels_are_left_out_as_torchmetrics_does(
    labels: NDArray[np.float32], probs: NDArray[np.float32]
) -> None:
    masked = with_unknown(labels)
    found = multilabel_scores(masked, probs)
    target = torch.from_numpy(np.nan_to_num(masked, nan=-1)).long()
    given = torch.from_numpy(probs)
    settings = {"num_labels": K, "average": "none", "ignore_index": -1}
    np.testing.assert_allclose(found.auc, tm.multilabel_auroc(given, target, **settings), rtol=1e-5)
    precision = tm.multilabel_average_precision(given, target, **settings)
    np.testing.assert_allclose(found.average_precision, precision, rtol=1e-5)
    at_half = tm.multilabel_f1_score(given, target, threshold=0.4999, **settings)
    np.testing.assert_allclose(found.counts.f1, at_half, rtol=1e-5)
    assert (found.counts.n == (~np.isnan(masked)).sum(axis=0)).all()


@pytest.mark.parametrize("seed", range(3, 9))
def test_the_bounds_are_what_all_answers_of_the_unknown_reach(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probs = rng.random((9, 1)).round(1)
    labels = (rng.random((9, 1)) < 0.5).astype(np.float32)
    labels[:5] = np.nan
    found = multilabel_scores(labels, probs)
    reached = []
    for answers in itertools.product((0, 1), repeat=5):
        full = labels.copy()
        full[:5, 0] = answers
        reached.append(multilabel_scores(full, probs))
    two_sided = [one for one in reached if not np.isnan(one.auc[0])]
    auc = [one.auc[0] for one in two_sided]
    assert found.auc_bounds(0) == pytest.approx((min(auc), max(auc)))
    precision = [one.average_precision[0] for one in two_sided]
    assert found.average_precision_bounds(0) == pytest.approx((min(precision), max(precision)))
    for name in ("precision", "recall", "specificity", "f1", "g_mean", "accuracy"):
        values = [one.counts.ratio(name)[0] for one in reached]
        assert found.at_worst.ratio(name)[0] == pytest.approx(min(values)), name
        assert found.at_best.ratio(name)[0] == pytest.approx(max(values)), name
    for name in ("exact", "f1", "jaccard"):
        values = [one.samples(name) for one in reached]
        assert found.samples_bounds(name) == pytest.approx((min(values), max(values))), name


def test_bounds_meet_where_all_is_known(labels: NDArray[np.float32], probs: NDArray[np.float32]) -> None:
    found = multilabel_scores(labels, probs)
    for k in range(K):
        assert found.auc_bounds(k) == pytest.approx((found.auc[k], found.auc[k]))
        both = (found.average_precision[k],) * 2
        assert found.average_precision_bounds(k) == pytest.approx(both)
    assert found.samples_bounds("f1") == pytest.approx((found.samples("f1"),) * 2)


def test_the_curves_are_scikit_learns(labels: NDArray[np.float32], probs: NDArray[np.float32]) -> None:
    yes, scores = labels[:, 0] == 1, probs[:, 0]
    fpr, tpr, _ = roc_curve(yes, scores)
    theirs = sk.roc_curve(yes, scores, drop_intermediate=False)
    np.testing.assert_allclose(fpr, theirs[0])
    np.testing.assert_allclose(tpr, theirs[1])
    recall, precision, thresholds = pr_curve(yes, scores)
    theirs = sk.precision_recall_curve(yes, scores)
    np.testing.assert_allclose(precision, theirs[0][-2::-1])
    np.testing.assert_allclose(recall, theirs[1][-2::-1])
    np.testing.assert_allclose(thresholds, theirs[2][::-1])


def test_a_label_without_both_answers_has_no_auc() -> None:
    labels = np.array([[1, np.nan], [1, np.nan], [1, 0]], np.float32)
    found = multilabel_scores(labels, np.full((3, 2), 0.7))
    assert np.isnan(found.auc).all()
    assert np.isnan(found.macro_auc)
    with pytest.raises(BadInput, match=r"\(3, 2\).*\(3, 3\)"):
        multilabel_scores(labels, np.zeros((3, 3)))


def made(labels: NDArray[np.float32], probs: NDArray[np.float32]) -> Predictions:
    ids = np.array([f"image-{i}" for i in range(N)])
    split = np.where(np.arange(N) % 3 == 0, "test", "val")
    return Predictions(ids, split, labels, probs, ("a", "b", "c", "d"), "r1", 0, "f")


def test_the_report_says_over_how_many_known_labels(
    labels: NDArray[np.float32], probs: NDArray[np.float32]
) -> None:
    metrics = multilabel_metrics(made(with_unknown(labels), probs), "test")
    assert metrics["n_known"] + metrics["n_unknown"] == 100 * K
    assert all(0 <= metrics[name] <= 1 for name in HEADLINE)
    for name, (low, high) in metrics["bounds"].items():
        assert 0 <= low < high <= 1, name
    text = multilabel_text([metrics], heading="Run r1", facts={"run": "r1"})
    assert f"{metrics['n_known']:,} ({metrics['n_unknown']:,} unknown left out)" in text
    assert "for any unknown labels" in text
    nothing = multilabel_metrics(made(np.full((N, K), np.nan, np.float32), probs), "test")
    assert nothing["macro_auc"] is None
    assert "no known labels" in multilabel_text([nothing], heading="Run", facts={})


def test_tri_state_labels_survive_parquet(
    tmp_path: object, labels: NDArray[np.float32], probs: NDArray[np.float32]
) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "predictions.parquet"
    kept = made(with_unknown(labels), probs)
    save_predictions(path, kept)
    read = load_predictions(path)
    assert read.has_many_labels
    np.testing.assert_array_equal(read.labels, kept.labels)
    np.testing.assert_array_equal(read.pred_probs, kept.pred_probs)
