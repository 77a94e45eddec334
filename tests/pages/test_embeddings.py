"""Embeddings: an empty page, a finished map, a cell in the address, bulk edits and their undo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.data.tags import add_tag, tags_of
from core.embeddings.features import FeatureSource
from core.embeddings.maps import MapRequest, create_map, load_map, maps_of, placed_on
from core.labels.journal import LabelJournal
from core.labels.versions import labels_at
from core.runs.store import Run
from core.worker import work
from core.workspace import Workspace
from dashboard import embeddings_actions, issues_view
from dashboard.embeddings_view import View, view_of
from dashboard.wording import plain
from tests.core.embeddings.test_embedding_job import part
from tests.finished_runs import finished_run
from tests.tagged import tagged

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


def opened(dataset: Dataset, **address: str) -> AppTest:
    app = AppTest.from_file(HOME, default_timeout=60)
    app.query_params["data"] = dataset.name
    app.run()
    for name, value in address.items():
        app.query_params[name] = value
    app.switch_page("../pages/embeddings.py").run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption, *app.subheader, *app.error])


@pytest.fixture
def run(workspace: Workspace, sample: Dataset) -> Run:
    return finished_run(workspace, sample, "r1")


@pytest.fixture
def made(workspace: Workspace, sample: Dataset, run: Run) -> Run:
    """A finished map of the run's features: principal components, which take no time."""
    made = create_map(workspace, sample, MapRequest(FeatureSource("run", run.id), "pca"))
    work(made.folder)
    return made


@pytest.fixture
def view(workspace: Workspace, sample: Dataset, made: Run, run: Run) -> View:
    return view_of(workspace, sample, made, run)


def test_an_empty_page_makes_a_map_of_the_best_features(workspace: Workspace, sample: Dataset) -> None:
    app = opened(sample)
    assert "There is no map yet" in texts(app)
    assert [button.label for button in app.button] == ["Make a map of raw pixels"]


def test_the_best_features_are_those_of_the_newest_run(sample: Dataset, run: Run) -> None:
    app = opened(sample)
    assert [button.label for button in app.button] == ["Make a map of run r1"]


def test_a_finished_map_tells_how_far_to_trust_it_and_what_is_mixed(sample: Dataset, made: Run) -> None:
    app = opened(sample)
    assert [metric.label for metric in app.metric] == ["Trustworthiness", "Continuity", "Purity"]
    assert "stands apart best" in texts(app)
    assert "in the whole map" in texts(app)
    assert made.name in app.selectbox(key="map").format_func(made.id)


def test_where_features_are_computed_is_chosen_in_the_form(
    workspace: Workspace, sample: Dataset, made: Run
) -> None:
    app = opened(sample)
    assert "Where" not in [one.label for one in app.segmented_control], "they are kept with the run"
    app.selectbox(key="new_source").select("resnet18, pretrained (fetched when needed)").run()
    app.segmented_control(key="map_engine").set_value("ray").run()
    app.text_input(key="map_address").set_value("127.0.0.1:1").run()
    app.button(key="make_map").click().run()
    assert "No Ray cluster answers at 127.0.0.1:1" in app.error[0].value
    assert maps_of(workspace, sample) == (made,), "nothing is made that cannot be started"


def test_a_cell_in_the_address_is_selected(sample: Dataset, made: Run, run: Run, view: View) -> None:
    n = int(view.cell(6, 0).sum())
    app = opened(sample, given="Shirt", predicted="T-shirt/top", run=run.id)
    assert "**Shirt** taken for **T\\-shirt/top**" in texts(app)
    assert [metric.value for metric in app.metric] == [f"{n:,}"]
    app.button(key="clear_selection").click().run()
    assert "given" not in app.query_params
    assert len(app.metric) == 3


def test_a_cell_that_means_nothing_selects_nothing(sample: Dataset, made: Run) -> None:
    app = opened(sample, given="Shirt", predicted="Hat")
    assert len(app.metric) == 3


def test_all_of_a_cell_are_relabelled_in_one_step_and_undone(
    workspace: Workspace, sample: Dataset, made: Run, view: View
) -> None:
    cell = view.map.positions[view.cell(6, 0)]
    app = opened(sample, given="Shirt", predicted="T-shirt/top")
    app.selectbox(key="relabel_as").select("T-shirt/top").run()
    app.text_input(key="relabel_why").input("they have no collar").run()
    app.button(key="relabel_all").click().run()
    assert f"{len(cell)} images relabelled as T\\-shirt/top" in app.success[0].value
    state = labels_at(workspace, sample)
    assert (state.labels[cell] == 0).all()
    assert state.edited.sum() == len(cell)
    edit = LabelJournal(workspace).edits(sample.name)[0]
    assert (edit.why, edit.evidence["selection"]) == ("they have no collar", "embedding map")
    assert edit.evidence["run"], "a model's opinion was on the screen, so test labels are guarded"
    app.button(key="bulk_undo").click().run()
    assert labels_at(workspace, sample).edited.sum() == 0


def test_all_of_a_cell_are_left_out(workspace: Workspace, sample: Dataset, made: Run, view: View) -> None:
    app = opened(sample, given="Shirt", predicted="Coat")
    app.button(key="leave_out_all").click().run()
    assert labels_at(workspace, sample).excluded.sum() == view.cell(6, 4).sum()


def test_a_map_is_deleted(workspace: Workspace, sample: Dataset, made: Run) -> None:
    app = opened(sample)
    app.button(key="delete_map").click().run()
    assert not maps_of(workspace, sample)
    assert "There is no map yet" in texts(app)


def test_a_view_joins_by_item_and_follows_edits(
    workspace: Workspace, sample: Dataset, made: Run, run: Run, view: View
) -> None:
    rows = view.rows_of(np.array([5, 17, 5_999]))
    assert view.map.positions[rows].tolist() == [5, 17, 5_999]
    assert view.labels[rows].tolist() == np.asarray(sample.labels)[[5, 17, 5_999]].tolist()
    assert view.confusion(np.arange(len(view.map))).sum() == len(sample)
    position = np.array([int(view.map.positions[0])])
    wanted = sample.classes[(int(view.labels[0]) + 1) % 10]
    numbers = embeddings_actions.relabel(workspace, sample, position, wanted, who="me", why="", run=run)
    assert view_of(workspace, sample, made, run).labels[0] != view.labels[0]
    assert embeddings_actions.relabel(workspace, sample, position, wanted, who="me", why="", run=run) == []
    issues_view.take_back(workspace, sample, numbers, "me")
    assert view_of(workspace, sample, made, run).labels[0] == view.labels[0]


def test_what_is_most_like_a_class_is_mostly_that_class(
    workspace: Workspace, sample: Dataset, made: Run, view: View
) -> None:
    trousers = view.map.positions[view.labels == 1][:40]
    found = embeddings_actions.like_these(workspace, sample, load_map(made).request.source, trousers)
    assert not set(found.tolist()) & set(trousers.tolist())
    assert (np.asarray(sample.labels)[found] == 1).mean() > 0.9


def test_a_map_that_failed_says_why_and_the_page_goes_on(workspace: Workspace, sample: Dataset) -> None:
    same = part(workspace, sample, "same", np.arange(1), n_copies=30)
    failed = create_map(workspace, same, MapRequest(FeatureSource("pixels")))
    work(failed.folder)
    app = opened(same)
    assert any("nothing to tell them apart by" in info.value for info in app.info)
    assert app.button(key="delete_map")


def test_several_labels_an_image_have_a_map_too(workspace: Workspace, sample: Dataset) -> None:
    several = tagged(workspace, sample)
    made = create_map(workspace, several, MapRequest(FeatureSource("pixels"), "pca"))
    work(made.folder)
    app = opened(several)
    assert not app.error
    assert [metric.label for metric in app.metric] == ["Trustworthiness", "Continuity"]
    shown = view_of(workspace, several, made, None)
    assert shown.names == (*several.classes, "several labels", "no label")
    yes = np.asarray(several.labels)[:, 0] == 1
    own = shown.attributes["label-0"]
    assert own.title == f"{several.classes[0]}: yes or no"
    assert own.names == ("yes", "no")
    assert np.array_equal(own.values == 0, yes)
    assert {place.text for place in shown.class_places} == set(several.classes)
    assert shown.lift is not None
    assert shown.lift.counts[0] == yes.sum()
    assert plain(shown.sentences[0]) in texts(app)


def test_placed_images_show_the_map_beneath(workspace: Workspace, sample: Dataset, made: Run) -> None:
    few = part(workspace, sample, "new", np.arange(50))
    placed = create_map(workspace, few, placed_on(made))
    work(placed.folder)
    app = opened(few)
    assert not app.error
    assert app.toggle(key="beneath").value
    assert made.name in app.selectbox(key="map").format_func(placed.id)
    assert len(view_of(workspace, few, placed, None).ground) == len(sample)


def test_tagged_images_can_be_found_by_colour(
    workspace: Workspace, sample: Dataset, made: Run, run: Run, view: View
) -> None:
    app = opened(sample, given="Shirt", predicted="Coat")
    add_tag(workspace, sample, "odd", [])
    app.run()
    app.selectbox(key="tag_name").select("odd").run()
    app.button(key="tag_all").click().run()
    n = int(view.cell(6, 4).sum())
    assert f"{n} images tagged odd" in app.success[0].value
    tag = view_of(workspace, sample, made, run).attributes["tag"]
    assert tag.names == ("odd",)
    assert (tag.values == 0).sum() == n
    app.button(key="untag").click().run()
    assert "Tag odd removed." in app.success[0].value
    assert not tags_of(workspace, sample)


def test_images_like_the_selected_ones_are_found(sample: Dataset, made: Run) -> None:
    app = opened(sample, given="Shirt", predicted="Coat")
    assert "Most like what was selected" not in texts(app)
    app.button(key="more_like").click().run()
    assert not app.exception
    assert "Most like what was selected" in texts(app)
