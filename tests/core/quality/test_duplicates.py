from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset, Task
from core.data.importer import ImportOptions, import_source
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import labels_at
from core.quality.duplicates import (
    Duplicates,
    duplicates,
    exclusions,
    is_known,
    similar_images,
    to_leave_out,
)
from core.workspace import Workspace
from tests.core.data.photographs import photographs
from tests.core.quality.planted import filtered, original, with_images


def found(workspace: Workspace, dataset: Dataset) -> Duplicates:
    return duplicates(dataset, similar_images(workspace, dataset), labels_at(workspace, dataset))


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return Image.open(buffer)


def noisy(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image) + np.random.default_rng(0).normal(0, 4, (28, 28))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


CHANGES = {
    "recompressed": recompressed,
    "noise": noisy,
    "duller": lambda image: image.point(lambda value: int(value * 0.7)),
    "brighter": lambda image: image.point(lambda value: int(255 * (value / 255) ** 0.8)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(workspace: Workspace, sample: Dataset, change: str) -> None:
    sources = [3 * k for k in range(100, 140)]
    planted = [
        (filtered(original(sample, k), CHANGES[change]), int(sample.labels[k]), "train") for k in sources
    ]
    dataset, places = with_images(workspace, sample, planted)
    groups = {frozenset(group.positions) for group in found(workspace, dataset).groups}
    together = [
        any({k // 3, place} <= group for group in groups) for k, place in zip(sources, places, strict=True)
    ]
    assert sum(together) >= 36, "nine in ten"
    assert max(len(group) for group in groups) < 6, "copies do not chain"


def test_few_images_that_merely_look_alike_are_grouped(workspace: Workspace, sample: Dataset) -> None:
    groups = found(workspace, sample).groups
    assert 0 < sum(len(group) for group in groups) < 100, "of 6,000, of which many are plain trousers"
    assert not [group for group in groups if group.exact]
    assert all(group.distance < 0.4 for group in groups)


def test_copies_across_splits_and_under_other_labels_come_first(
    workspace: Workspace, sample: Dataset
) -> None:
    a, b, c = (original(sample, 3 * k) for k in (10, 20, 30))
    label_of = [int(sample.labels[3 * k]) for k in (10, 20, 30)]
    splits = [["train", "val", "test"][sample.split[3 * k]] for k in (10, 20, 30)]
    planted = [
        (a, label_of[0], splits[0]),
        (b, label_of[1], "test" if splits[1] == "train" else "train"),
        (c, (label_of[2] + 1) % 10, splits[2]),
    ]
    dataset, places = with_images(workspace, sample, planted)
    exact = found(workspace, dataset).exact
    assert [set(group.positions) for group in exact] == [
        {30, places[2]},
        {20, places[1]},
        {10, places[0]},
    ]
    assert [group.conflict for group in exact] == [True, False, False]
    assert [group.leak for group in exact] == [False, True, False]
    assert {group.distance for group in exact} == {0.0}


def test_copies_of_a_copy_are_in_the_group_of_the_near_one(workspace: Workspace, sample: Dataset) -> None:
    a = original(sample, 300)
    near = filtered(a, recompressed)
    dataset, places = with_images(
        workspace, sample, [(a, 0, "train"), (near, 0, "train"), (near, 0, "train")]
    )
    group = next(one for one in found(workspace, dataset).groups if places[0] in one.positions)
    assert set(group.positions) >= {100, *places}
    assert not group.exact


def test_many_copies_are_one_group(workspace: Workspace, sample: Dataset) -> None:
    planted = [(original(sample, 30), 0, "train")] * 300 + [(np.full((28, 28), 7, np.uint8), 1, "train")] * 50
    dataset, _ = with_images(workspace, sample, planted)
    sizes = sorted(len(group) for group in found(workspace, dataset).exact)
    assert sizes == [50, 301], "blank ones are copies of each other too"


def test_the_groups_are_kept_and_follow_the_labels(workspace: Workspace, sample: Dataset) -> None:
    assert not is_known(workspace, sample)
    shares: list[float] = []
    similar = similar_images(workspace, sample, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert is_known(workspace, sample)
    again = similar_images(workspace, sample, shares.append)
    assert shares[-1] == 1
    assert np.array_equal(again.members, similar.members)

    before = duplicates(sample, similar, labels_at(workspace, sample))
    group = before.leaks[0]
    gone = group.positions[1]
    LabelJournal(workspace).append(sample, [NewEdit(str(sample.item_ids[gone]), EditKind.EXCLUDE)])
    after = duplicates(sample, similar, labels_at(workspace, sample))
    assert gone not in {position for one in after.groups for position in one.positions}
    assert len(after.groups) == len(before.groups) - (len(group) == 2)


def test_images_in_files_are_compared_at_one_size(workspace: Workspace, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(40):
        (tmp_path / "set" / f"{k % 2}").mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 255, (5, 5, 3), np.uint8))
        picture = coarse.resize((80 + k, 60), Image.Resampling.BICUBIC)
        picture.save(tmp_path / "set" / f"{k % 2}" / f"{k:02d}.png")
        if k == 7:
            smaller = picture.resize((60, 45), Image.Resampling.BICUBIC)
            smaller.save(tmp_path / "set" / "0" / "copy.jpg", quality=80)
    dataset = import_source(workspace, tmp_path / "set", "coloured", ImportOptions()).dataset
    groups = found(workspace, dataset).groups
    assert len(groups) == 1
    names = {str(dataset.item_ids[k]).rsplit("/", 1)[-1] for k in groups[0].positions}
    assert names == {"07.png", "copy.jpg"}
    assert groups[0].conflict, "it lies in the other class's folder"


def test_damaged_files_and_tiny_sets_are_no_trouble(workspace: Workspace, tmp_path: Path) -> None:
    dataset = photographs(tmp_path)
    groups = found(workspace, dataset).groups
    assert all(5 not in group.positions for group in groups), "5 cannot be decoded"


def test_one_of_each_group_and_every_test_image_stay(workspace: Workspace, sample: Dataset) -> None:
    a = original(sample, 30)
    label = int(sample.labels[30])
    copies = [(a, label, "test"), (a, label, "train"), (a, label, "test")]
    dataset, places = with_images(workspace, sample, copies)
    everything = found(workspace, dataset)
    group = everything.exact[0]
    left = to_leave_out(dataset, everything.groups)
    stays = [one for one in group.positions if one not in left]
    assert set(stays) == {one for one in group.positions if dataset.split[one] == 2}
    assert places[1] in left
    assert not (dataset.split[left] == 2).any()
    clear = [one for one in everything.groups if not one.conflict]
    assert all(set(one.positions) - set(left.tolist()) for one in clear)
    reasons = exclusions(dataset, everything.groups, left)
    assert sorted(reasons) == left.tolist()
    assert reasons[places[1]] in {f"the same pixels as {dataset.item_ids[one]}" for one in stays}


def test_contradicting_groups_are_left_to_people(workspace: Workspace, sample: Dataset) -> None:
    dataset, places = with_images(
        workspace, sample, [(original(sample, 30), (int(sample.labels[30]) + 1) % 10, "train")]
    )
    assert places[0] not in to_leave_out(dataset, found(workspace, dataset).groups)


def test_unknown_labels_of_several_contradict_nothing(workspace: Workspace, tmp_path: Path) -> None:
    dataset = photographs(tmp_path)
    assert dataset.task is Task.MULTI_LABEL
    hashes = np.array(dataset.content_hashes)
    hashes[1] = hashes[0]
    copied = replace(dataset, content_hashes=hashes, fingerprint="1" * 32)
    exact = [group for group in found(workspace, copied).groups if {0, 1} <= set(group.positions)]
    assert len(exact) == 1
    assert not exact[0].conflict


REAL = os.environ.get("TIDYSET_REAL_DATA")


@pytest.mark.skipif(REAL is None, reason="needs the real sets: name their folder in TIDYSET_REAL_DATA")
def test_known_repetitions_of_real_photographs(workspace: Workspace) -> None:
    assert REAL is not None
    source = Path(REAL) / "aimonk_multilabel" / "aimonk_972_short192_q80.zip"
    dataset = import_source(workspace, source, "shop", ImportOptions(skip_bad=True)).dataset
    groups = found(workspace, dataset)
    assert len(groups.exact) == 7
    assert 15 <= len(groups.near) <= 25
    assert len(groups.conflicts) > 5
