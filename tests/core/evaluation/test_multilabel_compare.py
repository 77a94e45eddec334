"""Two runs with several labels an image: differences over known labels only, and how sure they are."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.labels import Labels
from core.errors import BadInput
from core.evaluation.compare import Comparison, compare, text_comparison
from core.evaluation.predictions import Predictions
from core.metrics.registry import find_metric

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


def compared(labels: np.ndarray, a: np.ndarray, b: np.ndarray, **more: object) -> Comparison:
    order = more.pop("order", (0, 1, 2))
    theirs = predictions("b", b, order)  # type: ignore[arg-type]
    return compare(predictions("a", a), theirs, IDS, labels, "test", n_draws=300, **more)  # type: ignore[arg-type]


def test_a_better_run_is_proven_better_and_the_order_of_its_classes_does_not_matter(
    labels: np.ndarray,
) -> None:
    a, b = told(labels, 0.5, 1), told(labels, 0.1, 2)
    found = compared(labels, a, b, order=(2, 0, 1))
    assert found.outcome == "better"
    assert "better than a" in found.verdict
    assert all(one.ci95 is not None and one.ci95[0] > 0 for one in found.figures)
    assert all(one.p_value < 0.05 and one.only_b > one.only_a for one in found.class_changes)
    macro_auc = find_metric("macro_auc", "multi-label")
    expected = macro_auc(Labels.of(labels, CLASSES), b)
    assert found.figure("macro_auc").b == pytest.approx(expected, abs=1e-6)
    assert macro_auc.title in text_comparison([found])
    assert found.to_json()["figures"]["mean_f1"]["difference"] > 0


def test_it_is_told_how_many_draws_are_done(labels: np.ndarray) -> None:
    one, shares = predictions("a", told(labels, 0.3, 1)), list[float]()
    compare(one, one, IDS, labels, "test", n_draws=500, on_share=shares.append)
    assert shares == [0.5, 1.0]


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
    assert not len(found.only_right(second=True, k=0))


def test_nothing_known_in_common_is_said(labels: np.ndarray) -> None:
    with pytest.raises(BadInput, match="in common"):
        compared(np.full_like(labels, np.nan), labels, labels)


def test_one_image_gives_no_verdict() -> None:
    """However many of its labels one run got right: an image is one draw."""
    n_labels = 40
    classes = tuple(f"label {k}" for k in range(n_labels))
    truth = np.ones((50, n_labels), np.float32)
    ids = IDS[:50]

    def run(name: str, probs: np.ndarray) -> Predictions:
        return Predictions(ids, np.full(50, "test"), truth, probs.astype(np.float32), classes, name, 0, "f")

    for n_images in (1, 5, 6):
        worse = np.full((50, n_labels), 0.9)
        worse[:n_images] = 0.1
        found = compare(
            run("a", worse), run("b", np.full((50, n_labels), 0.9)), ids, truth, "test", n_draws=250
        )
        assert found.outcome == ("better" if n_images == 6 else "not proven")
        assert (found.ci95[0] > 0) == (n_images == 6)


def test_groups_are_drawn_whole(labels: np.ndarray) -> None:
    a, b = told(labels, 0.5, 1), told(labels, 0.1, 2)
    one_each = compared(labels, a, b, groups=np.arange(N))
    assert (one_each.n_units, one_each.p_value) == (len(one_each), compared(labels, a, b).p_value)
    five = compared(labels, a, b, groups=np.arange(N) % 5)
    assert (five.n_units, five.outcome) == (5, "not proven")
    assert five.to_json()["n_groups"] == 5
    twenty = compared(labels, a, b, groups=np.arange(N) % 20)
    assert twenty.outcome == "better"
