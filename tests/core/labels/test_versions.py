"""Label versions: the given labels plus edits 1 to k."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.database.engine import forget_engines
from core.errors import NotFound, StorageFailed
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import LabelState, current_version, labels_at, training_changes_since
from core.workspace import Workspace


def commit(workspace: Workspace, dataset: Dataset, *edits: tuple[int, EditKind, str | None]) -> None:
    new = [NewEdit(str(dataset.item_ids[position]), kind, label) for position, kind, label in edits]
    LabelJournal(workspace).append(dataset, new)


def other_class(dataset: Dataset, position: int) -> str:
    return dataset.classes[(int(dataset.labels[position]) + 1) % len(dataset.classes)]


def assert_as_given(state: LabelState, dataset: Dataset) -> None:
    assert np.array_equal(state.labels, dataset.labels)
    assert not state.reviewed.any()


def test_without_edits_the_labels_are_as_given(workspace: Workspace, sample: Dataset) -> None:
    assert_as_given(labels_at(workspace, sample), sample)
    assert current_version(workspace, sample.name) == 0
    assert not (workspace.root / "labels.db").exists()


def test_without_edits_sqlalchemy_is_not_imported(workspace: Workspace, sample: Dataset) -> None:
    script = (
        "import sys\nfrom core.data.catalog import open_dataset\nfrom core.labels.versions import labels_at\n"
        "from core.workspace import current\n"
        "labels_at(current(), open_dataset(current(), 'fashion-mnist-sample'))\n"
        "print('sqlalchemy' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_each_version_is_the_edits_up_to_it(workspace: Workspace, sample: Dataset) -> None:
    new = other_class(sample, 3)
    commit(workspace, sample, (3, EditKind.LABEL, new))
    commit(workspace, sample, (4, EditKind.CONFIRM, None), (5, EditKind.EXCLUDE, None))
    commit(workspace, sample, (3, EditKind.CONFIRM, None), (5, EditKind.INCLUDE, None))
    assert_as_given(labels_at(workspace, sample, 0), sample)
    one = labels_at(workspace, sample, 1)
    assert one.labels[3] == sample.classes.index(new)
    assert np.flatnonzero(one.edited).tolist() == [3]
    three = labels_at(workspace, sample, 3)
    assert np.flatnonzero(three.confirmed).tolist() == [4]
    assert np.flatnonzero(three.excluded).tolist() == [5]
    newest = labels_at(workspace, sample)
    assert newest.version == 5
    assert np.array_equal(newest.labels, sample.labels)
    assert np.flatnonzero(newest.reviewed).tolist() == [3, 4]


def test_assigning_the_given_class_confirms_it(workspace: Workspace, sample: Dataset) -> None:
    commit(workspace, sample, (3, EditKind.LABEL, sample.classes[int(sample.labels[3])]))
    state = labels_at(workspace, sample)
    assert state.confirmed[3]
    assert not state.edited[3]


def test_no_such_version(workspace: Workspace, sample: Dataset) -> None:
    with pytest.raises(NotFound, match="no label version 3"):
        labels_at(workspace, sample, 3)
    with pytest.raises(NotFound, match="no label version -1"):
        labels_at(workspace, sample, -1)


def test_an_edit_follows_its_image_into_a_new_import(workspace: Workspace, sample: Dataset) -> None:
    new = other_class(sample, 3)
    commit(workspace, sample, (3, EditKind.LABEL, new), (4, EditKind.LABEL, other_class(sample, 4)))
    kept = np.array([9, 3, 4])
    hashes = np.array(sample.content_hashes[kept])
    hashes[2] ^= 1  # under the same name there is another picture now
    again = replace(
        sample,
        classes=(*sample.classes[::-1],),
        item_ids=sample.item_ids[kept],
        split=sample.split[kept],
        labels=9 - np.asarray(sample.labels[kept]),
        content_hashes=hashes,
        fingerprint="f" * 32,
    )
    state = labels_at(workspace, again)
    assert again.classes[state.labels[1]] == new
    assert state.edited.tolist() == [False, True, False]
    assert state.unmatched == 1


def test_an_edit_of_an_item_that_is_gone_is_left_out(workspace: Workspace, sample: Dataset) -> None:
    commit(workspace, sample, (3, EditKind.EXCLUDE, None), (4, EditKind.EXCLUDE, None))
    kept = np.array([4, 8])
    again = replace(
        sample,
        item_ids=sample.item_ids[kept],
        split=sample.split[kept],
        labels=sample.labels[kept],
        content_hashes=sample.content_hashes[kept],
    )
    state = labels_at(workspace, again)
    assert state.excluded.tolist() == [True, False]
    assert state.unmatched == 1


def test_many_edits_end_in_the_last_one(workspace: Workspace, sample: Dataset) -> None:
    rng = np.random.default_rng(0)
    positions = rng.integers(0, len(sample), 20_000)
    classes = rng.integers(0, 10, 20_000)
    expected = np.array(sample.labels)
    for position, k in zip(positions.tolist(), classes.tolist(), strict=True):
        expected[position] = k
    edits = [
        NewEdit(str(sample.item_ids[p]), EditKind.LABEL, sample.classes[k], session="bulk", seq=seq)
        for seq, (p, k) in enumerate(zip(positions.tolist(), classes.tolist(), strict=True))
    ]
    LabelJournal(workspace).append(sample, edits)
    state = labels_at(workspace, sample)
    assert np.array_equal(state.labels, expected)
    assert state.version == 20_000


def test_the_arrays_cannot_be_changed(workspace: Workspace, sample: Dataset) -> None:
    commit(workspace, sample, (3, EditKind.EXCLUDE, None))
    with pytest.raises(ValueError, match="read-only"):
        labels_at(workspace, sample).labels[0] = 1


def test_a_workspace_can_be_copied(workspace: Workspace, sample: Dataset) -> None:
    commit(workspace, sample, (3, EditKind.EXCLUDE, None))
    copy = Workspace(workspace.root.parent / "copy")
    shutil.copytree(workspace.root, copy.root)
    assert labels_at(copy, sample).excluded[3]


def test_labels_are_read_from_a_disk_that_cannot_be_written(
    workspace: Workspace, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file mode keeps root from writing, so the answer to "may I write here?" is given for the disk."""
    commit(workspace, sample, (3, EditKind.EXCLUDE, None))
    forget_engines()
    assert not (workspace.root / "labels.db-wal").exists()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert labels_at(workspace, sample).excluded[3]
    assert not (workspace.root / "labels.db-shm").exists()
    with pytest.raises(StorageFailed, match="read-only"):
        commit(workspace, sample, (4, EditKind.EXCLUDE, None))


def test_only_changes_outside_the_test_split_make_another_model(
    workspace: Workspace, sample: Dataset
) -> None:
    train, test = int(sample.in_split("train")[0]), int(sample.in_split("test")[0])
    commit(workspace, sample, (test, EditKind.LABEL, other_class(sample, test)))
    commit(workspace, sample, (train, EditKind.CONFIRM, None))
    assert training_changes_since(workspace, sample, 0) == 0
    commit(workspace, sample, (train, EditKind.LABEL, other_class(sample, train)))
    commit(workspace, sample, (train + 1, EditKind.EXCLUDE, None))
    assert training_changes_since(workspace, sample, 0) == 2
    assert training_changes_since(workspace, sample, 3) == 1
    commit(workspace, sample, (train + 1, EditKind.INCLUDE, None))
    assert training_changes_since(workspace, sample, 0) == 1
