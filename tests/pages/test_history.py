"""History: what is listed, what is taken back, and versions named and compared."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.workspace import Workspace

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


def opened() -> AppTest:
    test = AppTest.from_file(HOME, default_timeout=60).run()
    test.switch_page("../pages/history.py").run()
    assert not test.exception
    assert not test.error
    return test


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.main.button if button.label == label).click().run()
    assert not test.exception
    return test


def box(test: AppTest, label: str) -> Selectbox:
    return next(box for box in test.main.selectbox if box.label == label)


def selected(*rows: int) -> AppTest:
    test = opened()
    chosen = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    test.session_state[test.main.dataframe[0].key] = chosen
    return test.run()


@pytest.fixture
def edited(workspace: Workspace, sample: Dataset) -> Dataset:
    """Three relabelled images of one visit, one left out by somebody else."""
    journal = LabelJournal(workspace)
    for seq, position in enumerate((0, 1, 2), start=1):
        new = sample.classes[(int(sample.labels[position]) + 1) % 10]
        edit = NewEdit(
            str(sample.item_ids[position]), EditKind.LABEL, new, who="ann", session="visit-1", seq=seq
        )
        journal.append(sample, [edit])
    journal.append(sample, [NewEdit(str(sample.item_ids[3]), EditKind.EXCLUDE, who="bob", why="blurred")])
    return sample


def test_without_edits_it_leads_to_relabel(workspace: Workspace, sample: Dataset) -> None:
    test = opened()
    assert any("No label was edited yet" in text.value for text in test.main.markdown)
    assert "Look at labels" in [button.label for button in test.main.button]


def test_every_edit_is_listed_and_can_be_filtered(edited: Dataset) -> None:
    test = opened()
    rows = test.main.dataframe[0].value
    assert rows["No."].tolist() == [4, 3, 2, 1]
    assert rows["Who"].tolist() == ["bob", "ann", "ann", "ann"]
    assert rows["What"].tolist() == ["left out", "relabelled", "relabelled", "relabelled"]
    assert rows["In force"].all()
    assert rows["Why"].iloc[0] == "blurred"
    old, new = edited.classes[edited.labels[0]], edited.classes[(edited.labels[0] + 1) % 10]
    assert rows["Label"].iloc[3] == f"{old} → {new}"
    box(test, "Who").set_value("bob").run()
    assert test.main.dataframe[0].value["No."].tolist() == [4]
    box(test, "Who").set_value("Anybody").run()
    box(test, "What").set_value("relabelled").run()
    assert test.main.dataframe[0].value["No."].tolist() == [3, 2, 1]
    test.text_input(key="history_image").set_value(str(edited.item_ids[1])).run()
    assert test.main.dataframe[0].value["No."].tolist() == [2]


def test_edits_are_filtered_by_visit_and_by_time(workspace: Workspace, edited: Dataset) -> None:
    test = opened()
    assert box(test, "Visit").options[2].startswith("ann · ")
    assert box(test, "Visit").options[2].endswith(" · 3 edits")
    box(test, "Visit").set_value("visit-1").run()
    assert test.main.dataframe[0].value["No."].tolist() == [3, 2, 1]
    box(test, "When").set_value("Last hour").run()
    assert test.main.dataframe[0].value["No."].tolist() == [3, 2, 1]
    box(test, "When").set_value("Between …").run()
    assert test.main.dataframe[0].value["No."].tolist() == [3, 2, 1], "the day of the newest edit"
    long_ago = date(2020, 1, 1)
    test.date_input(key="history_days").set_value((long_ago, long_ago)).run()
    assert len(test.main.dataframe[0].value) == 0
    assert not test.exception


def test_all_that_the_filters_show_is_taken_back_after_a_second_press(
    workspace: Workspace, edited: Dataset
) -> None:
    test = opened()
    assert not [button for button in test.main.button if button.label == "Take back 3 edits"]
    box(test, "Who").set_value("ann").run()
    press(test, "Take back 3 edits")
    state = labels_at(workspace, edited)
    assert not state.edited.any()
    assert state.excluded.sum() == 1
    box(test, "Who").set_value("Anybody").run()
    assert test.main.dataframe[0].value["What"].tolist()[:3] == [f"took back no. {n}" for n in (1, 2, 3)]


def test_selected_edits_are_taken_back(workspace: Workspace, edited: Dataset) -> None:
    test = selected(1)
    press(test, "Take back 1 edit")
    state = labels_at(workspace, edited)
    assert state.labels[2] == edited.labels[2]
    assert state.edited.sum() == 2
    rows = opened().main.dataframe[0].value
    assert rows["What"].tolist()[0] == "took back no. 3"
    assert rows.loc[rows["No."] == 3, "In force"].tolist() == [False]


def test_a_whole_visit_is_taken_back(workspace: Workspace, edited: Dataset) -> None:
    press(selected(3), "Take back the whole visit")
    state = labels_at(workspace, edited)
    assert not state.edited.any()
    assert state.excluded.sum() == 1


def test_versions_are_named_and_compared(workspace: Workspace, edited: Dataset) -> None:
    test = opened()
    test.text_input(key="version_name").set_value("first-pass").run()
    press(test, "Name it")
    (named,) = LabelJournal(workspace).named_versions(edited.name)
    assert (named.name, named.version) == ("first-pass", 4)
    test = opened()
    said = " ".join(text.value for text in test.main.markdown)
    assert "**3 labels changed**, 1 image left out" in said
    pairs = test.main.dataframe[1].value
    assert pairs["Images"].sum() == 3
    test.selectbox(key="version_from").set_value(4).run()
    assert "**0 labels changed**" in " ".join(text.value for text in test.main.markdown)


def test_edits_in_force_are_counted_apart(edited: Dataset) -> None:
    press(selected(1), "Take back 1 edit")
    assert any("5 edits, 4 of them in force." in caption.value for caption in opened().main.caption)
