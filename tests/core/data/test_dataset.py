"""Opening a data set: what it says of itself, and what a damaged one says."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.catalog import list_datasets, open_dataset
from core.data.dataset import Dataset, load_dataset
from core.errors import BadInput, DamagedFile, NotFound
from core.files import read_json, write_array, write_json
from core.workspace import Workspace


def test_the_sample_is_stratified(sample: Dataset) -> None:
    assert len(sample) == 6_000
    assert sample.splits == ("train", "test")
    for split, per_class in (("train", 500), ("test", 100)):
        labels = sample.labels[sample.in_split(split)]
        np.testing.assert_array_equal(np.bincount(labels), [per_class] * 10)
    assert sample.images.uniform == (28, 28, 1)


def test_opening_again_gives_the_same_data(workspace: Workspace, sample: Dataset) -> None:
    again = open_dataset(workspace, sample.name)
    assert again.fingerprint == sample.fingerprint
    np.testing.assert_array_equal(again.images.read(17), sample.images.read(17))


def test_items_are_found_by_id(sample: Dataset) -> None:
    wanted = [str(sample.item_ids[i]) for i in (5_999, 0, 42)]
    np.testing.assert_array_equal(sample.positions(wanted), [5_999, 0, 42])
    with pytest.raises(NotFound, match="no-such-item"):
        sample.positions([wanted[0], "no-such-item"])


def test_an_unknown_split_is_refused(sample: Dataset) -> None:
    with pytest.raises(BadInput, match="validation"):
        sample.in_split("validation")


def test_a_missing_data_set_says_how_to_get_one(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="tidyset data import"):
        open_dataset(workspace, "nothing-here")


@pytest.mark.parametrize("name", ["labels", "item_ids", "split", "content_hashes", "sizes", "images"])
def test_a_truncated_file_is_named(workspace: Workspace, sample: Dataset, name: str) -> None:
    path = sample.folder / f"{name}.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedFile, match=name):
        load_dataset(sample.folder)


def test_a_wrong_count_is_named(sample: Dataset) -> None:
    write_array(sample.folder / "labels.npy", sample.labels[:10].copy())
    with pytest.raises(DamagedFile, match=r"labels.*10 rows.*6000"):
        load_dataset(sample.folder)


def test_a_later_format_is_refused(sample: Dataset) -> None:
    manifest = sample.folder / "dataset.json"
    write_json(manifest, {**read_json(manifest), "format": 99})
    with pytest.raises(DamagedFile, match="99"):
        load_dataset(sample.folder)


def test_a_damaged_data_set_does_not_hide_the_others(workspace: Workspace, sample: Dataset) -> None:
    broken = workspace.datasets / "broken"
    broken.mkdir()
    (broken / "dataset.json").write_text("{")
    states = {entry.name: entry.state for entry in list_datasets(workspace)}
    assert states["broken"] == "damaged"
    assert states[sample.name] == "ready"


def test_images_are_scaled_and_coloured_on_request(sample: Dataset) -> None:
    batch = sample.images.resized(np.array([3, 1]), 14, 10, 3)
    assert batch.shape == (2, 14, 10, 3)
    assert batch.dtype == np.uint8
    same = sample.images.resized(np.array([3]), 28, 28, 1)
    np.testing.assert_array_equal(same[0], sample.images.read(3))
