"""A small grid: every combination of a few values of a few fields of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from core.errors import BadInput
from core.runs.recipe import Recipe
from core.tuning.space import parse_space

MOST = 200


def parse_grid(texts: Sequence[str], base: Recipe) -> tuple[dict[str, Any], ...]:
    """The combinations, each as the fields that it sets, the last field varying fastest.

    Args:
        texts: Such as ``["dropout=0.5|0.7", "epochs=1|3"]``.
        base: The recipe whose other fields stay as they are.

    Raises:
        BadInput: No such field or value, a range instead of values, too many combinations, or one that
            contradicts itself.
    """
    axes = parse_space(texts, base)
    for axis in axes:
        if not axis.options:
            raise BadInput(f"{axis.text} is a range.", f"List its values: {axis.field}=one|other.")
    settings = tuple(
        dict(zip((axis.field for axis in axes), values, strict=True))
        for values in product(*(axis.options for axis in axes))
    )
    if len(settings) > MOST:
        raise BadInput(
            f"That makes {len(settings):,} trainings.", f"At most {MOST}; `tidyset tune` searches."
        )
    for setting in settings:
        base.with_changes(setting)
    return settings
