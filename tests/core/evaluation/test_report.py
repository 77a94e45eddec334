"""The JSON object and the text of a report say the same, and JSON can hold it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import classification_report

from core.evaluation.predictions import Predictions
from core.evaluation.report import metrics_of, text_report


@pytest.fixture
def predictions() -> Predictions:
    rng = np.random.default_rng(5)
    labels = rng.integers(-1, 4, 300)
    return Predictions(
        item_ids=np.array([f"i{n}" for n in range(300)]),
        split=np.array(["train", "val", "test"])[np.arange(300) % 3],
        labels=labels,
        pred_probs=rng.dirichlet(np.ones(4), 300).astype(np.float32),
        classes=("T-shirt", "Ankle boot", "Überhemd", "a class of a long name"),
        run="run-1",
        label_version=0,
        fingerprint="f" * 32,
    )


def test_the_metrics_are_json_of_one_split(predictions: Predictions) -> None:
    value = json.loads(json.dumps(metrics_of(predictions, "test"), allow_nan=False))
    rows = predictions.only("test")
    labelled = rows.labels >= 0
    theirs = classification_report(
        rows.labels[labelled],
        rows.predicted[labelled],
        target_names=rows.classes,
        output_dict=True,
        zero_division=0,
    )
    assert value["n"] + value["n_unlabelled"] == 100
    assert value["accuracy"] == pytest.approx(theirs["accuracy"])
    assert value["macro_f1"] == pytest.approx(theirs["macro avg"]["f1-score"])
    assert value["weighted_precision"] == pytest.approx(theirs["weighted avg"]["precision"])
    assert value["classes"][1]["name"] == "Ankle boot"
    assert value["classes"][1]["recall"] == pytest.approx(theirs["Ankle boot"]["recall"])
    assert list(value["top_k"]) == ["2", "3"]


def test_a_split_without_labels_gives_nulls(predictions: Predictions) -> None:
    value = metrics_of(predictions, "nowhere")
    assert (value["n"], value["accuracy"], value["ece"]) == (0, None, None)
    text = text_report([value], heading="Run", facts={})
    assert "no labelled items" in text


def test_the_text_holds_every_part_aligned(predictions: Predictions) -> None:
    value = metrics_of(predictions, "test")
    text = text_report(
        [value],
        heading="Run r1 on some data",
        facts={"data set": "some data", "label version": 0},
        model="layer  kind\nhead   Linear",
    )
    assert text.startswith("Run r1 on some data\n===")
    for part in (
        "label version: 0",
        "head   Linear",
        "Test split",
        f"accuracy:{'':18} {value['accuracy']:.4f}",
    ):
        assert part in text
    table = text.partition("class ")[2].split("\n\n")[0].splitlines()
    assert len({len(line) for line in table[1:]}) == 1, "columns must line up"
    matrix = text.rpartition("predicted)\n")[2].splitlines()
    assert len(matrix) == 5
    last = matrix[-1].split()
    assert [int(cell) for cell in last[-4:]] == value["confusion"][3]
