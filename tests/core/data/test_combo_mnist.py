"""combo-mnist, composed of real handwriting; and hiding labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.cli import app
from core.data import combo_mnist, handwriting
from core.data.catalog import open_dataset
from core.data.dataset import Dataset, is_labelled
from core.data.hiding import hidden_truth, hide_labels
from core.errors import BadInput, NotFound
from core.runs.store import create_run
from core.worker import work
from core.workspace import Workspace

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "handwriting62"
STEPS = "blur 1.5 | threshold 0 | dilate 2 | extract 2 20"
needs_handwriting = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/handwriting62")


@needs_handwriting
def test_one_digit_and_one_letter_and_half_without_labels(workspace: Workspace) -> None:
    arguments = ["data", "import", "combo-mnist", "--set", "n=200", "--set", f"source={SHARED}", "--json"]
    about = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert about["splits"] == {"train": 200, "test": 50}
    assert 0.3 < about["unknown_share"] < 0.5
    dataset = open_dataset(workspace, "combo-mnist")
    truth = np.asarray(hidden_truth(dataset))
    assert (truth[:, :10].sum(axis=1) == 1).all()
    assert (truth[:, 10:].sum(axis=1) == 1).all()
    known = is_labelled(np.asarray(dataset.labels))
    assert known[200:].all()
    np.testing.assert_array_equal(np.asarray(dataset.labels)[known], truth[known])
    assert str(SHARED) not in json.dumps(dataset.info)
    boxes = combo_mnist.character_boxes(dataset)
    assert boxes is not None
    assert (boxes[:, :, 2:] > boxes[:, :, :2]).all()
    arguments = ["data", "clean", "combo-mnist", "--steps", STEPS, "--json"]
    cleaned = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert 0.1 < cleaned["right_share"] <= cleaned["separated_share"] + 0.2


@needs_handwriting
def test_equal_seeds_compose_equal_images(workspace: Workspace) -> None:
    options = combo_mnist.make_options({"n": 40, "source": str(SHARED)})
    one, two = (combo_mnist.materialise(workspace, options, name) for name in ("one", "two"))
    other = combo_mnist.materialise(workspace, options.model_copy(update={"seed": 1}), "other")
    assert one.fingerprint == two.fingerprint != other.fingerprint


@needs_handwriting
def test_no_source_image_is_in_train_and_test(workspace: Workspace) -> None:
    characters = handwriting.load_characters(workspace, str(SHARED), "upper")
    assert len(np.unique(characters.images, axis=0)) == len(characters.labels)  # the file has copies
    in_test = combo_mnist.held_out(characters.labels, 0.2, np.random.default_rng(0))
    assert set(np.bincount(characters.labels[in_test])) <= {18, 19, 20}
    train = {image.tobytes() for image in characters.images[~in_test]}
    assert not train & {image.tobytes() for image in characters.images[in_test]}


@needs_handwriting
def test_the_import_dialogs_job_composes_too(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(handwriting.VARIABLE, str(SHARED))
    job = {"source": combo_mnist.NAME, "name": "mine", "settings": {"n": 40, "noise": 0.1}}
    run = create_run(workspace, None, None, name="import-1", kind="import", job=job)
    assert work(run.folder) == 0
    dataset = open_dataset(workspace, "mine")
    assert len(dataset) == 50
    assert dataset.info["noise"] == "0.1"


def test_boxes_overlap_no_more_than_asked() -> None:
    rng = np.random.default_rng(0)
    sides = rng.uniform(20, 30, (500, 2))
    centres = combo_mnist.place(sides, 0.1, rng)
    low, high = centres - sides[:, :, None] / 2, centres + sides[:, :, None] / 2
    assert low.min() >= -1e-9
    assert high.max() <= combo_mnist.CANVAS + 1e-9
    shared = np.clip(high.min(axis=1) - low.max(axis=1), 0, None).prod(axis=1)
    assert (shared / sides.min(axis=1) ** 2 <= 0.1 + 1e-9).all()


def test_wrong_settings_are_named(workspace: Workspace) -> None:
    with pytest.raises(BadInput, match="noise = 'loud'"):
        combo_mnist.make_options({"noise": "loud"})
    with pytest.raises(BadInput, match=r"scale_min = 1\.5 is above"):
        combo_mnist.make_options({"scale_min": "1.5"})
    with pytest.raises(NotFound, match="TIDYSET_HANDWRITING"):
        handwriting.load_characters(workspace, "/nowhere")


def test_hiding_keeps_so_many_labels_of_each_class(workspace: Workspace, sample: Dataset) -> None:
    few = hide_labels(workspace, sample, "few", keep=40, seed=1)
    labels, train = np.asarray(few.labels), few.in_split("train")
    assert np.bincount(labels[train][labels[train] >= 0]).tolist() == [4] * 10
    np.testing.assert_array_equal(labels[few.in_split("test")], sample.labels[sample.in_split("test")])
    np.testing.assert_array_equal(hidden_truth(few), sample.labels)
    assert few.info["hidden_seed"] == "1"
    assert hidden_truth(sample) is None
    again = hide_labels(workspace, sample, "again", keep=40, seed=1)
    assert again.fingerprint == few.fingerprint
    with pytest.raises(BadInput, match="would stay"):
        hide_labels(workspace, sample, "all", keep=5_000)
