"""The form of a recipe, generated from its fields: a new field in core.runs.recipe shows up by itself."""

from __future__ import annotations

import math
import typing
from typing import Any, Literal

import streamlit as st
from pydantic.fields import FieldInfo

from core.runs.recipe import ONE_LABEL, Recipe, metric_choices
from dashboard.wording import plain

COLUMNS = 4
_Limits = dict[str, Any]


def draw(base: Recipe, key: str, task: str = ONE_LABEL) -> Recipe:
    """The form, filled with ``base``; returns the recipe that it now describes.

    Fields that do not count with the other choices are hidden and keep the recipe's default.

    Args:
        base: What the fields start from; those that differ from it are marked.
        key: Prefix of the widgets' keys; another base needs another key.
        task: Of the data set, "single-label" or "multi-label": only what fits it is offered.

    Raises:
        BadInput: The choices contradict each other; says which.
    """
    groups: dict[str, list[str]] = {}
    for name, field in Recipe.model_fields.items():
        groups.setdefault(_extra(field)["group"], []).append(name)
    values: dict[str, Any] = {}
    for tab, names in zip(st.tabs(list(groups)), groups.values(), strict=True):
        with tab:
            _group([name for name in names if _fits(name, task)], base, key, values, task)
    changed = [name for name, value in values.items() if value != getattr(base, name)]
    if changed:
        fields = Recipe.model_fields
        words = ", ".join(
            f"{fields[name].title} {_as_text(getattr(base, name))} → {_as_text(values[name])}"
            for name in changed
        )
        st.caption(f"Changed from the preset: {plain(words)}")
    return base.with_changes(values)


def _fits(name: str, task: str) -> bool:
    """Whether the field counts for the task at all."""
    return bool(_extra(Recipe.model_fields[name]).get("task", task) == task)


def _group(names: list[str], base: Recipe, key: str, values: dict[str, Any], task: str) -> None:
    """The fields that everyone looks at, and below them, folded away, the rest."""
    shown = [name for name in names if not _extra(Recipe.model_fields[name])["advanced"]]
    advanced = [name for name in names if name not in shown]
    _grid(shown, base, key, values, task)
    if any(_counts(name, base, key) for name in advanced):
        with st.expander("More"):
            _grid(advanced, base, key, values, task)


def _grid(names: list[str], base: Recipe, key: str, values: dict[str, Any], task: str) -> None:
    there = []
    for name in names:
        if _counts(name, base, key):
            there.append(name)
        else:
            values[name] = Recipe.model_fields[name].default
    for start in range(0, len(there), COLUMNS):
        for column, name in zip(st.columns(COLUMNS), there[start : start + COLUMNS], strict=False):
            with column:
                field, value = Recipe.model_fields[name], getattr(base, name)
                values[name] = _widget(name, field, value, f"{key}_{name}", task)


def _counts(name: str, base: Recipe, key: str) -> bool:
    """Whether the field matters, given what the field that it depends on says."""
    when = _extra(Recipe.model_fields[name]).get("when")
    if when is None:
        return True
    other, wanted = when
    value = st.session_state.get(f"{key}_{other}", getattr(base, other))
    return value in wanted if wanted else bool(value)


def _extra(field: FieldInfo) -> dict[str, Any]:
    assert isinstance(field.json_schema_extra, dict)
    return dict(field.json_schema_extra)


def _widget(name: str, field: FieldInfo, value: Any, key: str, task: str) -> Any:
    """The widget that fits the field's type and limits."""
    title, help_ = str(field.title), field.description
    if field.annotation is bool:
        return st.toggle(title, value, key=key, help=help_)
    if typing.get_origin(field.annotation) is Literal:
        choices: dict[str, list[str]] = _extra(field).get("choices", {})
        options = choices.get(task, list(typing.get_args(field.annotation)))
        first = options.index(value) if value in options else 0
        return st.selectbox(title, options, first, key=key, help=help_)
    if _extra(field).get("metric"):
        names = metric_choices(task)
        names += [value] if value not in names else []  # an earlier name of one
        return st.selectbox(title, names, names.index(value), key=key, help=help_)
    if field.annotation is str:
        return st.text_input(title, value, key=key, help=help_)
    limits = _limits(field)
    if field.annotation is int:
        return st.number_input(title, limits.get("ge"), limits.get("le"), value, 1, key=key, help=help_)
    low, high = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    return st.number_input(
        title,
        float(low) if low is not None else None,
        float(high) if high is not None else None,
        float(value),
        _step(float(value)),
        format="%g",
        key=key,
        help=help_,
    )


def _limits(field: FieldInfo) -> _Limits:
    """The field's ge, gt, le and lt."""
    return {
        kind: getattr(constraint, kind)
        for constraint in field.metadata
        for kind in ("ge", "gt", "le", "lt")
        if getattr(constraint, kind, None) is not None
    }


def _step(value: float) -> float:
    """A tenth of the size of the value's leading digit: 0.0001 for a rate of 0.0014; 0.05 for shares."""
    if value == 0 or value >= 0.1:
        return 0.05 if value < 1 else 1.0
    return float(10.0 ** (math.floor(math.log10(value)) - 1))


def _as_text(value: Any) -> str:
    return (
        {True: "on", False: "off", "": "none"}.get(value, str(value))
        if not isinstance(value, float)
        else f"{value:g}"
    )
