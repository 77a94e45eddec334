"""The Agreement page: empty, second looks drawn, figures in words, conflicts settled, test fixes guarded."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import Dataset
from core.labels.agreement import measure_agreement
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.workspace import Workspace
from dashboard.agreement_panels import LOOKING

HOME = str(Path(__file__).resolve().parents[2] / "dashboard" / "Home.py")


@pytest.fixture(autouse=True)
def me(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDYSET_USER", "ann")


def opened() -> AppTest:
    test = AppTest.from_file(HOME, default_timeout=60).run()
    test.switch_page("../pages/agreement.py").run()
    assert not test.exception
    assert not test.error
    return test


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.main.button if button.label == label).click().run()
    assert not test.exception
    return test


def said(test: AppTest) -> str:
    parts = [*test.main.markdown, *test.main.caption, *test.main.info, *test.main.success]
    return " ".join(str(part.value) for part in parts)


def vote(dataset: Dataset, position: int, who: str, kind: EditKind, new: str) -> NewEdit:
    return NewEdit(str(dataset.item_ids[position]), kind, new, who=who)


@pytest.fixture
def voted(workspace: Workspace, sample: Dataset) -> Dataset:
    """Ann decided on 20 images; bob looked blind at ten and saw something else twice."""
    names = [sample.classes[k % 5] for k in range(20)]
    decided = [vote(sample, k, "ann", EditKind.LABEL, name) for k, name in enumerate(names)]
    looks = [
        vote(sample, k, "bob", EditKind.LOOK, "Bag" if k < 2 else name) for k, name in enumerate(names[:10])
    ]
    LabelJournal(workspace).append(sample, [*decided, *looks])
    return sample


def test_without_a_decision_it_leads_to_relabel(workspace: Workspace, sample: Dataset) -> None:
    test = opened()
    assert "Nobody has decided on a label yet." in said(test)
    assert "Review labels" in [button.label for button in test.main.button]


def test_a_share_of_what_was_decided_is_drawn_and_kept_in_the_address(
    workspace: Workspace, voted: Dataset
) -> None:
    test = opened()
    button = next(button for button in test.main.button if button.label.startswith("Look at"))
    assert button.label == "Look at 2 images again"
    test.slider(key="second_share").set_value(50).run()
    press(test, "Look at 10 images again")
    assert test.query_params[LOOKING]
    assert "Back to the figures" in [button.label for button in test.main.button]
    press(test, "Back to the figures")
    assert LOOKING not in test.query_params
    assert "How far people agree" in [part.value for part in test.main.subheader]


def test_what_is_all_looked_at_says_so(workspace: Workspace, voted: Dataset) -> None:
    test = opened()
    test.slider(key="second_share").set_value(100).run()
    press(test, "Look at 20 images again")
    journal = LabelJournal(workspace)
    journal.append(voted, [vote(voted, k, "ann", EditKind.LOOK, "Coat") for k in range(20)])
    test.run()
    assert "All of them are looked at." in said(test)
    press(test, "See the figures")
    assert "ann with themself" in test.main.dataframe[0].value["Who"].tolist()


def test_a_selection_that_is_gone_is_said_and_leads_back(workspace: Workspace, voted: Dataset) -> None:
    test = opened()
    test.query_params[LOOKING] = "gone"
    test.run()
    assert not test.exception
    assert "no longer kept" in test.main.warning[0].value
    press(test, "See the figures")
    assert "Look again, blind" in [part.value for part in test.main.subheader]


def test_agreement_is_told_in_words_with_its_figures(workspace: Workspace, voted: Dataset) -> None:
    alpha = measure_agreement(LabelJournal(workspace).edits(voted.name)).alpha
    assert alpha is not None
    words = said(opened()).replace("\N{NO-BREAK SPACE}", " ").replace("\\", "")
    strength = alpha.strength[0].upper() + alpha.strength[1:]
    assert f"**{strength} agreement** between people: the same answer on 80 % of 10 images" in words
    assert f"Krippendorff's alpha {alpha.value:.2f}" in words


def test_conflicts_are_listed_settled_and_taken_back(workspace: Workspace, voted: Dataset) -> None:
    test = opened()
    rows = test.main.dataframe[1].value
    assert rows["Id"].tolist() == voted.item_ids[:2].tolist()
    assert rows["ann"].tolist() == [voted.classes[0], voted.classes[1]]
    assert rows["bob"].tolist() == ["Bag", "Bag"]
    assert "2 open, 0 settled" in said(test)

    press(test, "Bag")
    (settled,) = LabelJournal(workspace).edits(voted.name)[-1:]
    assert (settled.kind, settled.new, settled.who) == (EditKind.SETTLE, "Bag", "ann")
    assert labels_at(workspace, voted).labels[0] == voted.classes.index("Bag")
    assert "1 open, 1 settled" in said(test)
    press(test, "Take the last back")
    assert "2 open, 0 settled" in said(test)

    for turn in (1, 0, 1):  # once all were skipped, it begins again
        press(test, "Skip")
        assert str(voted.item_ids[turn]) in said(test).replace("\\", "")
    key = f"settle_other_{voted.item_ids[1]}_None"
    test.selectbox(key=key).set_value("Sandal").run()
    assert labels_at(workspace, voted).labels[1] == voted.classes.index("Sandal")
    assert test.button(key="settle_skip").disabled, "there is no other"
    press(test, "Bag")
    assert "Every conflict is settled." in said(test)


def test_suggested_fixes_of_test_labels_wait_for_a_blind_look(workspace: Workspace, sample: Dataset) -> None:
    test_images = [int(p) for p in sample.in_split("test")[:3]]
    saw = {"run": "r1", "guess": "Bag"}
    fixes = [
        NewEdit(
            str(sample.item_ids[p]),
            EditKind.LABEL,
            sample.classes[(int(sample.labels[p]) + 1) % 10],
            who="ann",
            evidence=saw,
        )
        for p in test_images
    ]
    journal = LabelJournal(workspace)
    journal.append(sample, fixes)
    test = opened()
    assert "A model suggested **3 corrections** of test labels" in said(test)
    press(test, "Look at 4 images blind")
    assert test.query_params[LOOKING]

    looks = [NewEdit(fix.item_id, EditKind.LOOK, fix.new, who="ann") for fix in fixes[:2]]
    other = sample.classes[(int(sample.labels[test_images[2]]) + 2) % 10]
    journal.append(sample, [*looks, NewEdit(fixes[2].item_id, EditKind.LOOK, other, who="ann")])
    test = opened()
    assert "A model suggested **1 correction** of test labels" in said(test)
    assert "You have looked at all of them and saw something else" in said(test)
    assert "1 open, 0 settled" in said(test)
