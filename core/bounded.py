"""JSON, TOML and safetensors that somebody else may have written, parsed within bounds.

The one place of the code that parses them (tests/security/test_source.py). What is too large, nested too
deeply or holds a number too long to calculate with is refused as ``Unreadable``, a ValueError, before
anything can fail that recurses over it. So a hostile file is one unreadable file, never a RecursionError, an
OverflowError or all of the memory.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

MOST_BYTES = 64 << 20
"""Of a file of the workspace that is read as a whole, unless its reader says otherwise."""
MOST_HEADER_BYTES = 16 << 20
"""Of the header of a safetensors file: some 100,000 tensors."""
MOST_DEPTH = 64
"""Levels of nesting: the formats that are read here have at most ten."""
MOST_DIGITS = 40
"""Of a whole number: the longest that is written here, a random seed of 128 bits, has 39."""
_MOST_BITS = (10**MOST_DIGITS).bit_length()

_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LONG = re.compile(rf"[0-9]{{{MOST_DIGITS + 1}}}")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
# One that does not end goes to the end of the text or line, or the search would begin again at each quote.
_TOML_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|\'\'\'.*?(?:\'\'\'|\Z)|"(?:[^"\\\n]|\\[^\n])*+"?|\'[^\'\n]*+\'?|(#[^\n]*)',
    re.DOTALL,
)
_DOTTED = re.compile(rf"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]++[ \t]*+\.[ \t]*+){{{MOST_DEPTH}}}")


class Unreadable(ValueError):
    """Text that is not what it should be, or is beyond the bounds; the message says which."""


def read_at_most(file: BinaryIO, most_bytes: int) -> bytes:
    """What is left of a file, no more than ``most_bytes``. Raises OSError.

    Python makes room for all that is asked for at once, so no more is asked for than there is.
    """
    there = os.fstat(file.fileno()).st_size - file.tell()
    return file.read(max(0, min(there, most_bytes)))


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a file that is read as a whole. Raises Unreadable where it is larger; OSError."""
    with path.open("rb") as file:
        content = read_at_most(file, most_bytes + 1)
    if len(content) > most_bytes:
        raise Unreadable(f"it has more than {most_bytes:,} bytes")
    return content


def parse_json(
    content: bytes | str,
    *,
    most_bytes: int | None = None,
    parse_constant: Callable[[str], Any] | None = None,
) -> Any:
    """The value of JSON text, in UTF-8, -16 or -32. Half a surrogate pair becomes U+FFFD.

    Args:
        most_bytes: Refuse a longer text; None where its reader has bounded it already.
        parse_constant: Called for NaN, Infinity and -Infinity, as by json.loads.

    Raises:
        Unreadable: It is no JSON, too long, nested beyond MOST_DEPTH, or has a whole number of more than
            MOST_DIGITS digits.
    """
    if most_bytes is not None and len(content) > most_bytes:
        raise Unreadable(f"it has more than {most_bytes:,} bytes")
    try:
        text = content if isinstance(content, str) else content.decode(json.detect_encoding(content))
        _check_depth(text, _JSON_STRING)
        if _SURROGATE.search(text):
            text = _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
        parse_int = _whole_number if _LONG.search(text) else None
        return json.loads(text, parse_int=parse_int, parse_constant=parse_constant)
    except Unreadable:
        raise
    except RecursionError:  # the caller's own stack is deep already
        raise Unreadable("it is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(str(error)) from error


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise Unreadable(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _check_depth(text: str, strings: re.Pattern[str]) -> None:
    """Raises Unreadable where brackets are nested beyond MOST_DEPTH; brackets within strings do not count."""
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    if _depth(text) > MOST_DEPTH and _depth(strings.sub("", text)) > MOST_DEPTH:
        raise Unreadable(f"it is nested more than {MOST_DEPTH} levels deep")


def _depth(text: str) -> int:
    """The deepest nesting of the brackets in a text, at least one of which opens."""
    brackets = text.encode(errors="replace").translate(None, _NO_BRACKETS)
    opens = np.isin(np.frombuffer(brackets, np.uint8), list(b"[{"))
    return int(np.cumsum(np.where(opens, 1, -1), dtype=np.int64).max(initial=0))


def parse_toml(content: bytes) -> dict[str, Any]:
    """The table of a TOML file.

    Raises:
        Unreadable: It is no TOML in UTF-8, nested or dotted beyond MOST_DEPTH, or has a whole number of more
            than MOST_DIGITS digits.
    """
    import tomllib

    try:
        text = content.decode()
        bare = _TOML_STRING_OR_COMMENT.sub(lambda found: "" if found[1] else "s", text)
        _check_depth(bare, _TOML_STRING_OR_COMMENT)
        if _DOTTED.search(bare):
            raise Unreadable(f"it is nested more than {MOST_DEPTH} levels deep")
        value = tomllib.loads(text)
    except Unreadable:
        raise
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except ValueError as error:  # a number of too many digits is none of tomllib's own errors
        raise Unreadable(str(error)) from error
    _check_values(value)
    return value


def _check_values(table: dict[str, Any]) -> None:
    """Raises Unreadable for what the text did not show: long numbers in other bases, dots within brackets."""
    level: list[object] = [table]
    for _ in range(MOST_DEPTH):
        if any(isinstance(one, int) and one.bit_length() > _MOST_BITS for one in level):
            raise Unreadable(f"it has a number of more than {MOST_DIGITS} digits")
        tables = [
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)
        ]
        level = [inner for one in tables for inner in one]
        if not level:
            return
    raise Unreadable(f"it is nested more than {MOST_DEPTH} levels deep")


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata in the header of a safetensors file, without its tensors. Raises Unreadable, OSError."""
    from safetensors import SafetensorError, safe_open

    _check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise Unreadable(str(error)) from error


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a safetensors file, by name, unread. Raises Unreadable, OSError."""
    from safetensors import SafetensorError, safe_open

    _check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except SafetensorError as error:
        raise Unreadable(str(error)) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the CPU. Raises Unreadable, OSError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _check_header(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise Unreadable(str(error)) from error


def parse_tensors(content: bytes) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """Tensors and metadata of a safetensors file's content. Raises Unreadable."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    n_bytes = int.from_bytes(content[:8], "little")
    header = parse_json(content[8 : 8 + n_bytes], most_bytes=MOST_HEADER_BYTES)
    try:
        return load(content), header.get("__metadata__", {})
    except (SafetensorError, AttributeError) as error:
        raise Unreadable(str(error)) from error


def _check_header(path: Path) -> None:
    """Raises Unreadable where the header of a safetensors file is too long to be one; OSError."""
    with path.open("rb") as file:
        n_bytes = int.from_bytes(file.read(8), "little")
    if n_bytes > MOST_HEADER_BYTES:
        raise Unreadable(f"its header says that it has {n_bytes:,} bytes")
