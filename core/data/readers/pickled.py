"""Pickled NumPy arrays (.pkl), read without running anything that they contain.

A pickle is a program. This one may only build arrays of numbers, lists and dictionaries of them: the
opcodes are checked before any is run, and the few names that NumPy's own pickles refer to are replaced by
functions of this module that put the array together from its bytes. Everything else is refused unread.

The files of the Combo MNIST competition are of this form: images_l.pkl with labels_l.pkl, images_ul.pkl
without labels, images_test.pkl.
"""

from __future__ import annotations

import math
import mmap
import pickle
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Task
from core.data.handwriting import CHARACTERS, GROUPS
from core.data.problems import ProblemLog
from core.data.readers.base import Hints, Recognised, Record, reader, split_of
from core.errors import BadInput

_MOST_OPCODES = 10_000
_KINDS = "biuf"
_OPCODES = frozenset(
    """
    PROTO FRAME STOP GLOBAL STACK_GLOBAL REDUCE BUILD MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT LONG1
    BININT BININT1 BININT2 BINUNICODE SHORT_BINUNICODE BINUNICODE8 UNICODE BINBYTES SHORT_BINBYTES
    BINBYTES8 BYTEARRAY8 BINSTRING SHORT_BINSTRING EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST
    APPEND APPENDS LIST EMPTY_DICT DICT SETITEM SETITEMS BINPUT LONG_BINPUT PUT MEMOIZE BINGET LONG_BINGET
    GET
    """.split()  # noqa: SIM905
)
_PUTS = {"BINPUT", "LONG_BINPUT", "PUT"}
_MEND = "Save plain arrays instead: np.save(file, array)."


class _Refused(Exception):
    """What the pickle asks for is no array."""


class _Dtype:
    """Stands in for numpy.dtype: remembers which, and the byte order that follows."""

    def __init__(self, name: object, *_flags: object) -> None:
        if not isinstance(name, str | bytes):
            raise _Refused(f"a dtype of {type(name).__name__}")
        self.name = name.decode("latin1") if isinstance(name, bytes) else name
        self.order = "="

    def __setstate__(self, state: object) -> None:
        if not (
            isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "=", b"<", b">", b"|")
        ):
            raise _Refused("a dtype with parts")
        self.order = state[1].decode() if isinstance(state[1], bytes) else state[1]

    def real(self) -> np.dtype[Any]:
        try:
            dtype = np.dtype(self.name).newbyteorder(self.order)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise _Refused(f"the dtype {self.name!r}") from error
        if dtype.kind not in _KINDS or dtype.shape or dtype.names:
            raise _Refused(f"values of type {dtype}")
        return dtype


class _Array:
    """Stands in for an array until its bytes are known."""

    array: NDArray[Any] | None = None

    def __setstate__(self, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            raise _Refused("an array of unknown form")
        _, shape, dtype, fortran, data = state
        self.array = _built(shape, dtype, data, fortran=bool(fortran))


class _Subtype:
    """Stands in for numpy.ndarray where it is named."""


def _reconstruct(subtype: object, *_rest: object) -> _Array:
    if subtype is not _Subtype:
        raise _Refused("a subclass of array")
    return _Array()


def _frombuffer(data: object, dtype: object, shape: object, order: object) -> _Array:
    found = _Array()
    found.array = _built(shape, dtype, data, fortran=order == "F")
    return found


def _encode(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise _Refused(f"text in {encoding!r}")
    return text.encode("latin1")


def _built(shape: object, dtype: object, data: object, *, fortran: bool) -> NDArray[Any]:
    if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
        raise _Refused("a shape of no numbers")
    if isinstance(data, str):  # Python 2 wrote bytes as text
        data = data.encode("latin1")
    if not (isinstance(dtype, _Dtype) and isinstance(data, bytes | bytearray)):
        raise _Refused("an array of objects")
    real = dtype.real()
    if math.prod(shape) * real.itemsize != len(data):
        raise _Refused(f"{len(data):,} bytes for an array of {shape}")
    return np.frombuffer(data, real).reshape(shape, order="F" if fortran else "C")


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Subtype,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that knows the names of NumPy's arrays, and no others."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in _NAMES:
            raise _Refused(f"{module_name}.{global_name}")
        return _NAMES[module_name, global_name]


def read_pickle(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a pickle: one array under the file's name, or those of a dictionary under theirs.

    Raises:
        BadInput: It is damaged, or asks for anything but arrays of numbers; says what.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_opcodes(content)
            content.seek(0)
            value = _ArraysOnly(content, encoding="latin1").load()
    except _Refused as error:
        raise BadInput(
            f"{path.name} holds {error}, not only arrays of numbers; nothing of it was run.", _MEND
        ) from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise BadInput(f"{path.name} is no sound pickle ({error}).", "Fetch it again.") from error
    return _arrays(value, path)


def _check_opcodes(content: mmap.mmap) -> None:
    """Refuse what no array needs before any of it is run, and memo numbers that only eat memory."""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):  # type: ignore[arg-type]
        if opcode.name not in _OPCODES:
            raise _Refused(f"the instruction {opcode.name}")
        if number > _MOST_OPCODES or (opcode.name in _PUTS and int(argument or 0) > _MOST_OPCODES):
            raise _Refused("too many instructions")


def _arrays(value: object, path: Path) -> dict[str, NDArray[Any]]:
    found = value if isinstance(value, dict) else {path.stem: value}
    arrays = {str(key): item.array for key, item in found.items() if isinstance(item, _Array)}
    if len(arrays) != len(found) or any(array is None for array in arrays.values()):
        raise BadInput(f"{path.name} holds something other than arrays.", _MEND)
    return {key: array for key, array in arrays.items() if array is not None}


@dataclass(frozen=True, eq=False)
class _Pair:
    name: str
    images: NDArray[Any]
    labels: NDArray[Any] | None


@reader("pickled", ".pkl arrays", rank=20)
def recognise(source: Path, hints: Hints) -> Recognised | None:
    """A .pkl of images, or a folder of such files; images_x goes with labels_x.

    Raises:
        BadInput: A file is no pickle of arrays.
    """
    files = sorted(source.glob("*.pkl")) if source.is_dir() else [source] * (source.suffix == ".pkl")
    if not files:
        return None
    if source.is_file() and (partner := source.with_name(_labels_name(source.name))).exists():
        files = [source, partner] if partner != source else files
    arrays = {key: array for path in files for key, array in read_pickle(path).items()}
    if any(array.ndim == 0 for array in arrays.values()):
        raise BadInput(f"{source.name} holds a single number.", _MEND)
    pairs = [
        _Pair(key, images, arrays.get(_labels_name(key)) if _labels_name(key) != key else None)
        for key, images in arrays.items()
        if images.ndim in (3, 4)
    ]
    if not pairs:
        raise BadInput(f"{source.name} has no array of images (N, H, W).", "Give the images' file too.")
    return _recognised(pairs, hints)


def _labels_name(name: str) -> str:
    return name.replace("images", "labels", 1)


def _recognised(pairs: list[_Pair], hints: Hints) -> Recognised:
    columns = next((p.labels.shape[1] for p in pairs if p.labels is not None and p.labels.ndim == 2), 0)
    for pair in pairs:
        _check_pair(pair)
    is_combo = columns == len(CHARACTERS)
    named = CHARACTERS if is_combo else tuple(str(k) for k in range(columns))
    height, width = pairs[0].images.shape[1:3]
    return Recognised(
        format=f"pickled arrays, {height} x {width}",
        records=partial(_records, pairs),
        task=Task.MULTI_LABEL if columns else Task.SINGLE_LABEL,
        classes=hints.classes or named,
        n_items=sum(len(pair.images) for pair in pairs),
        label_groups=GROUPS if is_combo else "",
    )


def _check_pair(pair: _Pair) -> None:
    """Raises BadInput for images of no size, for labels of another number or kind."""
    size = pair.images.shape[1:]
    if math.prod(size) == 0 or (len(size) == 3 and size[2] not in (1, 3)):
        said = f"{pair.name} has images of {' x '.join(map(str, size))}; H x W or H x W x 3 was expected."
        raise BadInput(said, "Save grey or RGB images.")
    if pair.labels is None:
        return
    if pair.labels.ndim not in (1, 2):
        raise BadInput(
            f"{pair.name}: its labels have {pair.labels.ndim} axes; 1 or 2 were expected.",
            "Save one number or one row of 0 and 1 an image.",
        )
    if len(pair.labels) != len(pair.images):
        raise BadInput(
            f"{pair.name}: {len(pair.labels):,} labels for {len(pair.images):,} images.",
            "Give the files that belong together.",
        )


def _label(pair: _Pair, row: int, log: ProblemLog) -> Any:
    """The label of a row; ``_BAD`` when it is none, which is noted."""
    if pair.labels is None:
        return None
    value, mend = pair.labels[row], "Correct it, or leave it out."
    if pair.labels.ndim == 2:
        marks = value.astype(np.float32)
        if (np.isnan(marks) | (marks == 0) | (marks == 1)).all():
            return marks
        log.add(pair.name, row + 1, f"Its labels are {marks[:40].tolist()}; 1, 0 or NaN are known.", mend)
        return _BAD
    if pair.labels.dtype.kind == "f" and (not np.isfinite(value) or value != int(value)):
        log.add(pair.name, row + 1, f"The label is {value}, no whole number.", mend)
        return _BAD
    return int(value)


_BAD: Any = object()


def _records(pairs: list[_Pair], log: ProblemLog) -> Iterator[Record]:
    told = any(split_of(pair.name) for pair in pairs)
    for pair in pairs:
        brightest = pair.images.max(initial=0)
        scale = 255.0 if pair.images.dtype.kind == "f" and brightest <= 1 else 1.0
        split = split_of(pair.name) or ("train" if told else None)
        for row, image in enumerate(pair.images):
            pixels = np.clip(np.nan_to_num(image.astype(np.float32)) * scale, 0, 255).astype(np.uint8)
            label = _label(pair, row, log)
            if label is _BAD:
                continue
            yield Record(
                f"{pair.name}-{row:06d}",
                label,
                pixels.reshape(*image.shape[:2], -1),
                pair.name,
                row + 1,
                split,
            )
