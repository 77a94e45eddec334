"""The Evaluate page: empty, with one run, with two, and with what the address asks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.evaluation.metrics import scores
from core.evaluation.predictions import load_predictions
from core.files import read_json
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs.store import Run
from core.workspace import Workspace
from dashboard.evaluate_panels import class_rows
from tests.finished_runs import finished_run

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "torchvision", "sklearn", "scipy", "statsmodels", "captum", "matplotlib"}
SHOW = f"""
import sys
from streamlit.testing.v1 import AppTest
test = AppTest.from_file({str(ROOT / "dashboard" / "Home.py")!r}, default_timeout=60).run()
test.query_params["compare"] = sys.argv[1]
test.switch_page("../pages/evaluate.py").run()
assert not test.exception, test.exception
assert any(metric.label == sys.argv[2] for metric in test.metric), test.metric
print(*(set(sys.modules) & {HEAVY!r}))
"""


def opened(**address: str) -> AppTest:
    """The page, opened with this address."""
    test = AppTest.from_file(str(ROOT / "dashboard" / "Home.py"), default_timeout=60)
    for key, value in address.items():
        test.query_params[key] = value
    test.run().switch_page("../pages/evaluate.py")
    for key, value in address.items():
        test.query_params[key] = value
    test.run()
    assert not test.exception
    assert not test.error, [message.value for message in test.error]
    return test


@pytest.fixture
def r1(workspace: Workspace, sample: Dataset) -> Run:
    return finished_run(workspace, sample, "r1")


@pytest.fixture
def r2(workspace: Workspace, sample: Dataset) -> Run:
    return finished_run(workspace, sample, "r2", seed=1, epochs=1)


def test_without_a_run_it_leads_to_train(workspace: Workspace, sample: Dataset) -> None:
    test = opened()
    assert "There is no finished run" in test.markdown[0].value
    assert test.button[0].label == "Train a model"


def test_the_figures_are_those_of_the_run(r1: Run) -> None:
    test = opened(images="Test")
    shown = {metric.label: metric.value for metric in test.metric}
    own = read_json(r1.metrics_file)["test"]
    assert shown["Accuracy"] == f"{100 * own['accuracy']:.1f} %"
    assert shown["Macro-F1"] == f"{100 * own['macro_f1']:.1f} %"
    assert shown["Top-3 accuracy"] == f"{100 * own['top_k']['3']:.1f} %"
    n_wrong = round((1 - own["accuracy"]) * own["n"])
    assert any(button.label == f"Review the {n_wrong} mistakes" for button in test.button)
    table = test.dataframe[0].value
    assert table["Class"].iloc[0] == "T-shirt/top"
    assert table["Images"].sum() == 1000


def test_of_a_class_without_images_no_share_is_told() -> None:
    labels, guesses = np.array([0, 0, 1]), np.array([0, 2, 1])
    found = class_rows(scores(labels, guesses, 4), ("a", "b", "guessed", "nowhere"))
    assert [found[2][name] for name in ("Precision", "Recall", "F1")] == [0.0, None, 0.0]
    assert [found[3][name] for name in ("Precision", "Recall", "F1")] == [None, None, None]
    assert found[0]["Recall"] == 50.0


def test_the_split_can_be_changed(r1: Run) -> None:
    test, metrics = opened(), read_json(r1.metrics_file)
    assert test.metric[0].value == f"{100 * metrics['val']['accuracy']:.1f} %", "decisions are made there"
    assert any("validation images right" in caption.value for caption in test.caption)
    test.segmented_control(key="images").set_value("Training").run()
    assert any("it looks better here than it is" in caption.value for caption in test.caption)
    test.segmented_control(key="images").set_value("Test").run()
    assert test.metric[0].value == f"{100 * metrics['test']['accuracy']:.1f} %"


def test_the_address_chooses_the_run_by_id_or_name(r1: Run, r2: Run) -> None:
    assert opened(run=r1.id).selectbox(key="run").value == r1.id
    assert opened(run="r1").selectbox(key="run").value == r1.id
    assert opened().selectbox(key="run").value == r2.id, "the newest, when nothing is asked for"
    test = opened(run="gone")
    assert test.selectbox(key="run").value == r2.id
    assert [info.value for info in test.info] == ["There is no finished run gone; this is r2."]
    assert not test.selectbox(key="run").set_value(r1.id).run().info
    assert [info.value for info in opened(run="r1", compare="gone").info] == [
        "There is no other finished run gone; so none is shown."
    ]


def test_a_choice_is_written_into_the_address(r1: Run, r2: Run) -> None:
    test = opened()
    test.selectbox(key="run").set_value(r1.id).run()
    assert test.query_params["run"] == r1.id
    assert test.selectbox(key="run").value == r1.id


def test_two_runs_are_compared(r1: Run, r2: Run) -> None:
    test = opened(run=r2.id, compare=r1.id)
    verdict = " ".join(message.value for message in [*test.success, *test.warning, *test.info])
    assert "r1" in verdict
    assert "1,000 images" in verdict
    labels = [metric.label for metric in test.metric]
    assert "Exact McNemar p" in labels
    assert any("| **r1 right** |" in markdown.value for markdown in test.markdown)


def test_unconfirmed_corrections_of_test_labels_lead_to_a_blind_look(
    workspace: Workspace, sample: Dataset, r1: Run
) -> None:
    position = int(sample.in_split("test")[0])
    other = sample.classes[(int(sample.labels[position]) + 1) % 10]
    saw = {"run": r1.id, "guess": other}
    item_id = str(sample.item_ids[position])
    LabelJournal(workspace).append(sample, [NewEdit(item_id, EditKind.LABEL, other, evidence=saw)])
    test = opened(images="Test")
    assert test.segmented_control(key="evaluate_labels").options == [
        "As given",
        "Corrected",
        "With unconfirmed",
    ]
    next(button for button in test.button if button.label == "1 unconfirmed").click().run()
    assert not test.exception
    assert "Corrections in the test split" in [part.value for part in test.subheader]


def test_corrected_labels_can_be_chosen(workspace: Workspace, sample: Dataset, r1: Run) -> None:
    before = opened(images="Test").metric[0].value
    wrong = [sample.item_ids[p] for p in sample.in_split("test") if sample.labels[p] == 6][:40]
    edits = [NewEdit(str(item_id), EditKind.LABEL, "Bag") for item_id in wrong]
    LabelJournal(workspace).append(sample, edits)
    test = opened(images="Test")
    assert test.metric[0].value == before, "the given labels come first"
    test.segmented_control(key="evaluate_labels").set_value(1).run()
    assert test.metric[0].value != before
    assert any("labels of version 40" in caption.value for caption in test.caption)


@pytest.mark.parametrize("compared", [False, True])
def test_showing_results_imports_nothing_heavy(r1: Run, r2: Run, compared: bool) -> None:
    arguments = [r1.id if compared else "", "Exact McNemar p" if compared else "Macro-F1"]
    result = subprocess.run(
        [sys.executable, "-c", SHOW, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""


def test_a_threshold_says_what_goes_to_people_and_how_good_the_rest_is(r1: Run) -> None:
    test = opened(images="Test")
    test.slider(key="ask_below").set_value(60).run()
    rows = load_predictions(r1.predictions_file).only("test")
    kept = rows.confidence >= 0.6
    shown = {metric.label: metric.value for metric in test.metric}
    assert shown["Goes to people"] == f"{100 * (~kept).mean():.1f} %"
    right = (rows.predicted == rows.labels)[kept].mean()
    assert shown["Accuracy of the rest"] == f"{100 * right:.1f} %"
    assert f"Send {(~kept).sum():,} images to Relabel" in [button.label for button in test.button]
