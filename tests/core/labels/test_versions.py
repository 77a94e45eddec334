from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput, NotFound
from core.labels.journal import LabelJournal, NewEdit
from core.labels.versions import current_version, edits_since, labels_at
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]


def edit(
    dataset: Dataset, position: int, seq: int, new: str | None = None, kind: str = "label", **more: object
):  # type: ignore[no-untyped-def]
    return NewEdit(str(dataset.item_ids[position]), kind, "s", seq, new, **more)  # type: ignore[arg-type]


def other(dataset: Dataset, position: int, step: int = 1) -> int:
    return (int(dataset.labels[position]) + step) % len(dataset.classes)


def test_without_edits_the_labels_are_the_given_ones(workspace: Workspace, sample: Dataset) -> None:
    state = labels_at(workspace, sample)
    assert np.array_equal(state.labels, sample.labels)
    assert state.version == 0
    assert not state.reviewed.any()
    assert current_version(workspace, sample.name) == 0
    with pytest.raises(NotFound, match="no label version 3"):
        labels_at(workspace, sample, 3)


def test_a_version_holds_the_edits_up_to_its_number(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    first, second = other(sample, 5), other(sample, 5, 2)
    journal.append(sample, [edit(sample, 5, 0, sample.classes[first])])
    journal.append(sample, [edit(sample, 5, 1, sample.classes[second]), edit(sample, 9, 2, kind="exclude")])
    assert current_version(workspace, sample.name) == 3
    assert edits_since(workspace, sample, 1) == 2
    assert labels_at(workspace, sample, 0).labels[5] == sample.labels[5]
    assert labels_at(workspace, sample, 1).labels[5] == first
    assert not labels_at(workspace, sample, 2).excluded[9]
    now = labels_at(workspace, sample)
    assert now.labels[5] == second
    assert np.flatnonzero(now.edited).tolist() == [5]
    assert np.flatnonzero(now.excluded).tolist() == [9]
    untouched = np.ones(len(sample), bool)
    untouched[5] = False
    assert np.array_equal(now.labels[untouched], sample.labels[untouched])


def test_confirming_marks_the_item_and_keeps_its_label(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    name = sample.classes[other(sample, 1)]
    journal.append(
        sample,
        [edit(sample, 0, 0, kind="confirm"), edit(sample, 1, 1, name), edit(sample, 1, 2, kind="confirm")],
    )
    state = labels_at(workspace, sample)
    assert state.confirmed[[0, 1, 2]].tolist() == [True, True, False]
    assert state.edited[[0, 1]].tolist() == [False, True]
    assert state.labels[0] == sample.labels[0]
    assert sample.classes[state.labels[1]] == name


def test_undo_and_redo(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    first, second = sample.classes[other(sample, 7)], sample.classes[other(sample, 7, 2)]
    journal.append(sample, [edit(sample, 7, 0, first), edit(sample, 7, 1, second)])
    journal.append(sample, [edit(sample, 7, 2, kind="undo", undoes_seq=1)])
    assert sample.classes[labels_at(workspace, sample).labels[7]] == first
    journal.append(sample, [edit(sample, 7, 3, kind="undo", undoes=3)])
    assert sample.classes[labels_at(workspace, sample).labels[7]] == second
    journal.append(
        sample, [edit(sample, 7, 4, kind="undo", undoes=4), edit(sample, 7, 5, kind="undo", undoes=1)]
    )
    state = labels_at(workspace, sample)
    assert state.labels[7] == sample.labels[7]
    assert not state.edited[7]
    assert sample.classes[labels_at(workspace, sample, 4).labels[7]] == second
    assert len(journal.history(sample)) == 6


def test_the_old_label_is_written_as_it_was_just_before(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    first, second = sample.classes[other(sample, 7)], sample.classes[other(sample, 7, 2)]
    journal.append(sample, [edit(sample, 7, 0, first), edit(sample, 7, 1, second)])
    newest, oldest = journal.history(sample)
    assert (oldest.old, oldest.new) == (sample.classes[sample.labels[7]], first)
    assert (newest.old, newest.new) == (first, second)


def test_another_content_under_the_same_name_has_no_edits(workspace: Workspace, sample: Dataset) -> None:
    from dataclasses import replace

    LabelJournal(workspace).append(sample, [edit(sample, 0, 0, sample.classes[other(sample, 0)])])
    replaced = replace(sample, fingerprint="0" * 32)
    assert np.array_equal(labels_at(workspace, replaced).labels, sample.labels)


def test_a_journal_put_in_the_place_of_another_is_read_anew(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    journal.append(sample, [edit(sample, 0, 0, sample.classes[other(sample, 0)])])
    assert labels_at(workspace, sample).edited[0]
    for file in workspace.root.glob("labels.db*"):
        file.unlink()
    assert not labels_at(workspace, sample).edited.any()
    journal.append(sample, [edit(sample, 3, 7, sample.classes[other(sample, 3)])])
    assert np.flatnonzero(labels_at(workspace, sample).edited).tolist() == [3]


def test_a_hundred_thousand_edits_fold_to_the_last_word(workspace: Workspace, sample: Dataset) -> None:
    rng = np.random.default_rng(0)
    positions = rng.integers(0, len(sample), 100_000)
    codes = rng.integers(0, len(sample.classes), 100_000)
    ids = sample.item_ids
    batch = [
        NewEdit(str(ids[position]), "label", "big", seq, sample.classes[code])
        for seq, (position, code) in enumerate(zip(positions, codes, strict=True))
    ]
    saved = LabelJournal(workspace).append(sample, batch)
    assert [one.seq for one in saved] == list(range(100_000))
    expected = np.array(sample.labels)
    for position, code in zip(positions, codes, strict=True):
        expected[position] = code
    assert np.array_equal(labels_at(workspace, sample).labels, expected)


def test_no_database_library_without_a_journal(workspace: Workspace, sample: Dataset) -> None:
    script = (
        "import sys; from core import workspace; from core.data.catalog import open_dataset;"
        "from core.labels.versions import current_version, labels_at; w = workspace.current();"
        "d = open_dataset(w, 'fashion-mnist-sample'); labels_at(w, d); current_version(w, d.name);"
        "print('sqlalchemy' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "False"


def test_what_cannot_be_applied_is_refused(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    with pytest.raises(BadInput, match="no class 'Cat'"):
        journal.append(sample, [edit(sample, 0, 0, "Cat")])
    with pytest.raises(BadInput, match="has no item 'nowhere'"):
        journal.append(sample, [NewEdit("nowhere", "label", "s", 0, sample.classes[0])])
    with pytest.raises(NotFound, match="no edit 99 to undo"):
        journal.append(sample, [edit(sample, 0, 0, kind="undo", undoes=99)])
    journal.append(sample, [edit(sample, 0, 0, sample.classes[1])])
    with pytest.raises(BadInput, match="is another one"):
        journal.append(sample, [edit(sample, 1, 0, sample.classes[1])])
    assert len(journal.history(sample)) == 1
