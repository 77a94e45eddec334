"""The tour follows the runs and the journal, notices by itself, and can be left and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.runs.recipe import Recipe
from core.runs.store import Run, create_run
from core.workspace import Workspace
from dashboard import tour
from dashboard.next_step import Step
from dashboard.tour_steps import STAGES, WANTED, Stage, pointer, stage_of, visited
from tests.finished_runs import finished_run

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


@pytest.fixture
def run(workspace: Workspace, sample: Dataset) -> Run:
    return create_run(workspace, sample, Recipe(), name="first")


def test_each_next_step_belongs_to_a_stage(run: Run) -> None:
    repeated = replace(run, parent="earlier")
    everything = frozenset(STAGES)
    expected = [
        (Step("train", "", ""), frozenset(), 0, Stage.LOOK),
        (Step("train", "", ""), {"Look"}, 0, Stage.TRAIN),
        (Step("log", "", "", run), frozenset(), 0, Stage.TRAIN),
        (Step("watch", "", "", run), frozenset(), 0, Stage.TRAIN),
        (Step("mistakes", "", "", run), frozenset(), 0, Stage.FIND),
        (Step("mistakes", "", "", run), {"Find"}, 0, Stage.FIX),
        (Step("retrain", "", "", run), frozenset(), WANTED - 1, Stage.FIX),
        (Step("retrain", "", "", run), frozenset(), WANTED, Stage.RETRAIN),
        (Step("watch", "", "", repeated), everything, 0, Stage.RETRAIN),
        (Step("verdict", "", "", repeated, run), {"Look", "Find"}, 0, Stage.PROVE),
        (Step("verdict", "", "", repeated, run), everything, 0, Stage.DONE),
    ]
    for step, seen, n_corrected, stage in expected:
        assert stage_of(step, seen, n_corrected) is stage
        assert pointer(stage, step, n_corrected, "").text


def test_only_the_page_that_was_asked_for_counts() -> None:
    assert visited(Stage.LOOK, "explore", compares=False)
    assert not visited(Stage.TRAIN, "explore", compares=False)
    assert not visited(Stage.PROVE, "evaluate", compares=False)
    assert visited(Stage.PROVE, "evaluate", compares=True)


def test_every_button_that_is_pointed_at_is_there(run: Run) -> None:
    """The keys that get a ring stand in the source of the page's panels."""
    root = Path(HOME).parent
    source = "".join(path.read_text() for path in root.glob("*.py") if not path.name.startswith("tour"))
    steps = [Step(target, "", "", run) for target in ("train", "mistakes", "retrain", "verdict")]
    keys = {pointer(stage, step, 0, "evaluate").key for stage in STAGES for step in steps} - {""}
    assert keys == {"start_training", "review_mistakes", "retrain", "see_comparison"}
    assert not [key for key in keys if f'key="{key}"' not in source]


def test_a_damaged_file_is_a_tour_that_never_began(workspace: Workspace) -> None:
    workspace.root.mkdir(parents=True, exist_ok=True)
    for content in ("", "{}", '{"state": "on", "seen": 3}', "[]"):
        (workspace.root / "tour.json").write_text(content)
        assert tour.load(workspace) == tour.Tour()


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception
    assert not app.error


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def says(app: AppTest) -> str:
    return "\n".join([*(one.value for one in app.markdown), *(one.value for one in app.caption)])


def show(app: AppTest, page: str) -> str:
    app.switch_page(f"../pages/{page}.py").run()
    assert not app.exception
    return says(app)


def test_it_can_be_refused_begun_left_and_resumed(workspace: Workspace) -> None:
    app = AppTest.from_file(HOME, default_timeout=60).run()
    press(app, "Not now")
    assert "New here?" not in says(app)
    press(app, "Tour")
    assert "**Look**" in says(app)
    assert "**Train**" in show(app, "explore"), "Explore was looked at"
    press(app, "Leave the tour")
    assert "Leave the tour" not in labels(app)

    again = AppTest.from_file(HOME, default_timeout=60).run()  # another session, such as after a restart
    press(again, "Tour")
    assert ":material/check: Look" in says(again)


def test_it_follows_what_happens(workspace: Workspace, sample: Dataset) -> None:
    app = AppTest.from_file(HOME, default_timeout=60).run()
    press(app, "Take the tour")
    press(app, "Go to Explore")
    first = finished_run(workspace, sample, "first")
    first.events.append("finished", seconds=1.0, test_accuracy=0.8, valid_accuracy=0.8)
    assert "**Find**" in show(app, "train")
    assert "**Fix**" in show(app, "evaluate"), "Evaluate was looked at"

    assert f"0 of {WANTED} labels" in show(app, "relabel")
    wrong = np.flatnonzero(np.asarray(sample.split) == 0)[:WANTED]
    edits = [
        NewEdit(str(sample.item_ids[i]), EditKind.LABEL, sample.classes[(int(sample.labels[i]) + 1) % 10])
        for i in wrong
    ]
    LabelJournal(workspace).append(sample, edits)
    app.run()
    assert "**Retrain**" in says(app)


def test_it_ends_with_the_comparison_and_stays_ended(workspace: Workspace, sample: Dataset) -> None:
    tour.save(workspace, tour.Tour("on", frozenset({"Look", "Find"})))
    first = finished_run(workspace, sample, "first")
    second = finished_run(workspace, sample, "second", seed=1, parent=first.id)
    app = AppTest.from_file(HOME, default_timeout=60).run()
    assert "**Prove**" in says(app)
    app.query_params["compare"] = first.id
    app.query_params["run"] = second.id
    assert "That was the loop" in show(app, "evaluate")
    press(app, "End the tour")
    assert tour.load(workspace).state == "ended"
    assert "Take the tour" not in labels(AppTest.from_file(HOME, default_timeout=60).run())
