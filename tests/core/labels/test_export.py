"""Corrected labels in the formats of other tools: written whole, and read back by those tools."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.dataset import Dataset, Task
from core.data.importer import ImportOptions, import_source
from core.errors import BadInput, NameTaken, StorageFailed
from core.labels.export import Format, export_labels
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.versions import LabelState, labels_at
from core.workspace import Workspace


@pytest.fixture
def small(sample: Dataset) -> Dataset:
    """Sixty of the sample's images, of all splits that it has."""
    chosen = np.concatenate([sample.in_split(split)[:30] for split in sample.splits])
    return replace(
        sample,
        name="small",
        item_ids=sample.item_ids[chosen],
        split=sample.split[chosen],
        labels=np.array(sample.labels[chosen]),
        images=type(sample.images)(sample.images.pixels[chosen]),  # type: ignore[attr-defined, call-arg]
        content_hashes=sample.content_hashes[chosen],
    )


@pytest.fixture
def state(workspace: Workspace, small: Dataset) -> LabelState:
    """Item 0 relabelled, 1 confirmed, 2 left out."""
    new = small.classes[(int(small.labels[0]) + 1) % 10]
    ids = small.item_ids[:3].tolist()
    edits = [
        NewEdit(ids[0], EditKind.LABEL, new),
        NewEdit(ids[1], EditKind.CONFIRM),
        NewEdit(ids[2], EditKind.EXCLUDE),
    ]
    LabelJournal(workspace).append(small, edits)
    return labels_at(workspace, small)


@pytest.fixture
def tags(small: Dataset) -> tuple[Dataset, LabelState]:
    """The same images with several labels each, one of them unknown."""
    answers = np.zeros((len(small), 10), np.float32)
    answers[np.arange(len(small)), np.asarray(small.labels)] = 1
    answers[:, 3] = np.nan
    answers[:, 4] = 1
    none = np.zeros(len(small), bool)
    state = LabelState(answers, none, none, none, 0, classes=small.classes)
    return replace(small, task=Task.MULTI_LABEL, labels=answers), state


def kept(dataset: Dataset) -> list[str]:
    return [str(item_id) for k, item_id in enumerate(dataset.item_ids) if k != 2]


def names(dataset: Dataset, state: LabelState) -> list[str]:
    return [dataset.classes[label] for k, label in enumerate(state.labels.tolist()) if k != 2]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_tables_list_every_item(small: Dataset, state: LabelState, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"labels.{ending}"
    assert export_labels(small, state, path, Format.TABLE) == len(small)
    if ending == "csv":
        rows = list(csv.DictReader(path.open(newline="")))
    elif ending == "parquet":
        rows = pq.read_table(path).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["item_id"] for row in rows] == small.item_ids.tolist()
    assert [row["state"] for row in rows[:4]] == ["edited", "confirmed", "excluded", "given"]
    assert rows[0]["given"] != rows[0]["current"] == small.classes[state.labels[0]]


def test_tables_of_several_labels(tags: tuple[Dataset, LabelState], tmp_path: Path) -> None:
    dataset, state = tags
    export_labels(dataset, state, tmp_path / "tags.parquet")
    first = pq.read_table(tmp_path / "tags.parquet").to_pylist()[0]
    assert first[f"label {dataset.classes[3]}"] is None
    assert first[f"label {dataset.classes[4]}"] == 1
    export_labels(dataset, state, tmp_path / "tags.csv")
    (row, *_) = csv.DictReader((tmp_path / "tags.csv").open(newline=""))
    assert (row[f"label {dataset.classes[3]}"], row[f"label {dataset.classes[4]}"]) == ("", "1")


def test_arrays_and_their_import(
    workspace: Workspace, small: Dataset, state: LabelState, tmp_path: Path
) -> None:
    path = tmp_path / "small.npz"
    assert export_labels(small, state, path) == 59
    with np.load(path) as found:
        assert found["images"].shape == (59, 28, 28, 1)
        assert np.array_equal(found["images"][2], small.images.read(3))
        assert found["item_ids"].tolist() == kept(small)
        assert found["labels"][0] != found["given"][0]
        assert set(found["split"]) == set(small.splits)
    again = import_source(workspace, path, "again", ImportOptions()).dataset
    assert again.classes == small.classes
    assert [again.classes[k] for k in again.labels] == names(small, state)
    assert again.item_ids.tolist() == kept(small)


def test_arrays_keep_what_is_unknown(tags: tuple[Dataset, LabelState], tmp_path: Path) -> None:
    dataset, state = tags
    export_labels(dataset, state, tmp_path / "tags.npz")
    with np.load(tmp_path / "tags.npz") as found:
        assert np.array_equal(found["labels"], state.labels, equal_nan=True)


def test_a_folder_per_class_and_its_import(
    workspace: Workspace, small: Dataset, state: LabelState, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "small"
    assert export_labels(small, state, path, Format.FOLDERS) == 59
    rows = list(csv.DictReader((path / "labels.csv").open(newline="")))
    assert [row["item_id"] for row in rows] == kept(small)
    assert [row["label"] for row in rows] == names(small, state)
    assert np.array_equal(np.asarray(Image.open(path / rows[0]["file"])), small.images.read(0)[:, :, 0])
    assert (path / "train" / "T-shirt_top").is_dir()
    again = import_source(workspace, path, "again", ImportOptions()).dataset
    assert len(again) == 59
    assert {again.classes[k].replace("_", "/") for k in again.labels} == set(names(small, state))
    assert [entry.name for entry in path.parent.iterdir()] == ["small"]


def test_image_files_are_copied_as_they_are(workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    for name, side in (("cat", 80), ("a dog", 90), ("con:dog", 100)):
        (source / name).mkdir(parents=True)
        Image.new("RGB", (side, side), "teal").save(source / name / "one.jpg", quality=31)
    dataset = import_source(workspace, source, "photos", ImportOptions()).dataset
    path = tmp_path / "out"
    export_labels(dataset, labels_at(workspace, dataset), path, Format.FOLDERS)
    rows = list(csv.DictReader((path / "labels.csv").open(newline="")))
    assert len({row["file"] for row in rows}) == 3
    for row in rows:
        assert (path / row["file"]).read_bytes() == (source / row["item_id"]).read_bytes()
    with pytest.raises(BadInput, match="differ in size"):
        export_labels(dataset, labels_at(workspace, dataset), tmp_path / "x.npz")
    export_labels(dataset, labels_at(workspace, dataset), tmp_path / "ls.json")
    assert "local-files/?d=images/" in (tmp_path / "ls.json").read_text()


def test_a_hugging_face_folder_and_its_import(
    workspace: Workspace, small: Dataset, state: LabelState, tmp_path: Path
) -> None:
    path = tmp_path / "small"
    assert export_labels(small, state, path, Format.HUGGING_FACE) == 59
    loaded = datasets.load_from_disk(str(path))
    assert set(loaded) == {{"val": "validation"}.get(split, split) for split in small.splits}
    train = loaded["train"]
    assert train.features["label"].names == list(small.classes)
    assert np.array_equal(np.asarray(train[0]["image"]), small.images.read(0)[:, :, 0])
    ids = [row for part in loaded.values() for row in part["item_id"]]
    assert ids == kept(small)
    again = import_source(workspace, path, "again", ImportOptions()).dataset
    assert sorted(again.classes[k] for k in again.labels) == sorted(names(small, state))
    assert not (path / "scratch").exists()


def test_a_hugging_face_folder_of_several_labels(tags: tuple[Dataset, LabelState], tmp_path: Path) -> None:
    dataset, state = tags
    export_labels(dataset, state, tmp_path / "tags", Format.HUGGING_FACE)
    row = datasets.load_from_disk(str(tmp_path / "tags"))["train"][0]
    assert row["labels"] == np.flatnonzero(state.labels[0] == 1).tolist()
    assert row["unknown"] == [3]


def test_label_studio_tasks(small: Dataset, state: LabelState, tmp_path: Path) -> None:
    export_labels(small, state, tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"]["item_id"] for task in tasks] == kept(small)
    assert tasks[0]["data"]["image"].startswith("data:image/png;base64,")
    (annotation,) = tasks[0]["annotations"]
    (result,) = annotation["result"]
    assert (result["type"], result["value"]) == ("choices", {"choices": [small.classes[state.labels[0]]]})
    assert len(tasks[1]["annotations"]) == 1
    assert tasks[2]["annotations"] == []
    assert tasks[2]["predictions"][0]["result"][0]["value"]["choices"] == [small.classes[small.labels[3]]]


def test_what_cannot_be_written_is_refused(
    small: Dataset, state: LabelState, tags: tuple[Dataset, LabelState], tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(NameTaken, match="already"):
        export_labels(small, state, tmp_path / "there", Format.FOLDERS)
    with pytest.raises(BadInput, match="several labels"):
        export_labels(*tags, tmp_path / "tags", Format.FOLDERS)
    with pytest.raises(BadInput, match="in which format"):
        export_labels(small, state, tmp_path / "labels.txt")
    with pytest.raises(BadInput, match="what table"):
        export_labels(small, state, tmp_path / "labels", Format.TABLE)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed):
        export_labels(small, state, tmp_path / "file" / "below", Format.FOLDERS)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "there", "workspace"]


def test_nothing_is_left_of_a_folder_that_cannot_be_finished(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for n, side in enumerate((80, 90)):
        Image.new("RGB", (side, side), "teal").save(tmp_path / "photos" / "cat" / f"{n}.png")
    dataset = import_source(workspace, tmp_path / "photos", "photos", ImportOptions()).dataset
    next(dataset.folder.glob("images/**/*.png")).unlink()
    state = labels_at(workspace, dataset)
    for chosen in (Format.FOLDERS, Format.HUGGING_FACE):
        with pytest.raises(StorageFailed, match="No such file"):
            export_labels(dataset, state, tmp_path / "out", chosen)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["photos", "workspace"]


def test_a_data_set_of_which_all_is_left_out(small: Dataset, state: LabelState, tmp_path: Path) -> None:
    nothing = replace(state, excluded=np.ones(len(small), bool))
    with pytest.raises(BadInput, match="Every image is left out"):
        export_labels(small, nothing, tmp_path / "x.npz")
    assert export_labels(small, nothing, tmp_path / "x.csv") == len(small)
