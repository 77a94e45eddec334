"""Issues: every kind at a glance, one in full, and what can be done about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.evidence import create_search
from core.quality.judges import judges
from core.quality.label_issues import load_issues
from core.runs.recipe import PRESETS
from core.worker import work
from core.workspace import Workspace
from dashboard import handover, issues_view
from tests.core.quality.planted import original, with_images
from tests.finished_runs import finished_run
from tests.tagged import tagged

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


def opened(workspace: Workspace, dataset: Dataset, **address: str) -> AppTest:
    """The page on a data set that was looked at already."""
    assert issues_view.survey(workspace, dataset, labels_at(workspace, dataset)).wait(120)
    app = AppTest.from_file(HOME, default_timeout=60)
    app.query_params["data"] = dataset.name
    app.run()
    app.query_params["look"] = "Images"
    for name, value in address.items():
        app.query_params[name] = value
    return app.switch_page("../pages/issues.py").run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.markdown, *app.caption, *app.subheader])


def titles(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


@pytest.fixture
def planted(workspace: Workspace, sample: Dataset) -> Dataset:
    """A third of the sample with three copies of one image: in training, in the test split, mislabelled."""
    pixels, label = original(sample, 30), int(sample.labels[30])
    other = original(sample, 60)
    copies = [
        (pixels, label, "train"),
        (pixels, label, "test"),
        (other, (int(sample.labels[60]) + 1) % 10, "train"),
    ]
    return with_images(workspace, sample, copies)[0]


def test_all_kinds_are_there_at_a_glance(workspace: Workspace, planted: Dataset) -> None:
    app = opened(workspace, planted)
    assert not app.exception
    assert not app.error
    said = texts(app)
    assert "2 of identical pixels" in said
    assert "across splits**: a model is tested on what it has learnt" in said
    assert "with contradicting labels**: at most one is right" in said
    assert "**Dark**" in said
    assert "Nothing found that is unreadable, blank" in said
    assert "Test accuracy" not in [metric.label for metric in app.metric], "there is no run"


def test_a_runs_score_is_shown_with_and_without_the_leaks(workspace: Workspace, sample: Dataset) -> None:
    finished_run(workspace, sample, "r1")
    app = opened(workspace, sample)
    assert [metric.label for metric in app.metric] == [
        "Test accuracy",
        "Without the leaks",
        "On the leaks alone",
    ]
    assert app.metric[0].delta == "1,000 images, on the labels as given"
    assert "95 %" in app.metric[1].delta


def test_one_kind_is_shown_in_full_and_the_way_back(workspace: Workspace, sample: Dataset) -> None:
    app = opened(workspace, sample)
    app.button(key="show_dark").click().run()
    assert app.query_params["issue"] == "dark"
    assert "Dark · " in app.subheader[0].value
    assert "dark is below" in texts(app)
    app.button(key="all_issues").click().run()
    assert "issue" not in app.query_params
    assert "Odd images" in texts(app)


def test_an_address_that_names_nothing_leads_to_all(workspace: Workspace, sample: Dataset) -> None:
    app = opened(workspace, sample, issue="none")
    assert not app.exception
    assert "Odd images" in texts(app)
    assert "none" in app.toast[0].value


def test_images_are_left_out_and_taken_back(workspace: Workspace, sample: Dataset) -> None:
    app = opened(workspace, sample, issue="dark")
    n = int(app.subheader[0].value.split(" · ")[1].split()[0])
    app.button(key="issues_leave_out").click().run()
    assert not app.exception
    edits = LabelJournal(workspace).edits(sample.name)
    assert [edit.kind for edit in edits] == [EditKind.EXCLUDE] * n
    assert edits[0].why.startswith("Dark: its brightest hundredth is at ")
    assert edits[0].evidence == {"issue": "dark"}
    assert f"{n} images left out" in app.success[0].value

    app.button(key="issues_undo").click().run()
    assert not labels_at(workspace, sample).excluded.any()
    app.run()
    assert f"Dark · {n} images" in app.subheader[0].value


def test_spare_copies_are_left_out_but_no_test_image(workspace: Workspace, planted: Dataset) -> None:
    app = opened(workspace, planted, issue="copies")
    assert any(title.startswith("Leave out ") for title in titles(app))
    app.button_group(key="copies_shown").set_value("Same pixels").run()
    app.button(key="issues_leave_out").click().run()
    assert not app.exception
    state = labels_at(workspace, planted)
    left = planted.item_ids[state.excluded].tolist()
    assert not (planted.split[state.excluded] == 2).any()
    assert 1 <= len(left) <= 2, "of the three copies one or two are in training"
    edit = LabelJournal(workspace).edits(planted.name)[0]
    assert edit.why.startswith("the same pixels as ")


def test_copies_are_sent_to_relabel_side_by_side(workspace: Workspace, planted: Dataset) -> None:
    app = opened(workspace, planted, issue="copies")
    app.button_group(key="copies_shown").set_value("Contradicting").run()
    app.button(key="issues_relabel").click().run()
    assert not app.exception
    assert app.title[0].value == "Relabel"
    ids = handover.kept_selection(workspace, str(app.query_params["queue_picked"]))
    assert {"00020", "02002"} <= set(ids)


def test_a_survey_that_is_not_done_shows_how_far_it_is(workspace: Workspace, sample: Dataset) -> None:
    app = AppTest.from_file(HOME, default_timeout=60).run()
    app.query_params["look"] = "Images"
    app.switch_page("../pages/issues.py").run()
    assert not app.exception
    work = issues_view.survey(workspace, sample, labels_at(workspace, sample))
    assert work.wait(120)
    app.run()
    assert "Odd images" in texts(app)


def test_without_a_search_the_labels_offer_one(workspace: Workspace, sample: Dataset) -> None:
    app = AppTest.from_file(HOME, default_timeout=60).run()
    app.switch_page("../pages/issues.py").run()
    assert not app.exception
    assert "Look for label errors" in titles(app)
    assert "How long it takes is known after a first run" in texts(app)


def test_a_finished_search_shows_what_is_likely_wrong(workspace: Workspace, sample: Dataset) -> None:
    recipe = PRESETS["fast"].with_changes({"width": 4, "epochs": 1, "threads": 1})
    run = create_search(workspace, sample, recipe, label_version=0, n_folds=2)
    assert work(run.folder) == 0
    found = load_issues(run)
    app = AppTest.from_file(HOME, default_timeout=60).run()
    app.switch_page("../pages/issues.py").run()
    assert not app.exception
    assert f"**About {found.n_estimated:,} of 6,000 labels are likely wrong**" in texts(app)
    by = judges(found)
    said = [*(message.value for message in app.warning), *(caption.value for caption in app.caption)]
    assert any(by.words() in one for one in said)
    in_train = sample.split[found.positions[found.flagged]] == 0
    assert f"Review the {in_train.sum():,}" in titles(app)
    row = int(np.flatnonzero(in_train)[0])
    assert found.reason(row, sample.classes).split(";")[0] in texts(app).replace("\\", "")
    app.segmented_control(key="label_issues_split").set_value("Test").run()
    assert f"Review the {(~in_train).sum():,}" in titles(app)

    assert "What the review has brought" not in texts(app)
    first, second = (int(position) for position in found.positions[:2])
    new = sample.classes[found.suggested[0]]
    journal = LabelJournal(workspace)
    journal.append(sample, [NewEdit(str(sample.item_ids[first]), EditKind.LABEL, new)])
    journal.append(sample, [NewEdit(str(sample.item_ids[second]), EditKind.CONFIRM)])
    app.run()
    assert not app.exception
    assert "What the review has brought" in texts(app)
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["Reviewed since the search"], shown["Errors found"]) == ("2", "1")
    best = app.dataframe[0].value.iloc[0]
    assert (best["Reviewed"], best["Errors"], best["Precision"]) == (2, 1, 50)
    assert any(message.value.startswith("Go on") for message in app.info)

    app.switch_page("../pages/relabel.py").run()
    app.selectbox(key="queue").set_value("Likely wrong labels").run()
    assert not app.exception
    _, shown = app.session_state["relabel_sheaf"]
    least = shown.request.least
    assert shown.queue.positions.tolist() == found.positions[found.combined >= least].tolist()


def test_answers_that_are_likely_wrong_are_reviewed_a_class_at_a_time(
    workspace: Workspace, sample: Dataset
) -> None:
    tags = tagged(workspace, sample, 400)
    recipe = PRESETS["fast"].with_changes({"width": 4, "epochs": 1, "threads": 1})
    run = create_search(workspace, tags, recipe, label_version=0, n_folds=2)
    assert work(run.folder) == 0
    found = load_issues(run)
    assert found.about is not None
    app = AppTest.from_file(HOME, default_timeout=60)
    app.query_params["data"] = tags.name
    app.run().switch_page("../pages/issues.py").run()
    assert not app.exception
    assert f"**About {found.n_estimated:,} of {len(found):,} answers are likely wrong**" in texts(app)
    k = int(found.flagged_by_class(3).argmax())
    app.segmented_control(key="label_issues_split").set_value("All")
    app.selectbox(key="label_issues_about").set_value(k).run()
    n = int((found.flagged & (found.about == k)).sum())
    assert f"Review the {n:,}" in titles(app)

    position, name = int(found.positions[0]), tags.classes[found.about[0]]
    said = found.names(0, tags.classes)[1]
    edit = NewEdit(str(tags.item_ids[position]), EditKind.LABEL, said, class_name=name)
    LabelJournal(workspace).append(tags, [edit])
    app.run()
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["Reviewed since the search"], shown["Errors found"]) == ("1", "1")
    assert app.dataframe[0].value["Reviewed"].sum() == 1, "one answer, not all of that image"
