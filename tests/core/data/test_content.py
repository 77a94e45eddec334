from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from core.data.content import content_hashes, positions_of_content
from core.data.dataset import Dataset
from core.data.writer import content_hash
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.workspace import Workspace
from tests.core.data.photographs import photographs


def test_a_hash_is_that_of_the_pixels(sample: Dataset) -> None:
    hashes = content_hashes(sample)
    assert hashes.shape == (6000,)
    assert hashes.dtype == np.dtype("<U32")
    assert hashes[17] == content_hash(sample.images.read(17)).hex()


def test_images_in_files_have_the_hash_of_their_decoded_pixels(tmp_path: Path) -> None:
    dataset = photographs(tmp_path)
    assert content_hashes(dataset, [2]).tolist() == [content_hash(dataset.images.read(2)).hex()]


def test_chosen_items_come_in_their_order(sample: Dataset) -> None:
    assert (content_hashes(sample, [5, 3]) == content_hashes(sample)[[5, 3]]).all()
    assert len(content_hashes(sample, [])) == 0


def test_the_journal_notes_the_same_hash(workspace: Workspace, sample: Dataset) -> None:
    item_id = str(sample.item_ids[40])
    journal = LabelJournal(workspace)
    journal.append(sample, [NewEdit(item_id, EditKind.CONFIRM)])
    noted = journal.changes(sample.name, 1)[0][3]
    assert noted == content_hashes(sample, [40])[0]


def test_items_are_found_by_content_after_renaming_and_reordering(sample: Dataset) -> None:
    order = np.random.default_rng(0).permutation(len(sample))
    moved = replace(
        sample,
        item_ids=np.array([f"new-{i}" for i in range(len(sample))]),
        content_hashes=np.asarray(sample.content_hashes)[order],
    )
    found = positions_of_content(moved, content_hashes(sample, [7, 8]).tolist())
    assert [order[one].tolist() for one in found] == [[7], [8]]


def test_equal_images_are_all_found_and_unknown_content_is_not(sample: Dataset) -> None:
    hashes = np.array(sample.content_hashes)
    hashes[100] = hashes[50]
    copied = replace(sample, content_hashes=hashes)
    found = positions_of_content(copied, [content_hashes(sample, [50])[0], "0" * 32])
    assert [one.tolist() for one in found] == [[50, 100], []]
