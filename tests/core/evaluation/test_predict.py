"""A finished run on files: labels meet the run's classes by name, whatever the file is and orders them by."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.dataset import Dataset, Task
from core.data.writer import write_array_dataset
from core.errors import BadInput, ImportRejected
from core.evaluation.of_run import LabelSet, on_edited_labels, predictions_of, scored_on
from core.evaluation.predict import predict_source
from core.evaluation.prediction_table import prediction_rows, write_predictions
from core.models import ModelCard, create_model, save_model
from core.runs.store import Run, create_run
from core.workspace import Workspace
from tests.finished_runs import finished_run, small_recipe
from tests.tagged import tagged

N = 40


@pytest.fixture
def r1(workspace: Workspace, sample: Dataset) -> Run:
    return finished_run(workspace, sample, "r1")


class Some:
    """The first test images of the sample, the names of their classes, and how often the run is right."""

    def __init__(self, sample: Dataset, run: Run, only: tuple[str, ...] = ()) -> None:
        positions = sample.in_split("test")
        names = np.array([sample.classes[k] for k in sample.labels[positions].tolist()])
        rows = np.flatnonzero(np.isin(names, only) if only else np.ones(len(names), bool))[:N]
        self.names = names[rows].tolist()
        self.pixels = np.asarray(sample.images.pixels[positions[rows]])[..., 0]
        predictions = predictions_of(run).only("test").take(rows)
        self.accuracy = float((predictions.predicted == predictions.labels).mean())


def npz(folder: Path, some: Some, classes: list[str]) -> Path:
    labels = np.array([classes.index(name) for name in some.names])
    np.savez(folder / "x.npz", images=some.pixels, labels=labels, classes=np.array(classes))
    return folder / "x.npz"


def npz_of_names(folder: Path, some: Some, classes: list[str]) -> Path:
    np.savez(folder / "x.npz", images=some.pixels, labels=np.array(some.names))
    return folder / "x.npz"


def class_folders(folder: Path, some: Some, classes: list[str]) -> Path:
    for k, (name, pixels) in enumerate(zip(some.names, some.pixels, strict=True)):
        path = folder / "x" / name.replace("/", "\u2215") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder / "x"


def table(folder: Path, some: Some, classes: list[str]) -> Path:
    (folder / "x").mkdir()
    with (folder / "x" / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label"])
        for k, (name, pixels) in enumerate(zip(some.names, some.pixels, strict=True)):
            Image.fromarray(pixels).save(folder / "x" / f"{k}.png")
            writer.writerow([f"{k}.png", name])
    return folder / "x"


def pixel_csv(folder: Path, some: Some, classes: list[str]) -> Path:
    with (folder / "x.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *(f"pixel{k}" for k in range(784))])
        for name, pixels in zip(some.names, some.pixels, strict=True):
            writer.writerow([name, *pixels.ravel().tolist()])
    return folder / "x.csv"


def parquet(folder: Path, some: Some, classes: list[str]) -> Path:
    images = []
    for k, pixels in enumerate(some.pixels):
        Image.fromarray(pixels).save(folder / f"{k}.png")
        images.append({"bytes": (folder / f"{k}.png").read_bytes(), "path": None})
        (folder / f"{k}.png").unlink()
    features = {"image": {"_type": "Image"}, "label": {"names": classes, "_type": "ClassLabel"}}
    about = json.dumps({"info": {"features": features}})
    rows = pa.table({"image": images, "label": [classes.index(name) for name in some.names]})
    pq.write_table(rows.replace_schema_metadata({"huggingface": about}), folder / "x.parquet")
    return folder / "x.parquet"


WRITERS = (npz, npz_of_names, table, pixel_csv, parquet)


@pytest.mark.parametrize("write", WRITERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("only", [(), ("Trouser", "Bag", "Sandal")], ids=["all classes", "three classes"])
def test_classes_of_a_file_meet_those_of_the_run_by_name(
    workspace: Workspace,
    sample: Dataset,
    r1: Run,
    tmp_path: Path,
    write: Callable[[Path, Some, list[str]], Path],
    only: tuple[str, ...],
) -> None:
    some = Some(sample, r1, only)
    source = write(tmp_path, some, sorted(set(some.names)))
    predictions, note = predict_source(workspace, r1, str(source))
    assert (predictions.predicted == predictions.labels).mean() == some.accuracy
    assert sorted(sample.classes[k] for k in predictions.labels) == sorted(some.names)
    assert "matched by class name" in note  # by letters, the first of them is the run's last


def test_classes_of_folders_meet_those_of_the_run(
    workspace: Workspace, sample: Dataset, r1: Run, tmp_path: Path
) -> None:
    some = Some(sample, r1, ("Trouser", "Bag", "Sandal"))
    predictions, note = predict_source(workspace, r1, str(class_folders(tmp_path, some, [])))
    assert (predictions.predicted == predictions.labels).mean() == some.accuracy
    assert "matched by class name" in note  # Bag, Sandal, Trouser by letters; the run has Trouser first


def test_a_class_that_the_run_does_not_know_is_named_and_can_be_left_out(
    workspace: Workspace, sample: Dataset, r1: Run, tmp_path: Path
) -> None:
    some = Some(sample, r1)
    n_bags = some.names.count("Bag")
    named = ["Tote" if name == "Bag" else name for name in some.names]
    np.savez(tmp_path / "x.npz", images=some.pixels, labels=np.array(named))
    with pytest.raises(BadInput, match=rf"does not know: Tote \({n_bags}\).*--skip-bad leaves those images"):
        predict_source(workspace, r1, str(tmp_path / "x.npz"))
    predictions, note = predict_source(workspace, r1, str(tmp_path / "x.npz"), skip_bad=True)
    assert len(predictions) == N - n_bags
    assert f"{n_bags} bad rows were left out." in note
    np.savez(tmp_path / "y.npz", images=some.pixels, labels=np.array(["Tote"] * N))
    with pytest.raises(BadInput, match="no image of a class that run 'r1' knows"):
        predict_source(workspace, r1, str(tmp_path / "y.npz"), skip_bad=True)


def test_bad_rows_and_unknown_classes_are_told_together(
    workspace: Workspace, sample: Dataset, r1: Run, tmp_path: Path
) -> None:
    some = Some(sample, r1)
    source = table(tmp_path, some, [])
    with (source / "labels.csv").open("a") as file:
        file.write("nowhere.png,Bag\n")
    Image.fromarray(some.pixels[0]).save(source / "more.png")
    with (source / "labels.csv").open("a") as file:
        file.write("more.png,Tote\n")
    with pytest.raises(ImportRejected) as caught:
        predict_source(workspace, r1, str(source))
    assert "nowhere.png" in caught.value.problems[0].what
    assert "Tote (1)" in caught.value.problems[-1].what
    assert len(predict_source(workspace, r1, str(source), skip_bad=True)[0]) == N


def test_a_file_that_only_numbers_its_classes_means_places_in_the_runs_list(
    workspace: Workspace, sample: Dataset, r1: Run, tmp_path: Path
) -> None:
    some = Some(sample, r1, ("Trouser", "Bag"))
    labels = np.array([sample.classes.index(name) for name in some.names])
    np.savez(tmp_path / "x.npz", images=some.pixels, labels=labels)
    predictions, note = predict_source(workspace, r1, str(tmp_path / "x.npz"))
    assert predictions.labels.tolist() == labels.tolist()
    assert note == ""
    np.savez(tmp_path / "y.npz", images=some.pixels, labels=labels + 9)
    with pytest.raises(BadInput, match=r"does not know: 17 \(\d+\), 10 \(\d+\)"):
        predict_source(workspace, r1, str(tmp_path / "y.npz"))


def test_images_without_labels_get_predictions(
    workspace: Workspace, sample: Dataset, r1: Run, tmp_path: Path
) -> None:
    some = Some(sample, r1)
    np.savez(tmp_path / "x.npz", images=some.pixels)
    predictions, note = predict_source(workspace, r1, str(tmp_path / "x.npz"))
    assert (len(predictions), note) == (N, "There are no labels: predictions only.")
    rows = prediction_rows(predictions)
    assert rows[0]["label"] is None
    assert rows[0]["predicted"] == sample.classes[predictions.predicted[0]]
    write_predictions(tmp_path / "out.csv", predictions)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == [row["predicted"] for row in rows]
    with pytest.raises(BadInput, match=r"in \.csv or \.parquet"):
        write_predictions(tmp_path / "out.txt", predictions)


def test_photographs_of_several_sizes_are_scaled_to_the_runs_input(
    workspace: Workspace, sample: Dataset, r1: Run, tmp_path: Path
) -> None:
    some = Some(sample, r1)
    for k, (name, pixels) in enumerate(zip(some.names, some.pixels, strict=True)):
        path = tmp_path / "photos" / name.replace("/", "\u2215") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        side = 28 * (2 + k % 3)
        Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST).save(path)
    names = {one.name for one in (tmp_path / "photos").iterdir()}
    assert any("\u2215" in name for name in names) == ("T-shirt/top" in some.names)
    for folder in (tmp_path / "photos").iterdir():
        if "\u2215" in folder.name:  # a class of this name is none of the run
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
    predictions, note = predict_source(workspace, r1, str(tmp_path / "photos"))
    assert "scaled to 28 x 28" in note
    assert (predictions.predicted == predictions.labels).mean() > 0.5


@pytest.fixture
def tagger(workspace: Workspace, sample: Dataset) -> tuple[Dataset, Run]:
    """A data set of several labels, and a run on it: as it was made, untrained."""
    dataset = tagged(workspace, sample)
    run = create_run(workspace, dataset, small_recipe(), name="tagger")
    model = create_model("plain-cnn", 3, 1, width=4)
    card = ModelCard("plain-cnn", 4, dataset.classes, 1, 28, 28, (73.0,), (90.0,), task="multi-label")
    save_model(run.model_file, model, card)
    return dataset, run


def test_several_labels_of_a_file_meet_those_of_the_run_by_name(
    workspace: Workspace, tagger: tuple[Dataset, Run], tmp_path: Path
) -> None:
    dataset, run = tagger
    order = [2, 0, 1]
    np.savez(
        tmp_path / "x.npz",
        images=np.asarray(dataset.images.pixels)[..., 0],
        labels=dataset.labels[:, order],
        classes=np.array(dataset.classes)[order],
    )
    predictions, note = predict_source(workspace, run, str(tmp_path / "x.npz"))
    np.testing.assert_array_equal(predictions.labels, dataset.labels)
    assert "another order" in note
    np.savez(tmp_path / "y.npz", images=dataset.images.pixels[..., 0], labels=np.arange(len(dataset)) % 3)
    with pytest.raises(BadInput, match=r"one label per image; run 'tagger' has several"):
        predict_source(workspace, run, str(tmp_path / "y.npz"))
    classes = np.array(["footwear", "hats", "whole body"])
    np.savez(tmp_path / "z.npz", images=dataset.images.pixels[..., 0], labels=dataset.labels, classes=classes)
    with pytest.raises(BadInput, match=r"does not know: hats.*--skip-bad leaves those labels out"):
        predict_source(workspace, run, str(tmp_path / "z.npz"))
    predictions, _ = predict_source(workspace, run, str(tmp_path / "z.npz"), skip_bad=True)
    assert np.isnan(predictions.labels[:, 1]).all()
    rows = prediction_rows(predictions, np.array([0.0, 1.1, 0.0]))
    assert rows[0]["predicted"] == ["footwear", "whole body"]
    write_predictions(tmp_path / "out.csv", predictions, np.array([0.0, 1.1, 0.0]))
    assert "footwear|whole body" in (tmp_path / "out.csv").read_text()


def test_labels_of_a_data_set_imported_anew_meet_a_runs_classes_by_name(
    workspace: Workspace, sample: Dataset, r1: Run
) -> None:
    classes = tuple(reversed(sample.classes))
    labels = len(classes) - 1 - np.asarray(sample.labels)
    again = replace(sample, classes=classes, labels=labels)
    predictions = predictions_of(r1)
    np.testing.assert_array_equal(
        scored_on(predictions, again, LabelSet("given", 0, labels)).labels, predictions.labels
    )
    fewer = write_array_dataset(
        workspace,
        "fewer",
        title="",
        task=Task.SINGLE_LABEL,
        classes=("Tote", "Bag"),
        item_ids=np.asarray(sample.item_ids[:2]),
        split=np.zeros(2, np.int8),
        labels=np.array([0, 1]),
        images=np.asarray(sample.images.pixels[:2]),
    )
    both = replace(predictions.take(np.arange(2)), item_ids=np.asarray(sample.item_ids[:2]))
    scored = scored_on(both, fewer, LabelSet("given", 0, np.array([0, 1])))
    assert scored.labels.tolist() == [-1, sample.classes.index("Bag")]
    assert on_edited_labels(workspace, fewer, both) == {}
