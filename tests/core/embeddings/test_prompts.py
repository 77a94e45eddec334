"""Prompts: templates, synonyms, files of them, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset, Task
from core.embeddings.prompts import (
    ClassPrompts,
    class_vectors,
    default_prompts,
    named_by_captions,
    prompts_of,
    read_prompts,
    split_words,
)
from core.errors import BadInput


def test_every_word_goes_into_every_template(sample: Dataset) -> None:
    prompts = default_prompts(sample, ("a photo of a {}", "a {} on {}"))
    assert prompts.texts(0) == ("a photo of a T-shirt or top", "a T-shirt or top on T-shirt or top")
    edited = prompts.with_class(0, ("tee", "shirt"), ("a {}",))
    assert edited.texts(0) == ("a tee", "a shirt")
    assert edited.texts(1) == prompts.texts(1)


def test_a_class_is_the_mean_of_its_prompts_at_length_one(sample: Dataset) -> None:
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [1.0, 0.0]}

    def encode(texts: Sequence[str]) -> np.ndarray:
        return np.array([vectors[text] for text in texts], np.float32)

    prompts = replace(
        default_prompts(sample), classes=("x", "y"), asked=(ClassPrompts(("a", "b")), ClassPrompts(("c",)))
    )
    prompts = replace(prompts, templates=("{}",))
    half = np.sqrt(0.5)
    assert class_vectors(prompts, encode) == pytest.approx(np.array([[half, half], [1, 0]]))


def test_a_file_of_prompts_reads_back(sample: Dataset, tmp_path: Path) -> None:
    prompts = default_prompts(sample).with_class(3, ("dress", "gown"))
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(prompts.to_json()))
    assert read_prompts(path, sample) == prompts
    short = {"classes": {name: [name] for name in sample.classes}}
    assert prompts_of(short, sample.classes, "d").texts(4) == ("a photo of a Coat",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.with_class(0, ()), "prompt of class 'T-shirt/top' is empty"),
        (lambda p: p.with_class(1, ("a", " ")), "prompt of class 'Trouser' is empty"),
        (lambda p: p.with_class(1, ("a",), ("photo",)), "'photo' of class 'Trouser' has no"),
        (
            lambda p: prompts_of({"classes": {"Hat": ["hat"]}}, p.classes, "d"),
            "missing: T-shirt/top.*unknown: Hat",
        ),
        (lambda p: prompts_of({}, p.classes, "d"), "no 'classes'"),
    ],
)
def test_what_cannot_be_asked_is_refused(sample: Dataset, change: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        change(default_prompts(sample))  # type: ignore[operator]
    with pytest.raises(BadInput, match=r"no \{\}"):
        default_prompts(sample, ("a photo",))


def test_names_are_read_from_a_line() -> None:
    assert split_words(" cat, kitten;tom ,") == ("cat", "kitten", "tom")


def captioned(sample: Dataset, captions: list[str], numbers: tuple[str, ...]) -> Dataset:
    labels = np.zeros((len(captions), len(numbers)), np.float32)
    for row in range(len(captions)):
        labels[row, row % len(numbers)] = 1
    return replace(
        sample,
        task=Task.MULTI_LABEL,
        classes=numbers,
        labels=labels,
        captions=tuple(captions),
        item_ids=sample.item_ids[: len(captions)],
    )


def test_numbers_are_named_only_if_captions_bear_it_out(sample: Dataset) -> None:
    said = [("a bicycle", "a red car", "the dog")[row % 3] for row in range(90)]
    assert named_by_captions(captioned(sample, said, ("2", "3", "18"))) == ("bicycle", "car", "dog")
    other = [("the dog", "a bicycle", "a red car")[row % 3] for row in range(90)]
    assert named_by_captions(captioned(sample, other, ("2", "3", "18"))) is None
    assert named_by_captions(captioned(sample, said, ("2", "3", "12"))) is None
    assert named_by_captions(sample) is None
