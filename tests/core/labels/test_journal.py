"""The journal on each database: durable, append-only, deaf to repetition."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.data.dataset import Dataset, Task
from core.errors import BadInput, Busy, NameTaken, NotFound
from core.labels.journal import ChangedSince, EditFilter, EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.people.accounts import add_account
from core.people.acting import acting_as
from core.people.roles import Role
from core.workspace import Workspace


def label(item_id: str, new: str, seq: int = 1, session: str = "s") -> NewEdit:
    return NewEdit(item_id, EditKind.LABEL, new, session=session, seq=seq, who="ann", evidence={"guess": new})


@pytest.fixture(params=["sqlite", "postgresql"], autouse=True)
def backend(request: pytest.FixtureRequest, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test here runs on both."""
    if request.param == "postgresql":
        monkeypatch.setenv("TIDYSET_DATABASE_URL", request.getfixturevalue("postgres"))
    return str(request.param)


@pytest.fixture
def journal(workspace: Workspace, sample: Dataset) -> LabelJournal:
    return LabelJournal(workspace)


@pytest.fixture
def ids(sample: Dataset) -> list[str]:
    return [str(item_id) for item_id in sample.item_ids]


def test_an_edit_is_kept_with_all_that_was_known(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    old = sample.classes[int(sample.labels[7])]
    journal.append(sample, [label(ids[7], "Bag")])
    (edit,) = LabelJournal(workspace).edits(sample.name)
    assert (edit.number, edit.item_id, edit.old, edit.new) == (1, ids[7], old, "Bag")
    assert (edit.who, edit.evidence, edit.undoes) == ("ann", {"guess": "Bag"}, None)


def test_numbers_count_from_one_in_every_data_set(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    made = journal.append(sample, [label(ids[k], "Bag", k) for k in range(3)])
    assert [edit.number for edit in made] == [1, 2, 3]
    assert journal.version("another") == 0


def test_a_repeated_edit_is_acknowledged_and_not_doubled(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    batch = [label(ids[k], "Bag", k) for k in range(4)]
    first = journal.append(sample, batch[:3])
    again = journal.append(sample, batch)
    assert again[:3] == first
    assert journal.version(sample.name) == 4


def test_the_same_key_twice_in_one_batch_is_one_edit(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    made = journal.append(sample, [label(ids[0], "Bag"), label(ids[0], "Bag")])
    assert [edit.number for edit in made] == [1, 1]
    assert journal.version(sample.name) == 1


def test_a_key_that_names_another_edit_is_refused_and_not_acknowledged_as_that_one(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [label(ids[0], "Bag")])
    for other in (
        label(ids[1], "Bag"),
        label(ids[0], "Coat"),
        NewEdit(ids[0], EditKind.EXCLUDE, session="s"),
    ):
        with pytest.raises(BadInput, match="already there as another one: label of"):
            journal.append(sample, [other])
    assert journal.version(sample.name) == 1


def test_old_follows_the_edits_of_the_same_batch(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    made = journal.append(sample, [label(ids[0], "Bag", 1), label(ids[0], "Coat", 2)])
    assert (made[1].old, made[1].new) == ("Bag", "Coat")


def test_undo_and_redo_append(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    given = sample.classes[int(sample.labels[0])]
    journal.append(sample, [label(ids[0], "Bag", 1)])
    undo = NewEdit("", EditKind.UNDO, undoes=("s", 1), session="s", seq=2)
    redo = NewEdit("", EditKind.UNDO, undoes=2, session="s", seq=3)
    (undone,) = journal.append(sample, [undo])
    assert (undone.undoes, undone.old, undone.new) == (1, "Bag", given)
    assert labels_at(workspace, sample).labels[0] == sample.labels[0]
    (redone,) = journal.append(sample, [redo])
    assert (redone.old, redone.new) == (given, "Bag")
    assert labels_at(workspace, sample).labels[0] == sample.classes.index("Bag")
    assert journal.version(sample.name) == 3


def test_an_undo_may_come_in_the_same_batch_as_its_edit(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    undo = NewEdit("", EditKind.UNDO, undoes=("s", 1), session="s", seq=2)
    journal.append(sample, [label(ids[0], "Bag", 1), undo])
    assert not labels_at(workspace, sample).edited.any()


def test_undoing_an_old_edit_leaves_the_later_one_in_force(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [label(ids[0], "Bag", 1), label(ids[0], "Coat", 2)])
    journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=1)])
    assert labels_at(workspace, sample).labels[0] == sample.classes.index("Coat")


def test_last_to_undo_skips_what_is_undone(journal: LabelJournal, sample: Dataset, ids: list[str]) -> None:
    journal.append(sample, [label(ids[0], "Bag", 1), label(ids[1], "Bag", 2)])
    journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=2)])
    assert journal.last_to_undo(sample.name).number == 1
    with pytest.raises(NotFound, match="left to undo"):
        journal.last_to_undo(sample.name, who="bob")


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (NewEdit("train-x", EditKind.LABEL, "Bag"), NotFound),
        (NewEdit("FIRST", EditKind.LABEL, "Hat"), BadInput),
        (NewEdit("FIRST", EditKind.LABEL, None), BadInput),
        (NewEdit("", EditKind.UNDO, undoes=99), NotFound),
        (NewEdit("", EditKind.UNDO, undoes=("s", 99)), NotFound),
    ],
)
def test_an_impossible_edit_is_refused_and_takes_its_batch_along(
    journal: LabelJournal, sample: Dataset, ids: list[str], edit: NewEdit, error: type[Exception]
) -> None:
    if edit.item_id == "FIRST":
        edit = NewEdit(ids[0], edit.kind, edit.new)
    with pytest.raises(error):
        journal.append(sample, [label(ids[1], "Bag"), edit])
    assert journal.version(sample.name) == 0


def test_append_each_makes_the_others(journal: LabelJournal, sample: Dataset, ids: list[str]) -> None:
    made, refused = journal.append_each(sample, [label(ids[0], "Hat", 1), label(ids[1], "Bag", 2)])
    assert [edit.seq for edit in made] == [2]
    assert [(r.session, r.seq) for r in refused] == [("s", 1)]
    assert "Hat" in str(refused[0].error)


WRITER = """
import sys
from core.data.catalog import open_dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.workspace import current
session, first = sys.argv[1], int(sys.argv[2])
dataset = open_dataset(current(), "fashion-mnist-sample")
journal = LabelJournal(current())
for seq in range(first, 1001):
    item = str(dataset.item_ids[seq])
    edit = NewEdit(item, EditKind.LABEL, "Bag", session=session, seq=seq)
    journal.append(dataset, [edit])
    print(seq, flush=True)
"""


def writer(session: str, first: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, session, str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_loses_nothing_that_was_acknowledged(sample: Dataset, workspace: Workspace) -> None:
    process = writer("s")
    assert process.stdout is not None
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged == 400:
            os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 400 <= acknowledged < 1000
    kept = [edit.seq for edit in LabelJournal(workspace).edits(sample.name)]
    assert kept[:acknowledged] == list(range(1, acknowledged + 1))
    # Whoever heard nothing sends again, from before the break: none is doubled.
    assert writer("s", first=acknowledged - 50).communicate()[0].split()[-1] == "1000"
    kept = [edit.seq for edit in LabelJournal(workspace).edits(sample.name)]
    assert kept == list(range(1, 1001))


def test_two_writers_at_once_do_not_hinder_each_other(sample: Dataset, workspace: Workspace) -> None:
    both = [writer(session, first=701) for session in ("one", "two")]
    for process in both:
        process.communicate()
        assert process.returncode == 0
    edits = LabelJournal(workspace).edits(sample.name)
    assert [edit.number for edit in edits] == list(range(1, 601))
    assert {(edit.session, edit.seq) for edit in edits} == {
        (session, seq) for session in ("one", "two") for seq in range(701, 1001)
    }


def decide(item_id: str, new: str, who: str, seq: int, session: str = "s") -> NewEdit:
    return NewEdit(item_id, EditKind.LABEL, new, who=who, session=session, seq=seq)


def test_redo_walks_back_through_the_undos(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [label(ids[0], "Bag", 1), label(ids[1], "Bag", 2)])
    for _ in range(2):
        number = journal.last_to_undo(sample.name).number
        journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=number)])
    assert not labels_at(workspace, sample).edited.any()
    for item_id in (ids[0], ids[1]):
        undo = journal.last_to_redo(sample.name)
        assert undo.item_id == item_id
        journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=undo.number)])
    assert len(journal.in_force(sample.name)) == 2
    with pytest.raises(NotFound, match="no undo"):
        journal.last_to_redo(sample.name)


def test_a_decision_ends_what_can_be_redone_by_that_person(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [label(ids[0], "Bag", 1)])
    journal.append(sample, [NewEdit("", EditKind.UNDO, undoes=1, who="ann")])
    journal.append(sample, [decide(ids[1], "Bag", "bob", 9)])
    with pytest.raises(NotFound):
        journal.last_to_redo(sample.name)
    assert journal.last_to_redo(sample.name, who="ann").number == 2


def test_edits_are_chosen_by_person_time_number_and_session(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [decide(ids[0], "Bag", "ann", 1), decide(ids[1], "Coat", "bob", 2)])
    (third,) = journal.append(sample, [decide(ids[0], "Coat", "bob", 3, "later")])

    def numbers(**chosen: Any) -> list[int]:
        by_query = [edit.number for edit in journal.edits(sample.name, chosen=EditFilter(**chosen))]
        assert [edit.number for edit in journal.in_force(sample.name, EditFilter(**chosen))] == by_query
        return by_query

    assert numbers(who="bob") == [2, 3]
    assert numbers(item_id=ids[0]) == [1, 3]
    assert numbers(session="later") == [3]
    assert numbers(first=2) == [2, 3]
    assert numbers(last=1) == [1]
    assert numbers(since=third.at) == [3]
    assert numbers(until=third.at) == [1, 2]
    assert numbers(who="bob", until=third.at) == [2]


def test_edits_worked_out_from_an_old_version_are_not_made(
    journal: LabelJournal, sample: Dataset, ids: list[str]
) -> None:
    journal.append(sample, [label(ids[0], "Bag", 1)], only_at=0)
    with pytest.raises(Busy, match="edited at the same time"):
        journal.append(sample, [label(ids[1], "Bag", 2)], only_at=0)
    assert journal.version(sample.name) == 1


def test_a_blind_look_changes_no_label_and_settling_does(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    given = sample.classes[int(sample.labels[0])]
    (look,) = journal.append(sample, [NewEdit(ids[0], EditKind.LOOK, "Bag", who="bob")])
    assert (look.old, look.new) == (given, "Bag")
    state = labels_at(workspace, sample)
    assert not state.reviewed.any()
    assert state.unmatched == 0
    (settled,) = journal.append(sample, [NewEdit(ids[0], EditKind.SETTLE, "Bag")])
    assert settled.old == given
    assert labels_at(workspace, sample).labels[0] == sample.classes.index("Bag")


def test_a_version_is_named_once(journal: LabelJournal, sample: Dataset, ids: list[str]) -> None:
    journal.append(sample, [label(ids[0], "Bag", 1)])
    journal.name_version(sample.name, "first-pass", 1, "ann", "all coats seen")
    journal.name_version(sample.name, "first-pass", 1, "ann")  # again: nothing happens
    journal.name_version(sample.name, "as-given", 0, "ann")
    found = journal.named_versions(sample.name)
    assert [(one.name, one.version, one.why) for one in found] == [
        ("as-given", 0, ""),
        ("first-pass", 1, "all coats seen"),
    ]
    assert journal.named_versions("another") == []
    with pytest.raises(NameTaken, match="named 'first-pass' already"):
        journal.name_version(sample.name, "first-pass", 0, "ann")
    with pytest.raises(NotFound, match="no label version 2"):
        journal.name_version(sample.name, "second", 2, "ann")
    for bad in ("7", "Two Words"):
        with pytest.raises(BadInput, match="cannot name"):
            journal.name_version(sample.name, bad, 0, "ann")


@pytest.fixture
def tags(sample: Dataset) -> Dataset:
    """The sample's images with several labels each: yes, no and unknown in turns."""
    answers = np.array([1, 0, np.nan], np.float32)
    n, k = len(sample), len(sample.classes)
    labels = answers[(np.arange(n)[:, None] + np.arange(k)) % 3]
    return replace(sample, name="tags", task=Task.MULTI_LABEL, labels=labels, fingerprint="e" * 32)


def tag(item_id: str, class_name: str | None, new: str | None, seq: int = 1) -> NewEdit:
    return NewEdit(item_id, EditKind.LABEL, new, session="s", seq=seq, class_name=class_name)


def test_one_class_of_several_is_set(journal: LabelJournal, workspace: Workspace, tags: Dataset) -> None:
    item = str(tags.item_ids[0])  # its first classes are yes, no, unknown
    first, second, third = tags.classes[:3]
    made = journal.append(
        tags,
        [tag(item, first, "no", 1), tag(item, second, "unknown", 2), tag(item, third, "yes", 3)],
    )
    assert [(edit.class_name, edit.old, edit.new) for edit in made] == [
        (first, "yes", "no"),
        (second, "no", "unknown"),
        (third, "unknown", "yes"),
    ]
    state = labels_at(workspace, tags)
    assert state.labels.dtype == np.float32
    assert np.array_equal(state.labels[0, :3], [0, np.nan, 1], equal_nan=True)
    assert np.array_equal(state.labels[0, 3:], tags.labels[0, 3:], equal_nan=True)
    assert np.flatnonzero(state.edited).tolist() == [0]
    (undo,) = journal.append(tags, [NewEdit("", EditKind.UNDO, undoes=2)])
    assert (undo.class_name, undo.old, undo.new) == (second, "unknown", "no")
    assert labels_at(workspace, tags).labels[0, 1] == 0
    (confirmed,) = journal.append(tags, [NewEdit(item, EditKind.CONFIRM)])
    assert (confirmed.old, confirmed.new) == (None, None)
    state = labels_at(workspace, tags)
    assert state.confirmed[0]
    assert state.labels[0, 0] == 0


@pytest.mark.parametrize(
    ("class_name", "new", "message"),
    [("Hat", "yes", "'Hat' is no class"), (None, "yes", "no class"), ("Bag", "maybe", "yes, no, unknown")],
)
def test_an_impossible_answer_is_refused(
    journal: LabelJournal, tags: Dataset, class_name: str | None, new: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        journal.append(tags, [tag(str(tags.item_ids[0]), class_name, new)])


def test_a_class_is_named_only_where_there_are_several(
    journal: LabelJournal, sample: Dataset, tags: Dataset, ids: list[str]
) -> None:
    with pytest.raises(BadInput, match="sets no single class"):
        journal.append(sample, [tag(ids[0], "Bag", "Bag")])
    with pytest.raises(BadInput, match="sets no single class"):
        journal.append(tags, [NewEdit(ids[0], EditKind.EXCLUDE, class_name="Bag")])


def confirm(item_id: str, shown: tuple[str | None, ...], seq: int, **more: Any) -> NewEdit:
    return NewEdit(item_id, EditKind.CONFIRM, session="old tab", seq=seq, shown=shown, **more)


def test_a_label_that_was_not_shown_is_not_confirmed(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    given = sample.classes[int(sample.labels[0])]
    other = next(name for name in sample.classes if name != given)
    journal.append(sample, [confirm(ids[0], (given,), 1), label(ids[0], other)])
    made, refused = journal.append_each(
        sample, [confirm(ids[0], (given,), 2), confirm(ids[1], (None,), 3), confirm(ids[0], (given,), 1)]
    )
    assert [edit.number for edit in made] == [1]  # which was committed before, and is only heard of again
    assert [type(one.error) for one in refused] == [ChangedSince, ChangedSince]
    assert str(refused[0].error) == (
        f"{ids[0]!r} was changed after it was shown, and is now {other}. Look again."
    )
    assert isinstance(refused[0].error, ChangedSince)
    assert refused[0].error.now == (other,)
    assert sample.classes[labels_at(workspace, sample).labels[0]] == other
    with pytest.raises(BadInput, match="is no label of it"):
        journal.append(sample, [confirm(ids[0], (other, other), 4)])
    seen = replace(label(ids[0], other, 5), shown=(other,))  # who confirms a corrected label sets it again
    journal.append(sample, [seen, NewEdit("", EditKind.UNDO, undoes=2), NewEdit("", EditKind.UNDO, undoes=3)])
    journal.append(sample, [confirm(ids[0], (given,), 6)])
    assert labels_at(workspace, sample).confirmed[0]


def test_an_edit_of_an_image_that_was_replaced_does_not_hinder_a_confirmation(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str]
) -> None:
    given = sample.classes[int(sample.labels[0])]
    other = next(name for name in sample.classes if name != given)
    journal.append(sample, [label(ids[0], other), label(ids[1], other, 2)])
    hashes = np.array(sample.content_hashes)
    hashes[0] = 255
    again = replace(sample, content_hashes=hashes, fingerprint="f" * 32)
    (edit,) = journal.append(again, [confirm(ids[0], (given,), 1)])
    assert (edit.old, edit.new) == (given, given)
    with pytest.raises(ChangedSince):  # the other image is the same still, and so is its edit
        journal.append(again, [confirm(ids[1], (sample.classes[int(sample.labels[1])],), 2)])


def test_answers_that_were_not_shown_are_not_confirmed(
    journal: LabelJournal, workspace: Workspace, tags: Dataset
) -> None:
    item = str(tags.item_ids[0])  # its first classes are yes, no, unknown, and so on
    first, second, third = tags.classes[:3]
    shown = tuple(("yes", "no", "unknown")[k % 3] for k in range(len(tags.classes)))
    journal.append(tags, [tag(item, third, "yes")])
    guess = NewEdit(
        item, EditKind.LABEL, "no", session="old tab", seq=1, class_name=third, shown=("unknown",)
    )
    made, refused = journal.append_each(tags, [guess, confirm(item, shown, 2)])
    assert not made
    assert {str(one.error) for one in refused} == {
        f"{item!r} was changed after it was shown, and is now {third}: yes. Look again."
    }
    now = (*shown[:2], "yes", *shown[3:])
    assert all(isinstance(one.error, ChangedSince) and one.error.now == now for one in refused)
    other = NewEdit(item, EditKind.LABEL, "yes", session="old tab", seq=3, class_name=first, shown=("yes",))
    journal.append(tags, [other, confirm(item, now, 4)])  # another class of it was as shown
    state = labels_at(workspace, tags)
    assert state.confirmed[0]
    assert state.labels[0, :3].tolist() == [1, 0, 1]
    assert second not in {edit.class_name for edit in journal.edits(tags.name)}


@pytest.mark.parametrize("seed", range(4))
def test_what_a_page_shows_can_always_be_confirmed(
    journal: LabelJournal, workspace: Workspace, sample: Dataset, ids: list[str], seed: int
) -> None:
    """Whatever was edited, taken back and replaced: the journal and the versions agree on the label."""
    rng = random.Random(seed)
    hashes = np.array(sample.content_hashes)
    hashes[:4] = 255
    now, other = sample, replace(sample, content_hashes=hashes, fingerprint="f" * 32)
    for step in range(40):
        match rng.randrange(4):
            case 0:
                now, other = other, now  # the same names, other pixels
            case 1 if journal.version(sample.name):
                undo = NewEdit("", EditKind.UNDO, undoes=rng.randint(1, journal.version(sample.name)))
                journal.append(now, [undo])
            case _:
                journal.append(now, [label(rng.choice(ids[:6]), rng.choice(now.classes), step, "random")])
        state = labels_at(workspace, now)
        for k in range(6):
            shown = now.classes[int(state.labels[k])]
            (edit,) = journal.append(now, [confirm(ids[k], (shown,), 6 * step + k)])
            journal.append(now, [NewEdit("", EditKind.UNDO, undoes=edit.number)])


def test_an_edit_under_another_s_session_is_refused_and_not_acknowledged(
    workspace: Workspace, sample: Dataset
) -> None:
    """Taken for the other's sent once more, it would be told as saved and never be made."""
    add_account(workspace, "Ada", Role.ADMIN)
    with acting_as("Ada"):
        add_account(workspace, "Bob", Role.ANNOTATOR)
        journal = LabelJournal(workspace)
        ids = [str(one) for one in sample.item_ids[:2]]
        adas = [
            NewEdit(id_, EditKind.LABEL, "Bag", who="Ada", session="ada", seq=n) for n, id_ in enumerate(ids)
        ]
        undo = NewEdit("", EditKind.UNDO, undoes=("ada", 0), who="Ada", session="ada", seq=2)
        journal.append(sample, [*adas, undo])
        assert journal.append(sample, [undo])[0].number == 3  # sent once more
        other = replace(undo, undoes=("ada", 1))
        saved, refused = journal.append_each(sample, [other])
        assert (saved, len(refused)) == ([], 1)
    with acting_as("Bob"):
        bobs = [replace(undo, who="Bob"), replace(adas[1], who="Bob")]
        saved, refused = journal.append_each(sample, bobs)
        assert (saved, len(refused)) == ([], 2)
    assert journal.version(sample.name) == 3
