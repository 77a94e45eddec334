"""Content that was sound once: its bytes spoiled, or its values of other types under a sound surface."""

from __future__ import annotations

import copy
import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

WORDS = (
    b"",
    b"-1",
    b"nan",
    b"inf",
    b"1e999",
    b"99999999999999999999",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"\0",
    b"\xff\xfe",
    b"\r",
    b"\n",
    b"\t",
    b'"',
    b"'",
    b",",
    b";",
    b"\\",
    b"../../x",
    b"<b>",
    b"[[[[[[[[",
    b"{{{{{{{{",
    "é".encode(),
    "١".encode(),
    "\u2028".encode(),
    b"1_0",
    b"0x1",
    b"1.5",
    b" ",
    b"=",
    b"#",
    b"%",
    b"$(x)",
    b"\x1f\x8b",
)
GONE = object()
VALUES: tuple[Any, ...] = (
    GONE,
    None,
    True,
    -1,
    0,
    7,
    1.5,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\0",
    "\ud800",
    "../x",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"x": 1},
)
DTYPES = ("u1", "i8", "f4", "f8", "?", "c8", "U3", "S2", "M8[s]", "O", "f2", ">i4")


def mutations(sound: bytes, is_text: bool, suffix: str) -> st.SearchStrategy[bytes]:
    """Content that was sound once.

    Args:
        is_text: Whether to cut it less often.
        suffix: Of the file; says what it holds, so that values can be changed too.
    """
    spoiled = bytes_spoiled(sound, is_text)
    match suffix:
        case ".json" | ".jsonl":
            return st.one_of(spoiled, values_changed(sound, lines=suffix == ".jsonl"))
        case ".npy":
            return st.one_of(spoiled, other_array(sound))
        case ".npz":
            return st.one_of(spoiled, other_arrays(sound))
        case ".parquet":
            return st.one_of(spoiled, other_columns(sound))
        case ".safetensors":
            return st.one_of(spoiled, other_header(sound))
        case _:
            return spoiled


def bytes_spoiled(sound: bytes, is_text: bool) -> st.SearchStrategy[bytes]:
    """Cut, with bytes changed, inserted, removed, repeated or swapped."""
    place = st.integers(0, len(sound))
    cut = place.map(lambda at: sound[:at])
    step = st.tuples(
        st.sampled_from(("change", "insert", "remove", "repeat", "word", "fill")),
        place,
        st.integers(1, 40),
        st.integers(0, 255),
        st.sampled_from(WORDS),
    )
    steps = st.lists(step, min_size=1, max_size=4).map(lambda chosen: _spoiled(sound, chosen))
    return st.one_of(steps, cut) if not is_text else st.one_of(steps, steps, cut)


def _spoiled(content: bytes, steps: list[tuple[str, int, int, int, bytes]]) -> bytes:
    for how, at, length, byte, word in steps:
        at = min(at, len(content))
        before, middle, after = content[:at], content[at : at + length], content[at + length :]
        match how:
            case "change":
                content = before + bytes([byte]) + content[at + 1 :]
            case "insert":
                content = before + bytes([byte]) * length + middle + after
            case "remove":
                content = before + after
            case "repeat":
                content = before + middle * 3 + after
            case "fill":
                content = before + bytes([byte]) * len(middle) + after
            case "word":
                content = before + word + after
    return content


def values_changed(sound: bytes, *, lines: bool) -> st.SearchStrategy[bytes]:
    """JSON, or lines of JSON, of which one to three values are others or gone."""
    value = [json.loads(line) for line in sound.splitlines()] if lines else json.loads(sound)
    places = st.sampled_from(list(_places(value)))
    changes = st.lists(st.tuples(places, st.sampled_from(VALUES)), min_size=1, max_size=3)
    return changes.map(lambda chosen: _written(_changed(value, chosen), lines=lines))


def _places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield before
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from _places(one, (*before, key))


def _changed(value: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    root = [copy.deepcopy(value)]
    for place, new in changes:
        holder: Any = root
        *way, last = (0, *place)
        try:
            for key in way:
                holder = holder[key]
            if new is GONE:
                del holder[last]
            else:
                holder[last] = copy.deepcopy(new)
        except (LookupError, TypeError, AttributeError):  # an earlier change took that place away
            continue
    return root[0] if root else None


def _written(value: Any, *, lines: bool) -> bytes:
    if not lines or not isinstance(value, list):
        return json.dumps(value).encode()
    return b"".join(json.dumps(one).encode() + b"\n" for one in value)


def other_array(sound: bytes) -> st.SearchStrategy[bytes]:
    """A .npy file of another type or shape, its values as far as they fit."""
    array = np.load(io.BytesIO(sound), allow_pickle=False)
    shapes = [array.shape, (), (0,), (1,), array.shape[:1], (*array.shape, 1), array.shape[::-1], (2, 0, 3)]
    shapes += [(array.shape[0] + 1, *array.shape[1:]), (*array.shape[:-1], array.shape[-1] + 2)]
    return st.builds(_npy, st.sampled_from(DTYPES), st.sampled_from(shapes), st.integers(-2, 300))


def _npy(dtype: str, shape: tuple[int, ...], value: int) -> bytes:
    with np.errstate(all="ignore"):
        array = np.full(shape, value, np.int64).astype(dtype)
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    return content.getvalue()


def other_arrays(sound: bytes) -> st.SearchStrategy[bytes]:
    """A .npz file in which one array is another or gone."""
    with np.load(io.BytesIO(sound), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}

    def replaced(name: str, dtype: str, shape: tuple[int, ...] | None) -> bytes:
        kept = {key: value for key, value in arrays.items() if key != name}
        if shape is not None:
            kept[name] = np.load(io.BytesIO(_npy(dtype, shape, 1)), allow_pickle=True)
        content = io.BytesIO()
        np.savez(content, **kept)
        return content.getvalue()

    shapes = [None, (), (0,), (3,), *{one.shape for one in arrays.values()}]
    return st.builds(
        replaced, st.sampled_from(list(arrays)), st.sampled_from(DTYPES), st.sampled_from(shapes)
    )


def other_columns(sound: bytes) -> st.SearchStrategy[bytes]:
    """A parquet file in which one column is of another type, of nothing, or gone."""
    table = pq.read_table(io.BytesIO(sound))
    kinds = (None, pa.string(), pa.int8(), pa.int64(), pa.float64(), pa.bool_(), pa.null(), pa.binary())

    def replaced(name: str, kind: pa.DataType | None, seed: int, metadata: str | None) -> bytes:
        at = table.column_names.index(name)
        changed = table.remove_column(at)
        if kind is not None:
            values = [None if (seed + i) % 3 == 0 else _of_kind(kind, seed + i) for i in range(len(table))]
            changed = changed.add_column(at, name, pa.array(values, kind))
        about = {k: v for k, v in (table.schema.metadata or {}).items() if k.decode() != metadata}
        content = io.BytesIO()
        pq.write_table(changed.replace_schema_metadata(about), content)
        return content.getvalue()

    names = st.sampled_from(table.column_names)
    about = st.sampled_from([None, *(key.decode() for key in table.schema.metadata or {})])
    return st.builds(replaced, names, st.sampled_from(kinds), st.integers(0, 9), about)


def _of_kind(kind: pa.DataType, value: int) -> Any:
    match str(kind):
        case "string":
            return str(value)
        case "binary":
            return bytes([value % 256])
        case "bool":
            return bool(value % 2)
        case "null":
            return None
        case "double":
            return value / 3 if value % 4 else float("nan")
        case _:
            return value % 100


def other_header(sound: bytes) -> st.SearchStrategy[bytes]:
    """A safetensors file whose header, or a JSON text in its metadata, has other values."""
    (length,) = struct.unpack("<Q", sound[:8])
    header, rest = sound[8 : 8 + length], sound[8 + length :]
    about = json.loads(header)

    def inside(name: str) -> st.SearchStrategy[bytes]:
        def put(text: bytes) -> bytes:
            changed = {**about, "__metadata__": {**about["__metadata__"], name: text.decode()}}
            return json.dumps(changed).encode()

        return values_changed(about["__metadata__"][name].encode(), lines=False).map(put)

    texts = [name for name, text in about.get("__metadata__", {}).items() if text[:1] in "[{"]
    headers = st.one_of(values_changed(header, lines=False), *(inside(name) for name in texts))
    return headers.map(lambda new: struct.pack("<Q", len(new)) + new + rest)
