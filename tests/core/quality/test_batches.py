from __future__ import annotations

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.errors import BadInput
from core.labels.journal import EditKind, LabelJournal
from core.labels.versions import labels_at
from core.quality.batches import Decision, groups_of, settle
from core.workspace import Workspace
from tests.core.quality.planted import similar


def batches(queue: list[int], *groups: list[int]) -> list[list[int]]:
    found = groups_of(np.array(queue, np.int64), similar(*groups))
    assert found.positions[np.argsort(found.rows)].tolist() == queue, "rows lead back to the queue"
    return [found[index].tolist() for index in range(len(found))]


def test_near_identical_items_stand_where_the_first_stood() -> None:
    assert batches([9, 4, 7, 2, 5], [5, 4], [1, 2, 9]) == [[9, 2], [4, 5], [7]]


def test_nothing_is_added_that_the_queue_does_not_hold() -> None:
    assert batches([3, 8], [3, 100], [8, 7]) == [[3], [8]]


def test_queues_of_nothing_and_sets_without_groups() -> None:
    assert batches([], [1, 2]) == []
    assert batches([2, 1]) == [[2], [1]]


def test_the_batch_of_an_item_can_be_asked_for() -> None:
    found = groups_of([9, 4, 7, 2, 5], similar([5, 4], [1, 2, 9]))
    assert found.of(5).tolist() == [4, 5]
    assert found.of(7).tolist() == [7]
    assert found.sizes.tolist() == [2, 2, 1]
    with pytest.raises(BadInput, match="number 1 "):
        found.of(1)


def test_one_decision_settles_a_batch_in_one_transaction(workspace: Workspace, sample: Dataset) -> None:
    batch = [5, 8, 13]
    new = sample.classes[(int(sample.labels[5]) + 1) % 10]
    decision = Decision(EditKind.LABEL, new, who="Ada", why="one item", evidence={"run": "r"})
    made = LabelJournal(workspace).append(sample, settle(sample, batch, decision))
    assert [edit.number for edit in made] == [1, 2, 3]
    state = labels_at(workspace, sample)
    assert {sample.classes[state.labels[k]] for k in batch} == {new}
    ids = [str(sample.item_ids[k]) for k in batch]
    assert [edit.evidence for edit in made] == [{"run": "r", "settled_with": ids}] * 3
    assert {edit.who for edit in made} == {"Ada"}


def test_a_batch_of_one_is_an_ordinary_edit(sample: Dataset) -> None:
    (edit,) = settle(sample, [5], Decision(EditKind.EXCLUDE))
    assert (edit.kind, edit.evidence) == (EditKind.EXCLUDE, {})
