import numpy as np
import pytest

from core.data.dataset import Dataset
from core.data.labels import Labels
from core.errors import BadInput
from core.quality.mismatch import (
    against_labels,
    against_pictures,
    as_rows,
    create_mismatch,
    load_mismatches,
    shortened,
)
from core.runs.recipe import Recipe
from core.worker import work
from core.workspace import Workspace
from tests.tagged import tagged


def test_a_flipped_label_is_on_top() -> None:
    captions = ["a dog runs in the park", "a cat sleeps on the sofa", ""] * 40
    labels = np.array([[1, 0], [0, 1], [1, 1]] * 40, np.float32)
    labels[30] = [0, 0]  # a dog that is none
    labels[0, 1] = np.nan
    found = against_labels(captions, Labels.of(labels, ("dog", "cat")))
    assert found.positions[0] == 30
    assert found.label[0] == 0
    assert found.said[0] > 0.8
    assert len(found) == 80  # a caption without a word says nothing
    assert found.reason(("dog", "cat"), 0).startswith("lacks dog, the caption makes it")


def test_one_class_an_image_works_too() -> None:
    labels = np.array([0, 1] * 40)
    labels[7] = 0
    found = against_labels(["red ball here", "blue cube there"] * 40, Labels.of(labels, ("ball", "cube")))
    assert found.positions[0] == 7


def test_the_caption_least_like_its_picture_is_first() -> None:
    pictures, texts = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    texts[1] = [1, 0, 0]
    found = against_pictures(np.array([5, 6, 7]), pictures, texts)
    assert found.positions.tolist() == [6, 5, 7]
    assert len(shortened("word " * 50).split()) == 16


def test_the_job_lists_what_a_person_should_see(workspace: Workspace, sample: Dataset) -> None:
    clothes = tagged(workspace, sample, 300, captions=True)
    run = create_mismatch(workspace, clothes, Recipe(), by="labels")
    assert work(run.folder) == 0
    found = load_mismatches(run)
    rows = as_rows(clothes, found, 5)
    assert len(rows) == 5
    assert rows[0]["score"] >= rows[-1]["score"]
    with pytest.raises(BadInput, match="no captions"):
        create_mismatch(workspace, sample, Recipe(), by="labels")
    with pytest.raises(BadInput, match="CLIP model"):
        create_mismatch(workspace, clothes, Recipe(), by="picture")
