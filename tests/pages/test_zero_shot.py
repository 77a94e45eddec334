"""The Zero-shot page: nothing encoded yet, prompts edited, beside a trained run, and searched."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.data.tags import tags_of
from core.embeddings import zero_shot
from core.embeddings.clip_models import ClipModel, find_model
from core.embeddings.few_shot import KIND as FEW
from core.embeddings.few_shot import create_few_shot
from core.embeddings.prompts import default_prompts
from core.embeddings.zero_shot import ZeroShotRequest, create_zero_shot
from core.runs import launch
from core.runs.recipe import make_recipe
from core.runs.store import Run, create_run, list_runs
from core.worker import work
from core.workspace import Workspace
from tests.finished_runs import finished_run
from tests.tagged import tagged
from tests.tiny_clip import write_tiny_clip

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


def opened(**address: str) -> AppTest:
    test = AppTest.from_file(HOME, default_timeout=60)
    for name, value in address.items():
        test.query_params[name] = value
    test.run()
    for name, value in address.items():
        test.query_params[name] = value
    test.switch_page("../pages/zero_shot.py").run()
    assert not test.exception
    assert not test.error, [one.value for one in test.error]
    return test


def said(test: AppTest) -> str:
    parts = [*test.main.markdown, *test.main.caption, *test.main.info, *test.main.subheader]
    return " ".join(str(part.value) for part in parts)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def model(workspace: Workspace, files: tuple[Path, Path]) -> ClipModel:
    return find_model(workspace, "tiny", checkpoint=str(files[0]), config=str(files[1]))


@pytest.fixture
def answered(workspace: Workspace, sample: Dataset, model: ClipModel) -> Run:
    """CLIP's answers on the validation and the test images."""
    run = create_zero_shot(workspace, sample, ZeroShotRequest(model, default_prompts(sample)))
    assert work(run.folder) == 0
    return run


def test_a_model_of_ones_own_is_added_and_a_worker_encodes(
    workspace: Workspace, sample: Dataset, files: tuple[Path, Path]
) -> None:
    test = opened()
    assert "has not seen these images yet" in said(test)
    test.text_input(key="zs_add_name").set_value("mine").run()
    test.text_input(key="zs_add_checkpoint").set_value(str(files[0]))
    test.text_input(key="zs_add_config").set_value(str(files[1])).run()
    test.button(key="zs_add").click().run()
    assert not test.error
    assert test.selectbox(key="zs_model").value == "mine"
    assert "**mine has not seen these images yet.**" in said(test)

    next(button for button in test.button if button.label == "Encode and classify").click().run()
    (run,) = list_runs(workspace, kind=zero_shot.KIND)
    assert zero_shot.request_of(run).model.checkpoint == str(files[0])
    _stopped(test, run)


def _stopped(test: AppTest, run: Run) -> None:
    """The page follows the run, which is ended."""
    assert not test.exception
    assert f"stop_{run.id}" in [button.key for button in test.button]
    launch.request_stop(run)
    launch.wait(run, timeout=120)


def test_an_edited_prompt_is_measured_and_kept(
    workspace: Workspace, sample: Dataset, answered: Run, model: ClipModel
) -> None:
    test = opened(model=model.key)
    before = [metric.value for metric in test.metric]
    assert before
    assert len(zero_shot.validation_positions(sample)) == 1_000
    field = test.text_input(key="zs_words_0")
    assert field.value == "T-shirt or top"
    field.set_value("a photograph of somebody's dog").run()
    assert not test.exception
    assert not test.error
    assert [metric.value for metric in test.metric] != before or "unchanged" in said(test)
    keep = next(button for button in test.button if button.label.startswith("Keep"))
    keep.click().run()
    assert not test.exception
    kept = zero_shot.request_of(list_runs(workspace, kind=zero_shot.KIND)[0])
    assert kept.prompts.texts(0) == ("a photo of a a photograph of somebody's dog",)


def test_a_trained_run_stands_beside_clip(workspace: Workspace, sample: Dataset, answered: Run) -> None:
    assert "Nothing is trained" in said(opened(zs_look="Beside a trained run"))
    finished_run(workspace, sample, "base")
    test = opened(zs_look="Beside a trained run")
    words = said(test)
    assert "Exact McNemar" in words
    assert "Three witnesses" in words
    assert "Label, model and CLIP" in words
    test.switch_page("../pages/relabel.py").run()
    test.selectbox(key="queue").set_value("Model and CLIP against the label").run()
    assert not test.exception
    _, sheaf = test.session_state["relabel_sheaf"]
    assert sheaf.request.clip == answered.id
    assert test.selectbox(key="queue_run").options == ["base"]


def test_images_are_found_by_words(workspace: Workspace, sample: Dataset, answered: Run) -> None:
    test = opened(zs_look="Search")
    assert "2,000 images can be searched" in said(test)
    assert "Best images of every class" in said(test)
    test.text_input(key="zs_query").set_value("a boot").run()
    assert not test.exception
    assert "The best 24 of 2,000 images" in said(test)
    test.button(key="zs_tag").click().run()
    assert not test.exception
    assert [(name, len(ids)) for name, ids in tags_of(workspace, sample).items()] == [("a boot", 24)]


def test_a_few_labels_are_a_curve_and_clip_is_averaged_with_a_run(
    workspace: Workspace, sample: Dataset, answered: Run, model: ClipModel
) -> None:
    test = opened(zs_look="Few labels")
    assert "Draw the curves" in [button.label for button in test.button]
    assert "Nothing is trained" in said(test)

    test.button(key="zs_few").click().run()
    (run,) = list_runs(workspace, kind=FEW)
    _stopped(test, run)

    asked = ZeroShotRequest(model, default_prompts(sample))
    run = create_few_shot(workspace, sample, asked, shots=(1, 2), n_seeds=2)
    assert work(run.folder) == 0
    finished_run(workspace, sample, "base")
    test = opened(zs_look="Few labels")
    words = said(test)
    assert "1,000 test images, 2 draws" in words
    assert "With 2 labels a class: linear probe" in words
    assert [card.label for card in test.metric] == ["base", "CLIP", "Averaged"]
    assert "the best on" in words


def test_where_images_have_several_labels_both_are_compared_class_by_class(
    workspace: Workspace, sample: Dataset, model: ClipModel
) -> None:
    tags = tagged(workspace, sample, 400)
    asked = ZeroShotRequest(model, default_prompts(tags), ("train",))
    assert work(create_zero_shot(workspace, tags, asked).folder) == 0
    test = opened(data=tags.name)
    table = test.dataframe[0].value
    assert table["Class"].tolist() == list(tags.classes)
    assert {"Average precision", "Yes from", "F1"} <= set(table.columns)

    recipe = make_recipe({"width": 4, "epochs": 1, "threads": 1})
    assert work(create_run(workspace, tags, recipe, name="small").folder) == 0
    test = opened(data=tags.name, zs_look="Beside a trained run")
    assert "Three witnesses" in said(test)
    assert set(test.dataframe[0].value["Better"]) <= {"small", "CLIP", "not proven", ""}
