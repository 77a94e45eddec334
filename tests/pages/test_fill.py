"""Fill in: see what a model would answer, accept it, review it, take it back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.versions import current_version, labels_at
from core.quality.filling import JOINT, create_fill
from core.runs import launch
from core.runs.recipe import make_recipe
from core.runs.store import list_runs
from core.worker import work
from core.workspace import Workspace
from tests.tagged import tagged

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")
RECIPE = make_recipe({"width": 8, "epochs": 3, "batch_size": 32, "learning_rate": 3e-3, "threads": 1})


def opened(dataset: Dataset) -> AppTest:
    test = AppTest.from_file(HOME, default_timeout=60)
    test.query_params["data"] = dataset.name
    test.run().switch_page("../pages/fill.py").run()
    assert not test.exception
    assert not test.error
    return test


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.main.button if button.label.startswith(label)).click().run()
    assert not test.exception
    assert not test.error
    return test


def test_where_each_image_has_one_label_it_leads_on(workspace: Workspace, sample: Dataset) -> None:
    test = opened(sample)
    assert [button.label for button in test.main.button] == ["Open Label next"]


def test_what_is_asked_for_is_what_is_run(workspace: Workspace, sample: Dataset) -> None:
    clothes = tagged(workspace, sample)
    test = opened(clothes)
    assert "training labels are unknown" in test.main.markdown[0].value
    test.number_input(key="fill_precision").set_value(80)
    press(test, "See what can be filled")
    (run,) = list_runs(workspace, kind="fill")
    launch.request_stop(run)
    launch.wait(run, timeout=60)
    asked = {name: run.job[name] for name in ("method", "precision", "n_folds", "apply")}
    assert asked == {"method": JOINT, "precision": 0.8, "n_folds": 3, "apply": False}


def test_a_filling_is_accepted_reviewed_and_taken_back(workspace: Workspace, sample: Dataset) -> None:
    clothes = tagged(workspace, sample, 400)
    run = create_fill(workspace, clothes, RECIPE, method=JOINT, precision=0.7, n_folds=2, apply=False)
    assert work(run.folder) == 0
    test = opened(clothes)
    table = test.main.dataframe[0].value
    assert list(table["Label"]) == list(clothes.classes)
    n = int(table["Filled"].sum())
    press(test, f"Accept: fill {n} labels")
    assert current_version(workspace, clothes.name) == n
    assert "no person has looked at yet" in test.main.success[0].value
    press(test, "Take back")
    assert int(
        (labels_at(workspace, clothes).labels != labels_at(workspace, clothes, 0).labels).sum()
    ) == int((clothes.labels != clothes.labels).sum())  # only what is unknown differs from itself
    press(test, f"Accept: fill {n} labels")
    test = press(opened(clothes), "Review them")
    assert test.selectbox(key="queue").value == "Filled by a model"
    _, sheaf = test.session_state["relabel_sheaf"]
    assert len(sheaf.queue) == n
    assert sheaf.items[0][10] == [1]


def test_ways_are_compared_from_the_page_and_read_there(workspace: Workspace, sample: Dataset) -> None:
    clothes = tagged(workspace, sample, 120, split=np.where(np.arange(120) % 3 == 2, 2, 0).astype(np.int8))
    test = opened(clothes)
    test.segmented_control(key="fill_mode").set_value("Compare ways").run()
    assert "Five ways to deal with unknown labels" in test.main.info[0].value
    test.number_input(key="recipe_fast_epochs").set_value(1)
    test.number_input(key="unknown_seeds").set_value(1)
    test.button_group(key="unknown_ways").set_value(["as-no"]).run()
    press(test, "Compare")
    (run,) = list_runs(workspace, kind="unknown")
    assert (run.job["ways"], run.job["seeds"]) == (["as-no", "masked"], 1)
    launch.wait(run, timeout=120)
    test.run()
    assert "known labels of 40 test images, 1 repetition" in " ".join(one.value for one in test.main.markdown)
    assert list(test.main.dataframe[-1].value["Way"]) == ["As no", "Masked"]
    assert current_version(workspace, clothes.name) == 0
