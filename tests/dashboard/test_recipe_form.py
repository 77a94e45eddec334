"""The form is the recipe: every field has a widget, and what the widgets say is the recipe."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.runs.recipe import LOSSES, MANY_LABELS, ONE_LABEL, PRESETS, Recipe
from dashboard.recipe_form import _step


def form(preset: str, task: str = ONE_LABEL) -> AppTest:
    def script(preset: str, task: str) -> None:
        import streamlit as st

        from core.errors import TidysetError
        from core.runs.recipe import PRESETS
        from dashboard import recipe_form

        try:
            st.session_state["drawn"] = recipe_form.draw(PRESETS[preset], "form", task)
        except TidysetError as error:
            st.error(str(error))

    test = AppTest.from_function(script, args=(preset, task), default_timeout=30).run()
    assert not test.exception
    return test


def keys(test: AppTest) -> set[str]:
    kinds = ("number_input", "selectbox", "toggle", "text_input")
    return {widget.key.removeprefix("form_") for kind in kinds for widget in test.get(kind)}


def drawn(test: AppTest) -> Recipe:
    assert not test.error, [message.value for message in test.error]
    recipe: Recipe = test.session_state["drawn"]
    return recipe


@pytest.mark.parametrize("preset", PRESETS)
def test_untouched_it_is_the_preset(preset: str) -> None:
    task = ONE_LABEL if PRESETS[preset].loss in LOSSES[ONE_LABEL] else MANY_LABELS
    test = form(preset, task)
    assert drawn(test) == PRESETS[preset]
    assert keys(test) <= set(Recipe.model_fields)
    assert not any("Changed" in caption.value for caption in test.caption)


def test_only_what_fits_the_task_is_offered() -> None:
    one, many = form("fast"), form("fast", MANY_LABELS)
    assert keys(many) - keys(one) == {"unknown_labels", "label_groups"}
    for test, task in ((one, ONE_LABEL), (many, MANY_LABELS)):
        assert test.selectbox(key="form_loss").options == list(LOSSES[task])


def test_every_field_can_be_reached() -> None:
    reached = keys(form("fast"))
    conditions = {
        (other, wanted[0] if wanted else True)
        for field in Recipe.model_fields.values()
        if isinstance(field.json_schema_extra, dict)
        for other, wanted in [field.json_schema_extra.get("when") or (None, None)]
        if other
    }
    for other, value in conditions:
        test = form("fast", MANY_LABELS)
        if isinstance(getattr(PRESETS["fast"], other), bool | str):
            test.session_state[f"form_{other}"] = value
        else:
            test.session_state[f"form_{other}"] = test.number_input(key=f"form_{other}").max or 1
        reached |= keys(test.run())
    assert reached == set(Recipe.model_fields)


def test_a_change_shows_and_counts() -> None:
    test = form("fast")
    test.number_input(key="form_epochs").set_value(9).run()
    assert drawn(test) == PRESETS["fast"].with_changes({"epochs": 9})
    words = next(caption.value for caption in test.caption if "Changed" in caption.value)
    assert f"{PRESETS['fast'].epochs} → 9" in words


def test_a_field_that_does_not_count_is_hidden() -> None:
    test = form("fast")
    hidden = {
        name
        for name, field in Recipe.model_fields.items()
        if (extra := field.json_schema_extra) and isinstance(extra, dict) and extra.get("when")
    } - keys(test)
    assert hidden, "no field of the fast preset depends on another choice"
    assert {name: getattr(drawn(test), name) for name in hidden} == {
        name: Recipe.model_fields[name].default for name in hidden
    }


@pytest.mark.parametrize(
    ("value", "step"),
    [(0.0, 0.05), (0.5, 0.05), (0.0014, 0.0001), (0.05, 0.001), (3.0, 1.0), (0.000_01, 1e-6)],
)
def test_steps_fit_the_value(value: float, step: float) -> None:
    assert _step(value) == pytest.approx(step)
