"""The contract of shared lists, on SQLite and PostgreSQL: nobody gets what another has, nothing is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from core.data.catalog import delete_dataset
from core.data.dataset import Dataset
from core.errors import BadInput, NameTaken, NotAllowed, NotFound
from core.labels import work
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.people.accounts import add_account
from core.people.acting import acting_as
from core.people.roles import Role
from core.team import lists, presence
from core.team.lists import SharedList
from core.workspace import Workspace


@pytest.fixture(params=["sqlite", "postgresql"], autouse=True)
def backend(request: pytest.FixtureRequest, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "postgresql":
        monkeypatch.setenv("TIDYSET_DATABASE_URL", request.getfixturevalue("postgres"))
    return str(request.param)


class Clock:
    """The time that the lists go by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        for module in (lists, presence, work):
            monkeypatch.setattr(module.time, "time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def shared(workspace: Workspace, sample: Dataset, n: int = 12, **more: Any) -> SharedList:
    ids = [str(one) for one in sample.item_ids[:n]]
    return lists.share(workspace, sample, "first", ids, who="ann", **{"at_once": 4, **more})


def decide(workspace: Workspace, sample: Dataset, person: str, *items: str, **more: Any) -> list[int]:
    new = [NewEdit(one, EditKind.LABEL, "Bag", who=person, **more) for one in items]
    return [edit.number for edit in LabelJournal(workspace).append(sample, new)]


def test_no_two_people_get_the_same_image(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample)
    ann, bob = (lists.take(workspace, sample, one, person) for person in ("ann", "bob"))
    ids = [str(item) for item in sample.item_ids[:12]]
    assert (ann, bob) == (ids[:4], ids[4:8])
    assert lists.take(workspace, sample, one, "ann") == ann  # the same until they are done
    decide(workspace, sample, "ann", *ann[:3])
    assert lists.kept_for(workspace, one, "ann") == ann[3:]
    assert lists.take(workspace, sample, one, "ann") == [ann[3], *ids[8:11]]
    assert lists.take(workspace, sample, one, "cy") == ids[11:]
    assert lists.take(workspace, sample, one, "dan") == []
    now = lists.progress(workspace, one)
    assert (now.n_images, now.n_places, now.n_done) == (12, 12, 3)
    assert [(s.person, s.n_done, s.n_kept) for s in now.shares] == [
        ("ann", 3, 4),
        ("bob", 0, 4),
        ("cy", 0, 1),
    ]


def test_many_who_take_at_once_never_collide(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample, n=60)

    def all_of(person: str) -> list[str]:
        mine: list[str] = []
        while taken := lists.take(workspace, sample, one, person):
            decide(workspace, sample, person, *taken)
            mine += taken
        return mine

    with ThreadPoolExecutor(5) as pool:
        parts = list(pool.map(all_of, [f"p{n}" for n in range(5)]))
    everything = [item for part in parts for item in part]
    assert sorted(everything) == sorted(str(item) for item in sample.item_ids[:60])
    assert lists.progress(workspace, one).n_done == 60


def test_with_an_overlap_each_image_goes_to_so_many_different_people(
    workspace: Workspace, sample: Dataset
) -> None:
    one = shared(workspace, sample, n=4, overlap=2)
    first, second, third = (lists.take(workspace, sample, one, person) for person in ("ann", "bob", "cy"))
    assert first == second == [str(item) for item in sample.item_ids[:4]]
    assert third == []
    decide(workspace, sample, "ann", *first)
    assert lists.take(workspace, sample, one, "ann") == []
    assert lists.progress(workspace, one).n_done == 4
    decide(workspace, sample, "bob", *second)
    assert lists.progress(workspace, one).n_done == 8


def test_what_is_left_goes_to_somebody_else(workspace: Workspace, sample: Dataset, clock: Clock) -> None:
    one = shared(workspace, sample, n=4, seconds=60)
    ann = lists.take(workspace, sample, one, "ann")
    clock.now += 59
    decide(workspace, sample, "ann", ann[0])  # a decision keeps the others for another minute
    clock.now += 59
    assert lists.take(workspace, sample, one, "bob") == []
    clock.now += 2
    assert lists.take(workspace, sample, one, "bob") == ann[1:]
    assert lists.kept_for(workspace, one, "ann") == []
    decide(workspace, sample, "ann", ann[1])  # too late for the list, and yet kept: labels are sacred
    assert lists.kept_for(workspace, one, "bob") == ann[1:]
    decide(workspace, sample, "bob", *ann[1:])
    assert lists.progress(workspace, one).n_done == 4


def test_giving_back_frees_what_is_not_done(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample, n=4)
    ann = lists.take(workspace, sample, one, "ann")
    decide(workspace, sample, "ann", ann[0])
    assert lists.release(workspace, one, "ann") == 3
    assert lists.take(workspace, sample, one, "bob") == ann[1:]


def test_an_undo_makes_it_theirs_again_and_a_redo_ends_that(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample, n=2)
    ann = lists.take(workspace, sample, one, "ann")
    (number,) = decide(workspace, sample, "ann", ann[0])
    (undone,) = LabelJournal(workspace).append(sample, [NewEdit("", EditKind.UNDO, undoes=number, who="ann")])
    assert lists.kept_for(workspace, one, "ann") == ann
    LabelJournal(workspace).append(sample, [NewEdit("", EditKind.UNDO, undoes=undone.number, who="ann")])
    assert lists.kept_for(workspace, one, "ann") == ann[1:]


def test_what_was_decided_elsewhere_is_given_to_nobody(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample, n=4)
    ids = [str(item) for item in sample.item_ids[:4]]
    decide(workspace, sample, "dan", ids[0])  # without having taken it
    assert lists.take(workspace, sample, one, "ann") == ids[1:]
    decide(workspace, sample, "model:fill-1", ids[1])  # a model's answer is nobody's decision
    assert lists.kept_for(workspace, one, "ann") == ids[1:]
    assert lists.progress(workspace, one).n_done == 1


def test_a_place_is_done_only_with_the_edit(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample, n=2)
    ann = lists.take(workspace, sample, one, "ann")
    wrong = [NewEdit(ann[0], EditKind.LABEL, "Bag", who="ann"), NewEdit(ann[1], EditKind.LABEL, "no class")]
    with pytest.raises(BadInput):
        LabelJournal(workspace).append(sample, wrong)
    assert lists.kept_for(workspace, one, "ann") == ann
    decide(workspace, sample, "ann", ann[0], session="s", seq=1)
    decide(workspace, sample, "ann", ann[0], session="s", seq=1)  # sent again
    assert lists.progress(workspace, one).n_done == 1


def test_a_closed_list_gives_out_nothing(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample)
    with pytest.raises(NameTaken, match="is named 'first'"):
        shared(workspace, sample)
    lists.close(workspace, one)
    with pytest.raises(NotFound, match="'first' is closed"):
        lists.take(workspace, sample, one, "ann")
    assert lists.lists_of(workspace, sample.name) == []
    with pytest.raises(NotFound, match=r"no shared list 'first'. Open are: none"):
        lists.find_list(workspace, sample.name, "first")
    assert lists.find_list(workspace, sample.name, one.id).closed is not None
    assert shared(workspace, sample).name == "first"


def test_a_list_of_other_images_is_refused(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample)
    changed = replace(sample, fingerprint="f" * 32)
    with pytest.raises(BadInput, match=r"made of other images .* share a new one"):
        lists.take(workspace, changed, one, "ann")
    delete_dataset(workspace, sample.name)
    assert lists.find_list(workspace, sample.name, "first").id == one.id


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"item_ids": []}, "the list is empty"),
        ({"item_ids": ["train-00000", "train-00000"]}, "an image twice"),
        ({"item_ids": ["train-00000"], "overlap": 0}, "Overlap 0"),
        ({"item_ids": ["train-00000"], "overlap": 21}, "Overlap 21"),
        ({"item_ids": ["train-00000"], "at_once": 0}, "0 images at a time"),
        ({"item_ids": ["train-00000"], "seconds": float("nan")}, "kept for nan s"),
        ({"item_ids": ["train-00000"], "name": " "}, "cannot name a list"),
        ({"item_ids": ["nothing"]}, "nothing"),
    ],
)
def test_a_list_that_cannot_be_is_refused(
    workspace: Workspace, sample: Dataset, more: dict[str, Any], says: str
) -> None:
    given = {"name": "first", "who": "ann", **more}
    with pytest.raises((BadInput, NotFound), match=says):
        lists.share(workspace, sample, given.pop("name"), given.pop("item_ids"), **given)
    assert lists.lists_of(workspace, sample.name) == []


def test_roles_count_in_both_databases(workspace: Workspace, sample: Dataset) -> None:
    one = shared(workspace, sample)
    add_account(workspace, "ada", Role.ADMIN)
    with acting_as("ada"):
        add_account(workspace, "bob", Role.ANNOTATOR)
        add_account(workspace, "vic", Role.VIEWER)
    with acting_as("vic"), pytest.raises(NotAllowed):
        lists.take(workspace, sample, one, "vic")
    with acting_as("bob"):
        assert lists.take(workspace, sample, one, "bob")
        for forbidden in (
            lambda: lists.take(workspace, sample, one, "ada"),
            lambda: lists.release(workspace, one, "ada"),
            lambda: lists.close(workspace, one),
            lambda: lists.share(workspace, sample, "second", ["train-00000"], who="bob"),
        ):
            with pytest.raises(NotAllowed):
                forbidden()
    with acting_as("ada"):
        assert lists.release(workspace, one, "bob") == 4


def test_a_clock_put_back_keeps_nobody_here_and_no_image(
    workspace: Workspace, sample: Dataset, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "_noted", {})
    clock.now = 1_000_000.0
    one = shared(workspace, sample, seconds=600)
    ids = [str(item) for item in sample.item_ids[:12]]
    assert lists.take(workspace, sample, one, "ann") == ids[:4]
    presence.note(workspace, "ann", sample.name, "first")
    clock.now -= 5
    assert lists.take(workspace, sample, one, "bob") == ids[4:8], "a clock that is set right by seconds"
    assert len(presence.who_is_here(workspace)) == 1
    clock.now -= 86_400
    assert presence.who_is_here(workspace) == []
    assert lists.take(workspace, sample, one, "cay") == ids[:4]


def test_who_is_here_and_who_did_what(
    workspace: Workspace, sample: Dataset, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "_noted", {})
    presence.note(workspace, "ann", sample.name, "Explore")
    clock.now += 1
    presence.note(workspace, "bob", sample.name, "first")
    presence.note(workspace, "ann", sample.name)  # the same, so soon: not written
    assert [(one.person, one.doing, one.at) for one in presence.who_is_here(workspace)] == [
        ("bob", "first", 1_001.0),
        ("ann", "Explore", 1_000.0),
    ]
    clock.now += presence.HERE_SECONDS
    assert [one.person for one in presence.who_is_here(workspace)] == ["bob"]
    decide(workspace, sample, "ann", *(str(one) for one in sample.item_ids[:2]))
    assert [(one.person, one.n_edits) for one in work.work_of(workspace, sample.name)] == [("ann", 2)]
