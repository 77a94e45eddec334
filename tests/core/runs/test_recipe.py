"""The recipe: validated, comes back from TOML, says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.runs.recipe import PRESETS, Recipe, load_recipe, parse_settings


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_comes_back_from_toml(name: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(PRESETS[name].to_toml())
    assert load_recipe(path) == PRESETS[name] == load_recipe(name)


@given(st.integers(1, 10_000), st.floats(1e-8, 10), st.floats(0, 0.95))
def test_any_valid_recipe_comes_back_from_toml(epochs: int, rate: float, dropout: float) -> None:
    import tomllib

    recipe = Recipe(epochs=epochs, learning_rate=rate, dropout=dropout)
    assert Recipe.model_validate(tomllib.loads(recipe.to_toml())) == recipe


def test_settings_are_converted_as_typed() -> None:
    recipe = Recipe().with_changes(
        parse_settings(["epochs=3", "test_time_flip=true", "model = small-resnet"])
    )
    assert (recipe.epochs, recipe.test_time_flip, recipe.model) == (3, True, "small-resnet")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"epochs": 0}, "epochs = 0"),
        ({"learning_rate": "fast"}, "learning_rate = 'fast'"),
        ({"model": "resnet19"}, "model = 'resnet19'"),
        ({"epoch": 3}, "no recipe field 'epoch'"),
        ({"loss": "focal", "label_smoothing": 0.1}, "label_smoothing"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(BadInput, match=named):
        Recipe().with_changes(changes)


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        Recipe().with_changes({"epochs": 0, "batch_size": 1})
    assert "epochs" in str(caught.value)
    assert "batch_size" in str(caught.value)


@pytest.mark.parametrize("text", ["epochs = ", "epochs = 0", "\x00", "[model]\nname = 1"])
def test_a_bad_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(BadInput):
        load_recipe(path)


def test_an_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="baseline, fast, best"):
        load_recipe("fastest")


@pytest.mark.parametrize("setting", ["epochs", "=3", ""])
def test_a_setting_without_a_value_is_refused(setting: str) -> None:
    with pytest.raises(BadInput, match="--set"):
        parse_settings([setting])


def test_every_field_has_words_for_the_form() -> None:
    for name, field in Recipe.model_fields.items():
        assert field.title, name
        assert field.description, name
        assert isinstance(field.json_schema_extra, dict), name
        assert field.json_schema_extra["group"], name
