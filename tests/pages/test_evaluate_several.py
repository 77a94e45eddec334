"""Evaluate where an image has several labels: figures with bounds, thresholds, and two runs side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.evaluation.multilabel import multilabel_scores
from core.evaluation.predictions import load_predictions
from core.evaluation.thresholds import load_thresholds
from core.runs.store import Run
from core.workspace import Workspace
from tests.answered_runs import answered_run
from tests.tagged import tagged

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


@pytest.fixture
def clothes(workspace: Workspace, sample: Dataset) -> Dataset:
    return tagged(workspace, sample, 300, split=(np.arange(300) % 3).astype(np.int8))


@pytest.fixture
def run(workspace: Workspace, clothes: Dataset) -> Run:
    return answered_run(workspace, clothes, "r1", noise=2.0)


def opened(dataset: Dataset, **address: str) -> AppTest:
    test = AppTest.from_file(HOME, default_timeout=60)
    address = {"data": dataset.name, **address}
    for key, value in address.items():
        test.query_params[key] = value
    test.run().switch_page("../pages/evaluate.py")
    for key, value in address.items():
        test.query_params[key] = value
    test.run()
    assert not test.exception
    assert not test.error
    return test


def test_every_figure_is_over_known_labels_and_has_its_bounds(clothes: Dataset, run: Run) -> None:
    test = opened(clothes, images="Test")
    rows = load_predictions(run.predictions_file).only("test")
    found = multilabel_scores(rows.labels, rows.pred_probs)
    shown = {metric.label: metric for metric in test.main.metric}
    assert shown["Mean ROC AUC"].value == f"{100 * found.macro_auc:.1f} %"
    assert shown["F1 of images"].value == f"{100 * found.samples('f1'):.1f} %"
    for name, ends in (
        ("Mean ROC AUC", found.ranking_bounds["macro_auc"]),
        ("Jaccard", found.samples_bounds("jaccard")),
        ("Exact match", found.samples_bounds("exact")),
    ):
        assert shown[name].delta == f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}"
    assert f"Over {int(found.known.sum()):,} known labels" in " ".join(one.value for one in test.main.caption)
    figures = test.main.dataframe[0].value
    assert list(figures["TP"]) == found.counts.tp.tolist()
    assert figures["Accuracy"][0] == pytest.approx(100 * found.counts.accuracy[0])
    test.segmented_control(key="label_figures").set_value("Bounds").run()
    bounds = test.main.dataframe[0].value
    low, high = found.average_precision_bounds(1)
    assert bounds["Av. precision"][1] == f"{100 * low:.1f} to {100 * high:.1f}"
    test.segmented_control(key="label_figures").set_value("Averages").run()
    assert test.main.dataframe[0].value["F1"][1] == pytest.approx(100 * found.micro("f1"))
    assert not test.exception


def test_thresholds_are_tuned_for_a_precision_and_kept_with_the_run(clothes: Dataset, run: Run) -> None:
    test = opened(clothes)
    test.selectbox(key="tune_aim").set_value("precision").run()
    test.number_input(key="tune_precision").set_value(80).run()
    next(button for button in test.main.button if button.label == "Use these").click().run()
    assert not test.exception
    kept = load_thresholds(run.folder, 3)
    assert (kept.aim, kept.precision) == ("precision", 0.8)
    assert test.slider(key=f"threshold_{run.id}_0").value == pytest.approx(kept.values[0], abs=0.006)
    test.slider(key=f"threshold_{run.id}_0").set_value(0.25).run()
    rows = load_predictions(run.predictions_file).only("val")
    shown = {metric.label: metric.value for metric in test.main.metric}
    said = rows.pred_probs[:, 0] >= 0.25
    assert shown["False alarms"] == str(int((said & (rows.labels[:, 0] == 0)).sum()))


def test_two_runs_are_compared_over_known_labels(workspace: Workspace, clothes: Dataset, run: Run) -> None:
    better = answered_run(workspace, clothes, "r2", noise=0.5, seed=1)
    test = opened(clothes, run=better.id, compare=run.id)
    assert "r2 is better than r1" in test.main.success[0].value
    assert "known labels" in test.main.success[0].value
    test.segmented_control(key="compare_figure").set_value("F1").run()
    assert not test.exception
