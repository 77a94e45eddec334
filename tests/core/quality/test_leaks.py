from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.evaluation.of_run import predictions_of
from core.quality.leaks import leaked_score
from core.workspace import Workspace
from tests.core.quality.planted import similar
from tests.finished_runs import finished_run


def test_the_score_is_taken_with_and_without_what_was_seen(workspace: Workspace, sample: Dataset) -> None:
    predictions = predictions_of(finished_run(workspace, sample, "one"))
    test = predictions.only("test")
    right = sample.positions(test.item_ids[test.predicted == test.labels].tolist())[:40].tolist()
    wrong = sample.positions(test.item_ids[test.predicted != test.labels].tolist())[:10].tolist()
    seen = sample.positions(predictions.only("train").item_ids.tolist()).tolist()
    held = sample.positions(predictions.only("val").item_ids.tolist()).tolist()
    others = sample.positions(test.item_ids[test.predicted == test.labels].tolist())[40:42].tolist()
    groups = [[one, other] for one, other in zip(right + wrong[:5], seen, strict=False)]
    groups += [[one, other] for one, other in zip(wrong[5:], held, strict=False)]
    groups.append(others)  # both are test images: nothing was seen

    found = leaked_score(sample, similar(*groups), predictions)
    n, n_right = len(test), int((test.predicted == test.labels).sum())
    assert found.positions == tuple(sorted(right + wrong))
    assert (found.all.n, found.leaked.n, found.without.n) == (n, 50, n - 50)
    assert found.all.accuracy == pytest.approx(n_right / n)
    assert found.leaked.accuracy == pytest.approx(0.8)
    assert found.without.accuracy == pytest.approx((n_right - 40) / (n - 50))
    assert found.difference == pytest.approx(n_right / n - (n_right - 40) / (n - 50))
    low, high = found.without.interval
    assert low < found.without.accuracy < high
    assert 0 < found.without.macro_f1 < 1


def test_without_leaks_nothing_changes(workspace: Workspace, sample: Dataset) -> None:
    predictions = predictions_of(finished_run(workspace, sample, "one"))
    found = leaked_score(sample, similar(), predictions)
    assert found.positions == ()
    assert found.difference == 0
    assert found.leaked.n == 0
    assert np.isnan(found.leaked.accuracy)
