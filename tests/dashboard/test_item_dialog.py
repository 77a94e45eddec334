"""The dialog with one image's story."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.runs.store import Run
from core.workspace import Workspace
from tests.finished_runs import finished_run


def script(position: int, run_name: str | None) -> None:
    import streamlit as st

    from core.runs.store import find_run
    from dashboard import item_dialog, picker

    st.session_state["data"] = "fashion-mnist-sample"
    run = find_run(picker.workspace(), run_name) if run_name else None
    item_dialog.show(picker.dataset(), position, run)


Open = Callable[..., AppTest]


@pytest.fixture
def open_dialog(workspace: Workspace, sample: Dataset) -> Open:
    def open_(position: int, run_name: str | None = None) -> AppTest:
        test = AppTest.from_function(
            script, default_timeout=60, kwargs={"position": position, "run_name": run_name}
        ).run()
        assert not test.exception, test.exception
        assert not test.error, [message.value for message in test.error]
        return test

    return open_


def words(test: AppTest) -> str:
    return "\n".join(element.value for element in [*test.markdown, *test.caption])


def test_without_a_run_it_tells_what_the_data_set_knows(open_dialog: Open, sample: Dataset) -> None:
    said = words(open_dialog(17))
    assert str(sample.item_ids[17]).replace("-", "\\-") in said
    assert sample.classes[sample.labels[17]] in said
    assert "training" in said
    assert "28 × 28" in said


def test_a_run_tells_its_guess_and_its_neighbours(
    open_dialog: Open, workspace: Workspace, sample: Dataset
) -> None:
    run: Run = finished_run(workspace, sample, "r1")
    position = int(sample.in_split("test")[0])
    said = words(open_dialog(position, run.name))
    assert "r1 says" in said
    assert "% sure" in said
    assert "Nearest training images" in said
    assert "held back" not in said
    held_back = int(sample.in_split("train")[0])
    assert "held back for validation in this run" in words(open_dialog(held_back, run.name))
    assert "It was trained on this image" in words(open_dialog(int(sample.in_split("train")[1]), run.name))


def test_edits_are_listed(open_dialog: Open, workspace: Workspace, sample: Dataset) -> None:
    item = str(sample.item_ids[17])
    LabelJournal(workspace).append(sample, [NewEdit(item, EditKind.LABEL, "Bag", who="Ada *x*")])
    said = words(open_dialog(17))
    assert "given as" in said
    assert "→ Bag · Ada \\*x\\*" in said


def test_an_image_is_marked_as_bad_and_taken_back(
    open_dialog: Open, workspace: Workspace, sample: Dataset
) -> None:
    test = open_dialog(17)
    test.button(key="item_exclude").click().run()
    assert labels_at(workspace, sample).excluded.nonzero()[0].tolist() == [17]
    test = open_dialog(17)
    assert test.button(key="item_exclude").label == "Take back in"
    test.button(key="item_exclude").click().run()
    assert not labels_at(workspace, sample).excluded.any()
