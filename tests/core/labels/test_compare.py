"""What changed between two label versions, and versions by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.data.dataset import Dataset, Task
from core.errors import NotFound
from core.labels.compare import compare_versions, version_number
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.workspace import Workspace


def test_changes_are_counted_by_pair(workspace: Workspace, sample: Dataset) -> None:
    coats = np.flatnonzero(np.asarray(sample.labels) == sample.classes.index("Coat"))[:5]
    ids = sample.item_ids[coats].tolist()
    kinds = [(EditKind.LABEL, "Shirt"), (EditKind.LABEL, "Shirt"), (EditKind.LABEL, "Bag")]
    new = [NewEdit(item, *kind) for item, kind in zip(ids, kinds, strict=False)]
    new += [NewEdit(ids[3], EditKind.CONFIRM), NewEdit(ids[4], EditKind.EXCLUDE)]
    LabelJournal(workspace).append(sample, new)
    LabelJournal(workspace).append(sample, [NewEdit(ids[4], EditKind.INCLUDE)])
    given, five, newest = (labels_at(workspace, sample, version) for version in (0, 5, 6))
    found = compare_versions(sample, given, five)
    assert (found.before, found.after) == (0, 5)
    assert found.pairs == [((None, "Coat", "Shirt"), 2), ((None, "Coat", "Bag"), 1)]
    assert found.changed.tolist() == coats[:3].tolist()
    assert (found.confirmed.tolist(), found.left_out.tolist()) == ([coats[3]], [coats[4]])
    assert compare_versions(sample, five, newest).taken_in.tolist() == [coats[4]]
    assert compare_versions(sample, newest, newest).pairs == []
    assert compare_versions(sample, five, given).pairs[0] == ((None, "Shirt", "Coat"), 2)


def test_unknown_is_an_answer_that_can_change(workspace: Workspace, sample: Dataset) -> None:
    labels = np.full((len(sample), 10), np.nan, np.float32)
    tags = replace(sample, name="tags", task=Task.MULTI_LABEL, labels=labels)
    item = str(tags.item_ids[4])
    LabelJournal(workspace).append(tags, [NewEdit(item, EditKind.LABEL, "yes", class_name="Bag")])
    found = compare_versions(tags, labels_at(workspace, tags, 0), labels_at(workspace, tags))
    assert found.pairs == [(("Bag", "unknown", "yes"), 1)]
    assert found.changed.tolist() == [4]


def test_a_version_is_found_by_number_and_name(workspace: Workspace, sample: Dataset) -> None:
    journal = LabelJournal(workspace)
    assert version_number(workspace, sample.name, "newest") == 0
    journal.append(sample, [NewEdit(str(sample.item_ids[0]), EditKind.EXCLUDE)])
    journal.name_version(sample.name, "first", 1, "ann")
    assert [version_number(workspace, sample.name, one) for one in ("0", "1", "first", "newest")] == [
        0,
        1,
        1,
        1,
    ]
    for wanted in ("2", "second", "-1"):
        with pytest.raises(NotFound, match=f"no label version '{wanted}'"):
            version_number(workspace, sample.name, wanted)
