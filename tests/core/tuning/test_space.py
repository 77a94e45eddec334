"""What a search may change, as typed."""

from __future__ import annotations

import pytest

from core.errors import BadInput
from core.runs.recipe import PRESETS, Recipe
from core.tuning import DEFAULT_SPACE
from core.tuning.space import Axis, parse_space, space_from_json, space_to_json

BASE = PRESETS["fast"]


def test_ranges_and_choices_are_read_by_the_fields_type() -> None:
    texts = [
        "learning_rate=1e-4..1e-1:log",
        "epochs=3..15",
        "model=plain-cnn|small-resnet",
        "oversample=true|false",
    ]
    assert parse_space(texts, BASE) == (
        Axis("learning_rate", 1e-4, 1e-1, log=True),
        Axis("epochs", 3, 15, whole=True),
        Axis("model", options=("plain-cnn", "small-resnet")),
        Axis("oversample", options=(True, False)),
    )
    assert parse_space(["batch_size=64|128"], BASE)[0].options == (64, 128)


def test_a_space_survives_being_written_down() -> None:
    axes = parse_space([*DEFAULT_SPACE, "optimizer=sgd|adam", "test_time_flip=true|false"], BASE)
    assert space_from_json(space_to_json(axes)) == axes
    assert parse_space([axis.text for axis in axes], BASE) == axes


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ([], "nothing to search"),
        (["learning_rate"], "no field with values"),
        (["learning_rate="], "no field with values"),
        (["speed=1..2"], "no recipe field 'speed'"),
        (["seed=0..9"], "seed is not searched"),
        (["validation_share=0.1..0.2"], "validation_share is not searched"),
        (["dropout=0.5..0.1"], "must be below"),
        (["dropout=0.1..0.1"], "must be below"),
        (["dropout=a..b"], "is no range"),
        (["dropout=nan..1"], "must be below"),
        (["dropout=0..2"], "dropout"),
        (["epochs=0..5"], "epochs"),
        (["epochs=1.5..5"], "whole numbers"),
        (["learning_rate=0..1:log"], "above 0"),
        (["learning_rate=1e-3..1:linear"], "'linear' is unknown"),
        (["model=1..2"], "has no range"),
        (["model=plain-cnn"], "leaves no choice"),
        (["model=plain-cnn|vgg-99"], "model"),
        (["dropout=0..0.5", "dropout=0..0.6"], "twice"),
    ],
)
def test_what_cannot_be_searched_is_named(texts: list[str], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        parse_space(texts, BASE)


def test_every_field_can_be_searched_or_is_left_out_on_purpose() -> None:
    """A new recipe field of another type would need a way to be searched."""
    for name, about in Recipe.model_json_schema()["properties"].items():
        assert "enum" in about or about["type"] in ("integer", "number", "boolean", "string"), name
