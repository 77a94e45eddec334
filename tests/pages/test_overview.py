"""Home: what the cards say, and what the next step is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs.recipe import Recipe
from core.runs.store import create_run
from core.workspace import Workspace

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


@pytest.fixture
def app(workspace: Workspace) -> AppTest:
    return AppTest.from_file(HOME, default_timeout=60)


def cards(app: AppTest) -> dict[str, tuple[str, str]]:
    return {metric.label: (metric.value, metric.delta) for metric in app.metric}


def test_a_fresh_data_set_is_described_and_a_first_model_is_the_next_step(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert not app.error
    assert "6,000 grey images · 28 × 28 · 10 classes · single-label" in [c.value for c in app.caption]
    assert cards(app)["Images"] == ("6,000", "5,000 train · 1,000 test")
    assert cards(app)["Class balance"][0] == "Balanced"
    assert cards(app)["Exact duplicates"] == ("0", "no image occurs twice")
    assert cards(app)["Labels"] == ("As given", "none missing")
    assert cards(app)["Best test accuracy"][0] == "–"
    assert app.button(key="next_step").label == "Train a first model"


def test_finished_runs_fill_the_cards(app: AppTest, workspace: Workspace, sample: Dataset) -> None:
    for name, accuracy in (("first", 0.9), ("second", 0.88)):
        run = create_run(workspace, sample, Recipe(), name=name)
        run.events.append("started", n_test=1000, n_val=500)
        run.events.append("finished", test_accuracy=accuracy, valid_accuracy=0.9, seconds=75.0)
    app.run()
    assert cards(app)["Best test accuracy"] == ("90.0 %", "first · −2.0 pt in the last run")
    assert cards(app)["To review"] == ("50", "validation mistakes of second")
    assert app.button(key="next_step").label == "Look at the 50 mistakes"
    assert any("test accuracy 88.0 % · 1 min 15 s" in caption.value for caption in app.caption)


def test_a_run_without_test_images_is_a_finished_run(
    app: AppTest, workspace: Workspace, sample: Dataset
) -> None:
    run = create_run(workspace, sample, Recipe(), name="first")
    run.events.append("finished", valid_accuracy=0.9, seconds=1.0)
    app.run()
    assert cards(app)["Best test accuracy"] == ("–", "no test images")


def test_runs_on_other_content_do_not_count(app: AppTest, workspace: Workspace, sample: Dataset) -> None:
    run = create_run(workspace, replace(sample, fingerprint="f" * 32), Recipe(), name="stale")
    run.events.append("finished", test_accuracy=0.99, seconds=1.0)
    app.run()
    assert cards(app)["Best test accuracy"][0] == "–"


def test_edits_are_counted_and_ask_for_a_retraining(
    app: AppTest, workspace: Workspace, sample: Dataset
) -> None:
    run = create_run(workspace, sample, Recipe(), name="first")
    run.events.append("started", n_test=1000, n_val=500)
    run.events.append("finished", test_accuracy=0.9, seconds=75.0)
    wrong = (int(sample.labels[0]) + 1) % 10
    new = NewEdit(str(sample.item_ids[0]), EditKind("label"), sample.classes[wrong])
    LabelJournal(workspace).append(sample, [new])
    app.run()
    assert cards(app)["Labels"] == ("1 edit", "now 1 corrected")
    proposal = NewEdit(str(sample.item_ids[1]), EditKind("propose"), "Scarf")
    LabelJournal(workspace).append(sample, [proposal])
    app.run()
    assert cards(app)["Labels"] == ("2 edits", "now 1 corrected · 1 with a new class proposed")
    assert app.button(key="next_step").label == "Retrain on the corrected labels"
