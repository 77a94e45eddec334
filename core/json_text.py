"""The one way that JSON leaves Tidyset: always valid JSON, for which RFC 8259 knows no NaN and no Infinity.

Whatever is printed, written, answered or exported goes through ``json_text``; tests/test_json.py finds who
calls ``json.dumps`` elsewhere. Files of earlier versions, with NaN in them, are still read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def json_text(
    value: object,
    *,
    indent: int | None = None,
    other: Callable[[Any], object] | None = None,
) -> str:
    """Return ``value`` as JSON text that UTF-8 can hold; numbers that are not finite become null.

    Args:
        value: Of dicts, lists, tuples, strings, numbers, booleans and None; NumPy scalars and arrays as the
            numbers and lists they stand for.
        indent: Spaces per level; None for one line.
        other: What stands for a value of another type, such as ``str``.

    Raises:
        TypeError: A value is of another type, and ``other`` is None.
    """

    try:
        return _dumped(value, indent)  # nearly always; the way below copies everything
    except (ValueError, TypeError):
        return _dumped(_plain(value, other), indent)


def _dumped(value: object, indent: int | None) -> str:
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, as in the name of a file that is no UTF-8
            return json.dumps(value, indent=indent, allow_nan=False)
    return text


def without_nan(value: Any) -> Any:
    """The value with NaN and infinities as None, in dicts, lists and tuples; other types stay as they are."""
    return _plain(value, lambda one: one)


def _plain(value: Any, other: Callable[[Any], object] | None) -> Any:
    if isinstance(value, Mapping):
        return {_key(name): _plain(inner, other) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, other) for inner in value]
    if isinstance(value, np.ndarray | np.generic):
        plain = value.tolist()
        return _plain(float(plain) if isinstance(plain, np.generic) else plain, other)  # a long double
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if other is None:
        raise TypeError(f"{type(value).__name__} is no JSON value: {value!r:.200}")
    return other(value)


def _key(name: Any) -> Any:
    """The name of a field: NumPy's numbers as Python's, NaN as null."""
    plain = name.item() if isinstance(name, np.generic) else name
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
