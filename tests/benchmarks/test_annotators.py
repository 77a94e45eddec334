"""The benchmark would see an edit that is lost or doubled, and an image that two people were given."""

from __future__ import annotations

import pytest

from benchmarks.annotators import WHO, Person, tally
from core.data.dataset import Dataset
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.team.lists import share
from core.workspace import Workspace


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_what_is_wrong_is_counted(
    workspace: Workspace,
    sample: Dataset,
    backend: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if backend == "postgresql":
        monkeypatch.setenv("TIDYSET_DATABASE_URL", request.getfixturevalue("postgres"))
    ids = [str(item_id) for item_id in sample.item_ids[:4]]
    shared = share(workspace, sample, "everything", ids, who="benchmark")
    people = [Person(number, sample, "", 0, shared, workspace) for number in range(2)]
    people[0].given, people[1].given = ids[:1], ids[1:3]
    for person, item_id, seq in ((people[0], ids[0], 1), (people[1], ids[1], 1), (people[1], ids[2], 2)):
        new = NewEdit(
            item_id, EditKind.EXCLUDE, who=WHO.format(person.number), session=person.session, seq=seq
        )
        (edit,) = LabelJournal(workspace).append(sample, [new])
        person.answered[seq] = edit.number
    clean = {
        "in_database": 3,
        "acknowledged": 3,
        "lost": 0,
        "doubled": 0,
        "gaps": 0,
        "collisions": 0,
        "given_twice": 0,
        "unsettled": 0,
        "retried": 0,
    }
    assert tally(workspace.database_url, people) == clean
    people[0].answered[9] = 4  # acknowledged, and not there
    assert tally(workspace.database_url, people)["lost"] == 1
    LabelJournal(workspace).append(sample, [NewEdit(ids[1], EditKind.EXCLUDE, who=WHO.format(0))])
    people[0].given.append(ids[1])
    wrong = tally(workspace.database_url, people)
    assert (wrong["collisions"], wrong["given_twice"], wrong["unsettled"]) == (1, 1, 1)
