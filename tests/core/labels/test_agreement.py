"""Agreement: figures against published examples and libraries, and which votes count."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from core.data.dataset import Dataset
from core.errors import BadInput
from core.labels.agreement import (
    choose_for_second_look,
    cohen,
    fleiss,
    krippendorff,
    looked_again,
    measure_agreement,
    still_to_look,
    votes,
)
from core.labels.journal import Edit, EditKind, LabelJournal, NewEdit
from core.labels.kappa import Measure
from core.workspace import Workspace


def columns(*rows: str) -> list[list[str]]:
    return [[row[k] for row in rows if row[k] != "."] for k in range(len(rows[0]))]


@pytest.mark.parametrize(
    ("alpha", "rows"),
    [
        # Krippendorff (2011), section C: four observers, twelve units; a dot is a missing vote.
        (0.743, ("123321412...", "1233224125..", ".33323422513", "12332441251.")),
        # The example of Wikipedia's article on it: three coders, fifteen units.
        (0.691, (".....34121133.3", "1.213343.......", "..21344.21133.4")),
    ],
)
def test_alpha_is_that_of_the_published_examples(alpha: float, rows: tuple[str, ...]) -> None:
    assert krippendorff(columns(*rows), n_draws=10).value == pytest.approx(alpha, abs=5e-4)


def test_kappa_of_two_is_that_of_sklearn() -> None:
    rng = np.random.default_rng(1)
    a = rng.integers(0, 4, 300)
    b = np.where(rng.random(300) < 0.7, a, rng.integers(0, 4, 300))
    found = cohen([(str(x), str(y)) for x, y in zip(a, b, strict=True)])
    assert found.value == pytest.approx(cohen_kappa_score(a, b))
    assert found.agreed == pytest.approx(float((a == b).mean()))
    assert found.ci95 is not None
    low, high = found.ci95
    assert low < found.value < high
    assert 0.05 < high - low < 0.2
    again = cohen([(str(x), str(y)) for x, y in zip(a, b, strict=True)])
    assert again == found


def test_fleiss_kappa_is_that_of_the_textbook() -> None:
    """Fleiss (1971) as on Wikipedia: ten subjects, fourteen raters, five values, 0.210."""
    table = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    said = [[str(k) for k, n in enumerate(row) for _ in range(n)] for row in table]
    assert fleiss(said, n_draws=10).value == pytest.approx(0.210, abs=5e-4)


def test_where_all_say_one_thing_kappa_is_not_defined() -> None:
    for found in (cohen([("a", "a")] * 5), fleiss([["a", "a"]] * 5), krippendorff([["a", "a"]] * 5)):
        assert (found.value, found.ci95, found.agreed, found.n_units) == (None, None, 1.0, 5)


def test_chance_is_no_agreement_and_sameness_is_full() -> None:
    rng = np.random.default_rng(0)
    chance = [[str(a), str(b)] for a, b in rng.integers(0, 3, (3_000, 2))]
    found = krippendorff(chance, n_draws=200)
    assert found.value == pytest.approx(0, abs=0.05)
    assert found.ci95 is not None
    assert found.ci95[0] < 0 < found.ci95[1]
    assert krippendorff([[a, a] for a, _ in chance], n_draws=10).value == 1


def test_alpha_needs_two_votes() -> None:
    with pytest.raises(BadInput, match="two people"):
        krippendorff([["a"], ["b"]])


@pytest.fixture
def journal(workspace: Workspace) -> LabelJournal:
    return LabelJournal(workspace)


def said(sample: Dataset, position: int, who: str, kind: EditKind, new: str | None) -> NewEdit:
    return NewEdit(str(sample.item_ids[position]), kind, new, who=who)


def all_edits(journal: LabelJournal, sample: Dataset) -> list[Edit]:
    return journal.edits(sample.name)


def test_only_independent_votes_count(journal: LabelJournal, sample: Dataset) -> None:
    item = str(sample.item_ids[0])
    journal.append(
        sample,
        [
            said(sample, 0, "ann", EditKind.LABEL, "Coat"),
            said(sample, 0, "bob", EditKind.LABEL, "Coat"),  # saw Coat
            said(sample, 0, "carl", EditKind.LOOK, "Shirt"),
            said(sample, 0, "ann", EditKind.LOOK, "Shirt"),
            said(sample, 1, "ann", EditKind.LABEL, "Bag"),
            NewEdit("", EditKind.UNDO, undoes=5),
        ],
    )
    found = votes(all_edits(journal, sample))
    assert found.n_followed == 1
    assert [(vote.who, vote.value, vote.is_blind) for vote in found.of[item, None]] == [
        ("ann", "Coat", False),
        ("carl", "Shirt", True),
        ("ann", "Shirt", True),
    ]
    assert len(found.of) == 1


def test_people_are_held_against_themselves_and_each_other(journal: LabelJournal, sample: Dataset) -> None:
    edits = []
    for k in range(20):
        first = "Coat" if k % 2 else "Shirt"
        edits += [
            said(sample, k, "ann", EditKind.LABEL, first),
            said(sample, k, "ann", EditKind.LOOK, "Shirt" if k == 1 else first),
        ]
        if k < 10:
            edits.append(said(sample, k, "bob", EditKind.LOOK, "Bag" if k == 2 else first))
    journal.append(sample, edits)
    found = measure_agreement(all_edits(journal, sample), n_draws=50)
    assert found.with_self["ann"].n_units == 20
    assert found.with_self["ann"].agreed == pytest.approx(0.95)
    assert found.with_self["ann"].value == pytest.approx(0.9)
    assert list(found.with_self) == ["ann"]
    assert found.pairs["ann", "bob"].n_units == 10
    assert found.fleiss is not None
    assert found.alpha is not None
    assert found.fleiss.n_units == found.alpha.n_units == 10
    assert [conflict.item_id for conflict in found.conflicts] == sample.item_ids[[1, 2]].tolist()
    assert found.conflicts[0].said == {"ann": "Shirt", "bob": "Coat"}


def test_a_conflict_is_settled_until_somebody_looks_again(journal: LabelJournal, sample: Dataset) -> None:
    journal.append(
        sample,
        [
            said(sample, 0, "ann", EditKind.LABEL, "Coat"),
            said(sample, 0, "bob", EditKind.LOOK, "Shirt"),
            said(sample, 1, "ann", EditKind.LABEL, "Coat"),
            said(sample, 1, "bob", EditKind.LOOK, "Bag"),
            said(sample, 0, "carl", EditKind.SETTLE, "Shirt"),
        ],
    )
    found = measure_agreement(all_edits(journal, sample), n_draws=10).conflicts
    assert [(one.item_id, one.settled) for one in found] == [
        (str(sample.item_ids[1]), None),
        (str(sample.item_ids[0]), "Shirt"),
    ]
    journal.append(sample, [said(sample, 0, "ann", EditKind.LOOK, "Coat")])
    assert {one.settled for one in measure_agreement(all_edits(journal, sample), n_draws=10).conflicts} == {
        None
    }


def test_a_person_can_contradict_themself(journal: LabelJournal, sample: Dataset) -> None:
    for edit in (
        said(sample, 0, "ann", EditKind.LABEL, "Coat"),
        said(sample, 1, "ann", EditKind.LABEL, "Bag"),
        said(sample, 0, "ann", EditKind.LOOK, "Shirt"),
        said(sample, 1, "ann", EditKind.LOOK, "Bag"),
        said(sample, 2, "ann", EditKind.LABEL, "Coat"),
        said(sample, 2, "ann", EditKind.LABEL, "Bag"),
    ):
        journal.append(sample, [edit])
    (conflict,) = measure_agreement(all_edits(journal, sample), n_draws=10).conflicts
    assert (conflict.item_id, conflict.said) == (
        str(sample.item_ids[0]),
        {"ann, first": "Coat", "ann, blind": "Shirt"},
    )
    journal.append(sample, [said(sample, 0, "ann", EditKind.SETTLE, "Coat")])
    (settled,) = measure_agreement(all_edits(journal, sample), n_draws=10).conflicts
    assert settled.settled == "Coat"


def test_what_is_still_to_be_looked_at(journal: LabelJournal, sample: Dataset) -> None:
    first, second = (str(item_id) for item_id in sample.item_ids[:2])
    journal.append(sample, [said(sample, k, "ann", EditKind.LABEL, "Bag") for k in (0, 1)])
    journal.append(sample, [said(sample, 0, "ann", EditKind.LOOK, "Bag")])
    both = [second, first]
    assert still_to_look(all_edits(journal, sample), both, "ann") == [second]
    assert still_to_look(all_edits(journal, sample), both, "bob") == both
    journal.append(sample, [said(sample, 0, "bob", EditKind.LABEL, "Coat")])
    assert still_to_look(all_edits(journal, sample), both, "ann") == both, "somebody decided anew"
    out = NewEdit(first, EditKind.EXCLUDE, who="ann", evidence={"queue": "blind"})
    journal.append(sample, [out])
    assert still_to_look(all_edits(journal, sample), both, "ann") == [second], "left out without knowing more"


def test_agreement_has_a_word() -> None:
    words = [
        Measure(value, None, 1, 1).strength for value in (-0.1, 0.0, 0.1, 0.3, 0.5, 0.61, 0.81, 1.0, None)
    ]
    assert words == [
        *["no better than chance"] * 2,
        *("slight", "fair", "moderate", "substantial", "almost perfect", "almost perfect", ""),
    ]


def test_nobody_voted() -> None:
    found = measure_agreement([])
    assert (found.with_self, found.pairs, found.fleiss, found.alpha, found.conflicts) == (
        {},
        {},
        None,
        None,
        (),
    )


def test_items_for_a_second_look_are_drawn_from_a_seed(journal: LabelJournal, sample: Dataset) -> None:
    edits = [said(sample, k, "ann" if k < 30 else "bob", EditKind.LABEL, "Bag") for k in range(50)]
    journal.append(sample, [*edits, said(sample, 60, "ann", EditKind.LOOK, "Bag")])
    found = all_edits(journal, sample)
    drawn = choose_for_second_look(found, 0.1, seed=3, who="ann")
    assert len(drawn) == 3
    assert set(drawn) <= set(sample.item_ids[:30].tolist())
    assert choose_for_second_look(found, 0.1, seed=3, who="ann") == drawn
    assert choose_for_second_look(found, 1, seed=4) != choose_for_second_look(found, 1, seed=3)
    assert len(choose_for_second_look(found, 1, seed=4)) == 50
    assert looked_again(found, "ann") == {str(sample.item_ids[60])}
    with pytest.raises(BadInput, match="above 0"):
        choose_for_second_look(found, 0, seed=3)
    with pytest.raises(BadInput, match="by carl"):
        choose_for_second_look(found, 0.5, seed=3, who="carl")
