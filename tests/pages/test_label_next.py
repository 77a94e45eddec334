"""Label next: nothing left to label, nothing trained yet, and a strategy that asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset, is_labelled, load_dataset
from core.data.hiding import hide_labels
from core.quality.active_compare import create_comparison
from core.runs.recipe import make_recipe
from core.runs.store import create_run
from core.worker import work
from core.workspace import Workspace
from tests.crash.whole import CLOTHES, unpacked
from tests.tagged import tagged

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


def opened(dataset: Dataset) -> AppTest:
    test = AppTest.from_file(HOME, default_timeout=60)
    test.query_params["data"] = dataset.name
    test.run().switch_page("../pages/label_next.py").run()
    assert not test.exception
    assert not test.error
    return test


def test_where_all_is_labelled_it_says_how_to_try_it(workspace: Workspace, sample: Dataset) -> None:
    test = opened(sample)
    assert "Every training image has a label." in test.main.markdown[-1].value
    assert test.main.code[0].value == (
        f"uv run tidyset data hide {sample.name} --name {sample.name}-few --labels 250"
    )
    assert not [button for button in test.main.button if button.label == "Review these"]


def test_of_a_small_data_set_half_the_labels_are_kept(workspace: Workspace) -> None:
    small = load_dataset(unpacked(workspace.root) / "datasets" / CLOTHES)
    assert opened(small).main.code[0].value.endswith(f"--labels {len(small.in_split('train')) // 2}")


def test_labels_that_are_unknown_lead_to_fill_in(workspace: Workspace, sample: Dataset) -> None:
    tags = tagged(workspace, sample, 100)
    said = opened(tags)
    text = next(one.value for one in said.main.markdown if "Every training image" in one.value)
    n = int(np.isnan(np.asarray(tags.labels)[tags.in_split("train")]).sum())
    assert f"{n} labels are unknown" in text
    assert "Open Fill in" in [button.label for button in said.main.button]


def test_a_strategy_asks_for_images_without_a_label(workspace: Workspace, sample: Dataset) -> None:
    few = hide_labels(workspace, sample, "few", keep=100)
    assert "No model has been trained" in opened(few).main.info[0].value
    recipe = make_recipe({"width": 4, "epochs": 1, "threads": 1})
    assert work(create_run(workspace, few, recipe, name="r1").folder) == 0
    test = opened(few)
    test.number_input(key="active_n").set_value(20)
    next(button for button in test.main.button if button.label == "Review these").click().run()
    assert not test.exception
    _, sheaf = test.session_state["relabel_sheaf"]
    assert len(sheaf.queue) == 20
    assert not is_labelled(few.labels)[sheaf.queue.positions].any()


def test_strategies_are_compared_from_the_page(workspace: Workspace, sample: Dataset) -> None:
    test = opened(sample)
    too_many = next(box for box in test.number_input if box.label == "More each round")
    too_many.set_value(5_000).run()
    button = next(button for button in test.main.button if button.label == "Compare")
    assert button.disabled
    recipe = make_recipe({"width": 4, "epochs": 1, "threads": 1, "epoch_images": 64})
    numbers = {"start": 20, "step": 10, "rounds": 1, "seeds": 1}
    run = create_comparison(workspace, sample, recipe, strategies=["random"], **numbers)
    assert work(run.folder) == 0
    assert any("Best on average: **random**" in text.value for text in opened(sample).main.markdown)
