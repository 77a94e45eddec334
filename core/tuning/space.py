"""What a search may change: fields of the recipe, each with a range or a list of values.

Written as on the command line::

    learning_rate=1e-4..1e-1:log     a range, searched by its logarithm
    dropout=0..0.6                   a range
    epochs=3..15                     whole numbers, because the field has whole numbers
    model=plain-cnn|small-resnet     some values
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import BadInput
from core.runs.recipe import Recipe, make_recipe

NEVER = frozenset(
    {
        "seed",
        "split_seed",
        "validation_share",
        "device",
        "threads",
        "precision",
        "keep",
        "weights_file",
    }
)
"""Fields that decide what is measured, or on what machine: searching them would be choosing the ruler."""

_EXAMPLE = "Write learning_rate=1e-4..1e-1:log, epochs=3..15, or model=plain-cnn|small-resnet."


@dataclass(frozen=True, slots=True)
class Axis:
    """One field and the values that it may take.

    Attributes:
        field: Name of the recipe's field.
        low, high: The range, both ends included; None for ``options``.
        log: Searched by its logarithm.
        whole: Whole numbers only.
        options: Values to choose from; () for a range.
    """

    field: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    options: tuple[bool | int | float | str, ...] = ()

    @property
    def text(self) -> str:
        """As ``parse_space`` reads it."""
        if self.options:
            return f"{self.field}={'|'.join(_plain(one) for one in self.options)}"
        assert self.low is not None
        assert self.high is not None
        return f"{self.field}={self.low:g}..{self.high:g}{':log' if self.log else ''}"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_space(texts: Sequence[str], base: Recipe) -> tuple[Axis, ...]:
    """The axes that ``texts`` name, each checked against the recipe.

    Args:
        texts: As in the module's docstring.
        base: The recipe whose other fields stay as they are.

    Raises:
        BadInput: No field of that name, one that must not be searched, one twice, or values that it does
            not take; says which.
    """
    axes = tuple(_axis(text, base) for text in texts)
    names = [axis.field for axis in axes]
    if not axes:
        raise BadInput("There is nothing to search.", _EXAMPLE)
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{name} is in the search space twice.", "Give each field once.")
    return axes


def _axis(text: str, base: Recipe) -> Axis:
    field, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not values:
        raise BadInput(f"{text!r} is no field with values.", _EXAMPLE)
    about = Recipe.model_json_schema()["properties"].get(field)
    if about is None:
        raise BadInput(f"There is no recipe field {field!r}.", "`tidyset train --help-recipe` lists them.")
    if field in NEVER:
        raise BadInput(
            f"{field} is not searched: it decides how results are measured, not how good they are."
        )
    axis = _range(field, values, about) if ".." in values else _options(field, values, base)
    for value in axis.options or (axis.low, axis.high):
        _check(base, field, value)
    return axis


def _range(field: str, values: str, about: dict[str, Any]) -> Axis:
    numbers, _, how = values.partition(":")
    low_text, _, high_text = numbers.partition("..")
    if about.get("type") not in ("integer", "number"):
        raise BadInput(f"{field} has no range.", f"List its values: {field}=one|other.")
    try:
        low, high = float(low_text), float(high_text)
    except ValueError:
        raise BadInput(f"{field}={values} is no range.", _EXAMPLE) from None
    whole = about["type"] == "integer"
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BadInput(f"{field}={values}: the first number must be below the second.")
    if whole and not (low.is_integer() and high.is_integer()):
        raise BadInput(f"{field}={values}: {field} takes whole numbers.")
    if how not in ("", "log"):
        raise BadInput(f"{field}={values}: {how!r} is unknown.", "Only :log can follow a range.")
    if how == "log" and low <= 0:
        raise BadInput(f"{field}={values}: a logarithm needs numbers above 0.")
    return Axis(field, low, high, log=how == "log", whole=whole)


def _options(field: str, values: str, base: Recipe) -> Axis:
    texts = [one.strip() for one in values.split("|")]
    if len(texts) < 2:
        raise BadInput(f"{field}={values} leaves no choice.", f"Set it with --set {field}={values} instead.")
    options = tuple(getattr(_check(base, field, text), field) for text in texts)
    return Axis(field, options=options)


def _check(base: Recipe, field: str, value: Any) -> Recipe:
    """The recipe with that value, other fields that contradict it aside. Raises BadInput."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    return make_recipe({"model": base.model, "timm_model": base.timm_model, field: number})


def space_to_json(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """For run.json."""
    return [asdict(axis) for axis in axes]


def space_from_json(values: Sequence[dict[str, Any]]) -> tuple[Axis, ...]:
    """What ``space_to_json`` wrote."""
    return tuple(Axis(**{**value, "options": tuple(value["options"])}) for value in values)
