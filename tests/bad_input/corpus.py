"""The corpus of broken inputs: for each the reader, the content, and what the message has to say of it."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import pickle
import sqlite3
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bad_input.readers import (
    CARD,
    CVAT,
    FIXES,
    N,
    arrow,
    coco,
    csv_text,
    idx_images,
    idx_labels,
    label_studio,
    npy,
    npz,
    parquet,
    patch,
    pictures,
    pixels,
    png,
    run_json,
    table,
    tarred,
    zipped,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A broken input.

    Attributes:
        reader: Of tests.bad_input.readers.
        name: What is broken.
        content: Of the reader's file.
        says: A regular expression that the error's message has to match, the file's name apart.
        row: The row that it has to name, where there is one.
        file: What it has to name: the reader's file unless another, such as the table that names a picture.
    """

    reader: str
    name: str
    content: bytes
    says: str
    row: int | None = None
    file: str | None = None


def line(number: int, content: bytes, text: bytes) -> bytes:
    """``content`` with its line ``number`` (from 1) replaced."""
    lines = content.split(b"\n")
    lines[number - 1] = text
    return b"\n".join(lines)


def cell(number: int, column: int, text: str, content: bytes) -> bytes:
    """``content`` with one cell of a line replaced; neither may be quoted."""
    cells = content.split(b"\n")[number - 1].split(b",")
    cells[column] = text.encode()
    return line(number, content, b",".join(cells))


def pixel_csv() -> Iterator[Case]:
    sound = csv_text()
    of_range = ("-1", "256", "1e9", "nan", "inf", "-inf", "1e400", "-0.1", "255.6")
    no_number = [
        "abc",
        "",
        "1-",
        "1 2",
        "12;",
        "None",
        "true",
        "--5",
        "5.5.5",
        "½",
        "$5",
        "1e",
        "#",
        "0b1",
        "− 5",
        "NULL",
    ]
    pixel_values = dict.fromkeys(of_range, "not in 0 to 255") | dict.fromkeys(no_number, "no number")
    for number, (value, says) in enumerate(pixel_values.items()):
        row = 2 + number % 10
        yield Case("pixel csv", f"pixel {value!r}", cell(row, 5, value, sound), says, row)
        yield Case("gzipped csv", f"pixel {value!r}", gzip.compress(cell(row, 9, value, sound)), says, row)
    for value, says in {
        "": "label is missing",
        "na": "label is missing",
        "NaN": "label is missing",
        "null": "missing",
        "-1": "label is -1",
        "-7": "label is -7",
    }.items():
        yield Case("pixel csv", f"label {value!r}", cell(4, 0, value, sound), says, 4)
        with_header = b"label," + b",".join(b"p%d" % i for i in range(64)) + b"\n" + cell(4, 0, value, sound)
        yield Case("pixel csv with header", f"label {value!r}", with_header, says, 5)
    lines = sound.split(b"\n")
    yield Case("pixel csv", "a short row", line(3, sound, lines[2][:40]), "columns, but 65 were expected", 3)
    yield Case(
        "pixel csv", "a long row", line(3, sound, lines[2] + b",1,2"), "67 columns, but 65 were expected", 3
    )
    yield Case("pixel csv", "two rows in one", line(6, sound, lines[5] + b"," + lines[6]), "130 columns", 6)
    yield Case(
        "pixel csv",
        "another separator in one row",
        line(6, sound, lines[5].replace(b",", b";")),
        "1 columns",
        6,
    )
    yield Case("pixel csv", "a quote that is never closed", line(7, sound, b'"' + lines[6]), "columns", 7)
    yield Case("pixel csv", "NUL bytes", line(8, sound, b"\0" * 30), "columns", 8)
    yield Case("pixel csv", "cut in a row", sound[: len(sound) - 30], "columns", 12)
    yield Case(
        "pixel csv", "only a header", b"label," + b",".join(b"p%d" % i for i in range(64)), "no format"
    )
    yield Case(
        "pixel csv", "rows that make no square", b"\n".join(row + b",0" for row in lines if row), "no format"
    )
    yield Case("pixel csv", "UTF-16", sound.decode().encode("utf-16"), "no format")
    yield Case("pixel csv", "nothing", b"", "empty")
    yield Case("pixel csv", "blank lines", b"\n\n\n", "no format")
    yield Case("pixel csv", "one number", b"1", "no format")
    yield Case(
        "pixel csv", "an error page", b"<!doctype html><title>404</title><p>Not found</p>\n", "no format"
    )
    zipped_text = gzip.compress(sound)
    yield Case(
        "gzipped csv",
        "cut in the middle",
        zipped_text[: len(zipped_text) // 2],
        "cannot be read|no format|ended",
    )
    yield Case(
        "gzipped csv",
        "a wrong check sum",
        zipped_text[:-8] + b"\0\0\0\0" + zipped_text[-4:],
        "cannot be read on",
        1,
    )
    yield Case("gzipped csv", "no gzip behind the magic", b"\x1f\x8b" + sound, "no format")


def tables() -> Iterator[Case]:
    sound = table()
    yield Case("table", "no such image", sound.replace(b"a3.png", b"z.png"), "no image 'z.png'", 5)
    yield Case("table", "a path out", sound.replace(b"a3.png", b"../a3.png"), "leads out of the folder", 5)
    yield Case(
        "table", "an absolute path", sound.replace(b"a3.png", b"/etc/x.png"), "no image '/etc/x.png'", 5
    )
    yield Case("table", "a NUL in a path", sound.replace(b"a3.png", b"a\0.png"), "no image that is here")
    yield Case("table", "an image twice", sound.replace(b"a3.png", b"a2.png"), "occurs twice", 5)
    yield Case("table", "a row too short", line(4, sound, b"a2.png,cat"), "2 columns; 4 were expected", 4)
    yield Case(
        "table", "a row too long", line(4, sound, b"a2.png,cat,x,train,1,2"), "6 columns; 4 were expected", 4
    )
    yield Case("table", "an unknown split", line(4, sound, b"a2.png,cat,x,later"), "split is 'later'", 4)
    yield Case(
        "table",
        "bytes of no encoding",
        sound.replace(b"a photo, 3", b"ein Fu\x81"),
        "not UTF-8: line 5 has the byte 0x81",
    )
    yield Case("table", "no image column", b"name,label\nx,cat\ny,dog\n", "no image 'x'|no format|no image")
    yield Case(
        "table", "an unclosed quote", line(4, sound, b'a2.png,cat,"never closed,train'), "The split is"
    )
    yield Case("table", "NULs", b"\0" * 50 + sound, "no image that is here")
    several = "\n".join(["file,cat,dog", *(f"a{i}.png,{i % 2},{1 - i % 2}" for i in range(N))]).encode()
    for value in ("2", "-2", "maybe", "0.5", "x", "1;0", "yes!", "\u2713", "11", "t"):
        spoiled = several.replace(b"a5.png,1,0", f"a5.png,{value},0".encode())
        yield Case("table of several labels", f"cell {value!r}", spoiled, "neither 1, 0 nor NA", 7)
    yield Case("picture", "no picture", b"this is no picture", "cannot be decoded", 5, "labels.csv")
    yield Case("picture", "nothing in it", b"", "cannot be decoded", 5, "labels.csv")
    lists = "\n".join(["file,labels", *(f'a{i}.png,"cat dog"' for i in range(N))]).encode()
    yield Case("table of lists", "an image twice", lists.replace(b"a3.png", b"a2.png"), "occurs twice", 5)
    yield Case("table of lists", "no encoding", lists.replace(b"cat", b"\x81", 1), "not UTF-8: line 2")
    whole = pictures()["a3.png"]
    for size in (4, 8, 20, 33, 40, 60, 80):
        yield Case("picture", f"cut after {size} bytes", whole[:size], "cannot be decoded", 5, "labels.csv")
    big = whole[:16] + struct.pack(">II", 90_000, 90_000) + whole[24:]
    yield Case("picture", "a header of 8 gigapixels", big, "cannot be decoded", 5, "labels.csv")
    yield Case(
        "picture",
        "a header without height",
        whole[:20] + bytes(4) + whole[24:],
        "cannot be decoded",
        5,
        "labels.csv",
    )
    yield Case(
        "picture",
        "an SVG",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        "cannot be decoded",
        5,
        "labels.csv",
    )
    yield Case("picture", "a PDF", b"%PDF-1.4\n%%EOF", "cannot be decoded", 5, "labels.csv")
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    for reader, kind in (
        ("jpeg", "JPEG"),
        ("gif", "GIF"),
        ("tiff", "TIFF"),
        ("webp", "WEBP"),
        ("bmp", "BMP"),
    ):
        content = png(noise if kind != "GIF" else noise[..., 0], kind)
        yield Case(reader, "nothing in it", b"", "cannot be decoded")
        yield Case(reader, "only its first bytes", content[:9], "cannot be decoded")
        yield Case(reader, "cut in the middle", content[: len(content) // 2], "cannot be decoded")
        yield Case(reader, "text", b"hello" * 30, "cannot be decoded")


def idx() -> Iterator[Case]:
    images, labels = idx_images(), idx_labels()
    for size in (0, 1, 3, 4, 8, 15):
        yield Case(
            "idx images", f"cut after {size} bytes", images[:size], "empty|begins with|cannot be read|no idx"
        )
    for size in (16, 17, 200, len(images) - 1):
        yield Case(
            "idx images",
            f"cut after {size} bytes",
            images[:size],
            "announces 12 images and holds",
            1 + (size - 16) // 64,
        )
    yield Case(
        "idx images", "signed bytes", b"\0\0\x09\x03" + images[4:], "begins with the bytes 00 00 09 03"
    )
    yield Case("idx images", "floats", b"\0\0\x0d\x03" + images[4:], "begins with the bytes")
    yield Case("idx images", "five dimensions", b"\0\0\x08\x05" + images[4:], "begins with the bytes")
    yield Case("idx images", "no width", images[:12] + bytes(4) + images[16:], "announces images of 8 x 0")
    yield Case(
        "idx images",
        "gigapixels",
        images[:8] + struct.pack(">II", 60_000, 60_000),
        "announces images of 60000 x 60000",
    )
    yield Case(
        "idx images",
        "more images than labels",
        struct.pack(">IIII", 0x803, 20, 8, 8) + bytes(20 * 64),
        "12 labels for the 20 images",
    )
    yield Case("idx labels", "cut", labels[:12], "announces 12 labels and holds 4")
    yield Case("idx labels", "too many", labels + bytes(3), "announces 12 labels and holds")
    yield Case(
        "idx labels",
        "another number",
        struct.pack(">II", 0x801, 9) + labels[8:17],
        "9 labels for the 12 images",
    )
    packed = gzip.compress(images)
    yield Case("gzipped idx", "cut", packed[: len(packed) // 2], "ends in the middle|holds")
    yield Case(
        "gzipped idx", "spoiled", packed[:60] + bytes(40) + packed[100:], "ends in the middle|holds|cannot"
    )
    yield Case("gzipped idx", "no gzip", b"\x1f\x8b" + images, "cannot be read|begins")


def arrays() -> Iterator[Case]:
    images, labels = pixels(), np.arange(N) % 3
    sound = npy(images)
    objects = io.BytesIO()
    np.save(objects, np.array([{"a": 1}], object), allow_pickle=True)
    yield Case("npy images", "objects", objects.getvalue(), "holds pickled objects")
    yield Case("npy images", "a bare pickle", pickle.dumps([1]), "holds pickled objects")
    for size in (0, 5, 6, 8, 20, 100):
        yield Case("npy images", f"cut after {size} bytes", sound[:size], "empty|damaged|no format|in no")
    yield Case("npy images", "cut among its images", sound[:-100], "announces 12 images and ends after", 11)
    yield Case(
        "npy images",
        "a header that is code",
        sound.replace(b"'shape': (12, 8, 8)", b"'shape': f(12,8)  "),
        "damaged",
    )
    yield Case(
        "npy images",
        "a header of negative shape",
        sound.replace(b"(12, 8, 8)", b"(-1, 8, 8)"),
        "damaged|sensible|announces|empty|not one|images of",
    )
    for name, array in {
        "complex numbers": images.astype(np.complex64),
        "text": np.full((N, 8, 8), "x"),
        "dates": np.zeros((N, 8, 8), "M8[s]"),
        "five axes": images.reshape(N, 8, 2, 2, 2),
        "no axis": np.array(5),
        "no width": np.zeros((N, 8, 0), np.uint8),
    }.items():
        yield Case("npy images", name, npy(array), "no numbers|no format|pixels|not one usable")
    for name, value in {"NaN": np.nan, "infinite": np.inf, "-1": -1.0, "300": 300.0}.items():
        spoiled = images.astype(np.float32)
        spoiled[6, 2, 2] = value
        yield Case("npy images", f"a pixel of {name}", npy(spoiled), "no number|values reach", 7)
    yield Case("npy images", "seven channels", npy(np.zeros((N, 8, 8, 7), np.uint8)), "7 channels", 1)
    yield Case("npy images", "rows that make no square", npy(np.zeros((N, 63), np.uint8)), "make no square")
    yield Case("npy labels", "too few", npy(labels[:9]), "9 labels for the 12 images")
    yield Case("npy labels", "too many", npy(np.arange(15) % 3), "15 labels for the 12 images")
    for name, label in {"1.5": 1.5, "NaN": np.nan, "infinite": np.inf, "-3": -3.0}.items():
        spoiled = labels.astype(np.float64)
        spoiled[4] = label
        yield Case("npy labels", f"a label of {name}", npy(spoiled), "no whole number|label is -3", 5)
    two = np.eye(3)[labels]
    two[2] = 1
    yield Case("npy labels", "two classes in one row of one-hot labels", npy(two), "3 classes are marked", 3)
    yield Case(
        "npy labels", "half a class", npy(np.full((N, 3), 0.5, np.float32)), "1, 0 or NaN are known", 1
    )
    yield Case("npy labels", "complex", npy(labels.astype(np.complex64)), "complex")
    yield Case("npy labels", "dates", npy(labels.astype("M8[s]")), "datetime64")
    yield Case("npz", "objects", _with_member("x.npy", objects.getvalue()), "holds pickled objects")
    yield Case("npz", "cut", npz(x=images)[:-30], "damaged|no format")
    yield Case("npz", "a member of text", _with_member("x.npy", b"hello"), "damaged")
    yield Case("npz", "an empty member", _with_member("x.npy", b""), "damaged")
    yield Case("npz", "no image in it", npz(y=labels), "no format")
    spoiled_zip = bytearray(npz(x=images, y=labels))
    spoiled_zip[200:260] = bytes(60)
    yield Case("npz", "spoiled in a member", bytes(spoiled_zip), "damaged|no number|announces")
    for name, value in {
        "a list": [1, 2],
        "a dictionary": {"x": 1},
        "text": "hello",
        "None": None,
        "a set": {1},
    }.items():
        yield Case("pickle", name, pickle.dumps(value), "pickle|arrays")
    yield Case(
        "pickle",
        "a function to call",
        b"cos\nsystem\n(S'echo'\ntR.",
        "os.system|instruction|nothing of it was run",
    )
    yield Case(
        "pickle",
        "an object of NumPy's that is no array",
        pickle.dumps(np.random.default_rng(1).bit_generator.state),
        "arrays|holds",
    )
    yield Case("pickle", "cut", pickle.dumps(images)[:-20], "no sound pickle")
    yield Case("pickle", "nothing", b"", "empty|no sound pickle")
    yield Case("pickle", "no pickle", b"\x89PNG", "no sound pickle|instruction")
    yield Case("pickle", "no axis", pickle.dumps(np.array(3)), "no array of images|arrays")
    yield Case("pickle", "seven channels", pickle.dumps(np.zeros((N, 8, 8, 7), np.uint8)), "8 x 8 x 7")
    yield Case("pickle", "no width", pickle.dumps(np.zeros((N, 8, 0), np.uint8)), "8 x 0")
    yield Case(
        "pickle of labels", "too few", pickle.dumps(labels[:5]), "5 labels for 12 images", file="images"
    )
    yield Case("pickle of labels", "NaN", pickle.dumps(np.full(N, np.nan)), "label is nan", 1, file="images")
    yield Case("pickle of labels", "1.5", pickle.dumps(np.full(N, 1.5)), "label is 1.5", 1, file="images")
    yield Case("pickle of labels", "no axis", pickle.dumps(np.array(1)), "single number", file="source")
    yield Case("pickle of labels", "negative", pickle.dumps(labels - 5), "label is -5", 1, file="images")
    yield Case(
        "pickle of labels",
        "three axes",
        pickle.dumps(np.zeros((N, 2, 2), np.uint8)),
        "labels|images",
        file="images",
    )
    yield Case(
        "pickle of labels",
        "sevens among yes and no",
        pickle.dumps(np.full((N, 3), 7.0)),
        "1, 0 or NaN are known",
        1,
        file="images",
    )


def _with_member(name: str, content: bytes) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as file:
        file.writestr(name, content)
    return found.getvalue()


def columns() -> Iterator[Case]:
    content = list(pictures().values())
    for reader, write in (("parquet", parquet), ("arrow", arrow)):
        labels: list[Any] = [i % 3 for i in range(N)]
        yield Case(reader, "no image column", write(label=labels), "no image column")
        yield Case(
            reader, "no row", write(image=[b""][:0], label=[0][:0]), "empty|not one image|no format|damaged"
        )
        yield Case(
            reader,
            "an image that is none",
            write(image=[*content[:4], b"x", *content[5:]], label=labels),
            "cannot be decoded",
            5,
        )
        yield Case(
            reader,
            "a missing image",
            write(image=[*content[:4], None, *content[5:]], label=labels),
            "bytes are missing",
            5,
        )
        yield Case(
            reader,
            "images as paths",
            write(image=[f"a{i}.png" for i in range(N)], label=labels),
            "bytes are missing",
            1,
        )
        yield Case(
            reader,
            "objects as labels",
            write(image=content, label=[{"a": 1}] * N),
            "a number or a name was expected",
            1,
        )
        yield Case(
            reader,
            "fractions as labels",
            write(image=content, label=[0.5] * N),
            "a number or a name was expected",
            1,
        )
        whole = write(image=content, label=labels)
        yield Case(reader, "cut", whole[: len(whole) // 2], "damaged")
        yield Case(reader, "its first bytes", whole[:8], "damaged")
        yield Case(
            reader,
            "spoiled in the middle",
            whole[:300] + b"\xff" * 200 + whole[500:],
            "damaged|cannot be decoded|missing",
        )
        yield Case(reader, "spoiled at the end", whole[:-60] + b"\xff" * 60, "damaged|no format")

    whole = arrow(image=content, label=[i % 3 for i in range(N)])
    offsets = np.cumsum([0, *map(len, content)]).astype("<i4").tobytes()
    at = whole.index(offsets)
    beyond = whole[: at + 4] + struct.pack("<i", 1 << 30) + whole[at + 8 :]
    yield Case("arrow", "offsets beyond the end, which ended the process", beyond, "damaged")


def archives() -> Iterator[Case]:
    whole = zipped()
    yield Case("zip", "cut", whole[: len(whole) // 2], "no format|damaged")
    yield Case("zip", "nothing in it", _with_member("readme.txt", b"hello"), "no format|known here")
    yield Case(
        "zip",
        "a picture that is none",
        _zip({**{f"s/a/{k}": v for k, v in pictures().items()}, "s/b/x.png": b"no"}),
        "cannot be decoded",
        file="b/x.png",
    )
    yield Case(
        "zip",
        "a path out",
        _zip({**{f"s/a/{k}": v for k, v in pictures().items()}, "../../x.png": b"no"}),
        "leads out of the folder",
        13,
    )
    yield Case("zip", "a bomb", _zip({"s/a/1.png": bytes(30 << 20)}, zipfile.ZIP_DEFLATED), "zip bomb", 1)
    yield Case(
        "zip",
        "an empty class folder",
        _zip({**{f"s/a/{k}": v for k, v in pictures().items()}, "s/b/x.txt": b"no"}),
        "holds no image",
        file="b",
    )
    flag = bytearray(whole)
    flag[6] |= 1  # the first member says that it needs a password; so does the directory
    directory = whole.index(b"PK\x01\x02")
    flag[directory + 8] |= 1
    yield Case("zip", "a password", bytes(flag), "cannot be unpacked", 1)
    packed = tarred()
    yield Case("tar", "cut", packed[: len(packed) // 2], "damaged|no format")
    yield Case("tar", "a link", _tar(tarfile.SYMTYPE), "link or a device", 1)
    yield Case("tar", "a hard link", _tar(tarfile.LNKTYPE), "link or a device", 1)
    yield Case("tar", "a device", _tar(tarfile.CHRTYPE), "link or a device", 1)
    yield Case("tar", "a pipe", _tar(tarfile.FIFOTYPE), "link or a device", 1)
    yield Case("tar", "nothing in it", gzip.compress(bytes(10_240)), "no format|known here|not one")


def _zip(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", how) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return found.getvalue()


def _tar(kind: bytes) -> bytes:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as file:
        link = tarfile.TarInfo("set/a/0.png")
        link.type, link.linkname = kind, "/etc/passwd"
        file.addfile(link)
        for name, picture in pictures().items():
            info = tarfile.TarInfo(f"set/b/{name}")
            info.size = len(picture)
            file.addfile(info, io.BytesIO(picture))
    return found.getvalue()


def edits() -> Iterator[Case]:
    sound = patch()
    for name, header, says in (
        ("nothing", b"", "first line is no"),
        ("no JSON", b"hello", "first line is no"),
        ("a list", b"[]", "first line is no"),
        ("a newer format", sound.split(b"\n")[0].replace(b'_patch": 1', b'_patch": 9'), "format 9"),
        ("no classes", b'{"tidyset_patch": 1, "dataset": "a"}', "line 1"),
        ("a task that is none", sound.split(b"\n")[0].replace(b"single-label", b"other"), "line 1"),
        ("deeply nested", b"[" * 100_000, "first line is no"),
    ):
        yield Case("patch", f"a header: {name}", line(1, sound, header), says)
    good = json.loads(sound.split(b"\n")[2])
    for name, change, says in (
        ("no image", {"image": None}, "image"),
        ("a short hash", {"image": "12"}, "image"),
        ("an unknown kind", {"kind": "paint"}, "kind"),
        ("a number as the person", {"who": 5}, "who"),
        ("no time", {"when": "yesterday"}, "when"),
        ("a time without its zone", {"when": "2026-01-02T03:04:05"}, "when"),
        ("a foreign field", {"colour": 1}, "colour"),
        ("an unknown class", {"new": "cow"}, "cow"),
        ("evidence of text", {"evidence": "x"}, "evidence"),
        ("a class beside one label", {"class": "cat"}, "class"),
        ("no new label", {"new": None}, "label|new"),
    ):
        yield Case("patch", name, line(3, sound, json.dumps({**good, **change}).encode()), says, 3)
    yield Case("patch", "a cut line", line(3, sound, sound.split(b"\n")[2][:60]), "cut short", 3)
    yield Case("patch", "a line twice", line(4, sound, sound.split(b"\n")[2]), "same as line 3", 4)
    yield Case("patch", "not a number", line(3, sound, b'{"image": NaN}'), "JSON", 3)
    for name, content, says in (
        ("nothing", b"", "neither JSON nor XML"),
        ("text", b"hello", "neither JSON nor XML"),
        ("cut", coco()[:60], "neither JSON"),
        ("a number", b"5", "neither Label Studio"),
        ("an empty object", b"{}", "neither Label Studio"),
        ("deeply nested", b"[" * 100_000, "neither JSON"),
        ("an unknown category", coco().replace(b'"category_id": 2', b'"category_id": 9'), "COCO write it"),
        ("no file name", coco().replace(b"file_name", b"name"), "COCO write it"),
        ("text for its images", coco().replace(b'"images": [', b'"images": ["x", '), "COCO write it"),
        ("Latin-1", b'{"images": "\xdf"}', "neither JSON"),
    ):
        yield Case("coco", name, content, says)
    for name, old, new, says in (
        ("tasks without data", b'"data"', b'"date"', "neither Label Studio"),
        ("choices that are none", b'"choices": ["cat"]', b'"choices": 5', "Label Studio"),
        ("no result", b'"result"', b'"results"', "Label Studio"),
        ("annotations that are none", b'"annotations": [{', b'"annotations": [5, {', "Label Studio"),
        (
            "data that is none",
            b'"data": {"image"',
            b'"data": 5, "other": {"image"',
            "Label Studio|unhashable|int",
        ),
    ):
        yield Case("label studio", name, label_studio().replace(old, new), says)
    for name, content, says in (
        ("cut", CVAT[:150], "no XML"),
        (
            "an entity",
            CVAT.replace(b"<annotations>", b'<!DOCTYPE a [<!ENTITY x "y">]><annotations>'),
            "declares entities",
        ),
        ("another root", CVAT.replace(b"annotations", b"tags"), "begins with <tags>"),
        ("no XML", b"<<<", "no XML"),
        ("an unknown encoding", CVAT.replace(b"utf-8", b"utf-99"), "no XML"),
    ):
        yield Case("cvat", name, content, says)
    for name, content, says in (
        ("Latin-1", FIXES.replace(b"cow", b"k\xfch"), "not UTF-8: line 4 has the byte 0xfc"),
        ("an open quote", FIXES.replace(b'd",', b"d,"), "line 4: unexpected end of data"),
        ("a cell too many", FIXES.replace(b"b,dog,", b"b,b,dog,"), "line 3, has 5 cells; the header has 4"),
        ("a cell too few", FIXES.replace(b",bo", b""), "line 2, has 3 cells; the header has 4"),
        ("no label", FIXES.replace(b"label", b"guess"), "lacks a column"),
        ("a column twice", FIXES.replace(b"who", b"label"), "two columns 'label'"),
        ("classes taken out", b"item_id,label cat,exported\na,1,0|1\n", "line 2: .* tells of 2 classes"),
    ):
        yield Case("label table", name, content, says)
    yield Case("label parquet", "cut", b"PAR1 and nothing else", "no Parquet table")
    yield Case("label parquet", "no label", parquet(item_id=["a"], guess=["cat"]), "lacks a column")


def settings() -> Iterator[Case]:
    for name, content, says in (
        ("no TOML", b"epochs : 3", "no TOML"),
        ("an unknown field", b"colour = 3", "colour"),
        ("text for a number", b'epochs = "many"', "epochs"),
        ("no epoch", b"epochs = 0", "epochs"),
        ("a negative rate", b"learning_rate = -1", "learning_rate"),
        ("not a number", b"learning_rate = nan", "learning_rate"),
        ("an unknown model", b'model = "gpt"', "model"),
        ("a field twice", b"epochs = 1\nepochs = 2", "no TOML"),
        ("Latin-1", b'notes = "\xdf"', "no TOML"),
        ("a huge number", b"epochs = 999999999999", "epochs"),
        ("a table", b"[epochs]\nx = 1", "epochs"),
        ("cut", b'model = "pl', "no TOML"),
    ):
        yield Case("recipe", name, content, says)
    for name, content, says in (
        ("nothing", b"", "cannot be read"),
        ("a list", b"[]", "no JSON object"),
        ("a missing class", b'{"classes": {"cat": ["cat"]}}', "dog"),
        ("a foreign class", b'{"classes": {"cat": ["cat"], "dog": ["dog"], "cow": ["cow"]}}', "cow"),
        (
            "a template without braces",
            b'{"templates": ["x"], "classes": {"cat": ["cat"], "dog": ["dog"]}}',
            r"has no \{\}",
        ),
        ("no word", b'{"classes": {"cat": [], "dog": ["dog"]}}', "empty|cat"),
        ("a number for words", b'{"classes": {"cat": 5, "dog": ["dog"]}}', "cat|words"),
        ("numbers as words", b'{"classes": {"cat": [5], "dog": ["dog"]}}', "cat|words"),
        (
            "templates that are none",
            b'{"templates": 5, "classes": {"cat": ["cat"], "dog": ["dog"]}}',
            "templates",
        ),
        ("deeply nested", b"[" * 100_000, "cannot be read"),
    ):
        yield Case("prompts", name, content, says)
    for name, content, says in (
        ("nothing", b"", "no JSON"),
        ("a list", b"[]", "no JSON"),
        ("no towers", b'{"embed_dim": 8}', "lacks vision_cfg, text_cfg"),
        ("a configuration of text", b'{"model_cfg": "x"}', "lacks|model_cfg"),
    ):
        yield Case("clip config", name, content, says)


def stored() -> Iterator[Case]:
    for name, content in (
        ("nothing", b""),
        ("text", b"hello"),
        ("a length that lies", struct.pack("<Q", 1 << 50) + b"{}"),
        ("no header", struct.pack("<Q", 2) + b"[]"),
        ("a pickle", pickle.dumps({"w": 1})),
    ):
        yield Case("checkpoint", name, content, "is no checkpoint")
        yield Case("weights", name, content, "no safetensors file")
        yield Case("model", name, content, "no model of Tidyset")
        yield Case("predictions", name, content, "cannot be read")
    about = json.loads(run_json())
    for name, content, says in (
        ("nothing", b"", "cannot be read"),
        ("a list", b"[]", "no JSON object"),
        ("cut", run_json()[:40], "cannot be read"),
        ("no name", _without(about, "name"), "lacks or garbles"),
        ("text for a time", _with(about, created="then"), "lacks or garbles"),
        ("text for the job", _with(about, job="x"), "lacks or garbles"),
        ("nothing for the job", _with(about, job=None), "lacks or garbles"),
        ("deeply nested", b"[" * 100_000, "cannot be read"),
        (
            "infinity for a version",
            run_json().replace(b'"label_version": 0', b'"label_version": 1e999'),
            "lacks or garbles",
        ),
    ):
        yield Case("run.json", name, content, says)
    for name, content, says in (
        ("nothing", b"", "cannot be read"),
        ("a newer format", b'{"format": 99}', "format 99"),
        ("nothing but the format", b'{"format": 1}', "lacks or garbles"),
        ("a list", b"[]", "no JSON object"),
    ):
        yield Case("stored dataset.json", name, content, says)
    yield Case("stored captions.json", "no captions", b"{}", "captions")
    yield Case("stored captions.json", "too few", b'{"captions": ["one"]}', "captions")
    yield Case("stored captions.json", "cut", b'{"captions": ["one', "cannot be read")
    for part in ("labels", "item_ids", "sizes"):
        yield Case(f"stored {part}.npy", "nothing", b"", "cannot be read")
        yield Case(f"stored {part}.npy", "too short", npy(np.zeros(3, np.int64)), "has 3 rows")
        yield Case(f"stored {part}.npy", "no axis", npy(np.array(3)), "rows|cannot be read")
        yield Case(f"stored {part}.npy", "cut", npy(np.zeros(N, np.int64))[:-9], "cannot be read")


def workspaces() -> Iterator[Case]:
    """What else a workspace holds: much of it was found by the fuzzer."""
    sound = npy(pixels())
    yield Case(
        "npy images",
        "a header that never ends",
        sound.replace(b"(12, 8, 8)", b"(12, 8, 8 "),
        "damaged",
    )
    lists = "\n".join(["file,labels", *(f'a{i}.png,"cat dog"' for i in range(N))]).encode()
    yield Case(
        "table of lists",
        "a carriage return in a name",
        lists.replace(b"a0.png", b"a\r.png"),
        "There is no image",
        2,
    )
    header = b"{}"
    card = json.dumps({"__metadata__": {"card": "null"}}).encode()
    yield Case("model", "a card of nothing", struct.pack("<Q", len(card)) + card, "no model of Tidyset")
    for name, value in (
        ("height", [[]]),
        ("width", 1e308),
        ("width", True),
        ("width", ""),
        ("channels", {}),
        ("channels", float("nan")),
        ("height", float("inf")),
        ("height", 10**40),
        ("image_width", -1),
        ("model", [[]]),
        ("classes", "cat"),
        ("mean", ""),
        ("std", [float("nan")]),
    ):
        about = json.dumps({"__metadata__": {"card": json.dumps({**CARD, name: value})}}).encode()
        content = struct.pack("<Q", len(about)) + about
        said = f"(no model of Tidyset.*{name} is|it has a number of 41 digits)"
        yield Case("whole model", f"{name} is {value!r}", content, said)
    about = json.dumps({"__metadata__": {"card": json.dumps({**CARD, "height": 0})}}).encode()
    yield Case("whole model", "images of no height", struct.pack("<Q", len(about)) + about, "cannot be read")
    for name, content in (("nothing", b""), ("a pickle", pickle.dumps({"w": 1})), ("no header", header)):
        yield Case("whole model", name, content, "no model of Tidyset")
    ids, split = [f"a{i}" for i in range(N)], ["test"] * N
    probs = {f"p{k}": np.full(N, 1 / 3, np.float32) for k in range(3)}
    for name, changed in (
        ("no label", {"label": [None, *[0] * (N - 1)]}),
        ("a label that is no class", {"label": [7] * N}),
        ("an unknown split", {"split": ["later"] * N}),
        ("a probability that is no number", {"p1": np.full(N, np.nan, np.float32)}),
        ("text for a probability", {"p1": ["x"] * N}),
    ):
        columns = {"item_id": ids, "split": split, "label": [0] * N, **probs, **changed}
        yield Case("predictions", name, _predictions(**columns), "cannot be read")
    for name, change, says in (
        ("no plan", {"job": {}}, "no sound search plan"),
        ("a plan of text", {"job": {"plan": "x"}}, "no sound search plan"),
        ("a plan without trials", {"job": {"plan": {"axes": []}}}, "no sound search plan"),
        (
            "an unknown objective",
            {"job": {"plan": {"axes": [], "n_trials": 3, "objective": "luck"}}},
            "no sound search plan",
        ),
    ):
        yield Case("study", name, _with(json.loads(run_json()), **change), says)
    kept = {"values": [0.4, 0.6], "aim": "f1", "precision": 0.9, "n": [], "at_half": [], "nested": []}
    for name, content in (
        ("one too few", _with(kept, values=[0.4])),
        ("beyond one", _with(kept, values=[0.4, 7])),
        ("not a number", _with(kept, values=[0.4, float("nan")])),
        ("text", _with(kept, values="ab")),
        ("no aim", _without(kept, "aim")),
        ("text for a count", _with(kept, n=["x"])),
    ):
        yield Case("thresholds", name, content, "garbled")
    arrays = {"labels": np.zeros(N), "pred_probs": np.zeros((N, 3)), "neighbours": np.zeros((N, 10))}
    for name, area in (
        ("too few", np.zeros(3)),
        ("a number", np.array(1.0)),
        ("dates", np.zeros(N, "M8[s]")),
    ):
        says = "do not fit together|another kind"
        yield Case("evidence", f"area: {name}", npz(**arrays, area=area), says)
    yield Case("evidence", "an array is missing", npz(**arrays), "cannot be read")
    yield Case("evidence", "cut", npz(**arrays, area=np.zeros(N))[:200], "cannot be read")
    empty = io.BytesIO(npz(**arrays))
    with zipfile.ZipFile(empty, "a") as file:
        file.writestr("area.npy", b"")
    yield Case("evidence", "an array of nothing", empty.getvalue(), "is no array")
    quality = {"trustworthiness": 1, "continuity": 1, "purity": None, "n_neighbors": 5, "n_sampled": 9}
    yield Case("map quality", "one is missing", _without(quality, "continuity"), "garbled")
    yield Case("map quality", "text", _with(quality, n_sampled="many"), "garbled")
    for name, array in {
        "too few": np.ones((3, 4), np.float16),
        "no axis": np.array(1.0),
        "whole numbers": np.ones((N, 4), np.int64),
    }.items():
        yield Case("features", name, npy(array), r"for 12 items")
    yield Case("journal", "no database", b"hello" * 300, "no label journal")
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE edits (number INTEGER)")
        unparsed = database.serialize().replace(b"CREATE TABLE", b"CREATE \xaaABLE")
    yield Case("journal", "a schema that is no text", unparsed, "no label journal")
    yield Case(
        "journal", "its first bytes only", b"SQLite format 3\0" + bytes(3_000), "no label journal|database"
    )
    yield Case("outbox", "no database", b"hello" * 300, "no label journal|no database")
    for name, content, says in (
        ("nothing", b"", "cannot be read"),
        ("an empty object", b"{}", "lacks or garbles run, data"),
        ("a list", b"[]", "no JSON object"),
    ):
        yield Case("crossval", name, content, says)
    for part, array in {
        "split": np.full(N, 7, np.int8),
        "labels": np.full(N, 9, np.int64),
        "content_hashes": np.zeros((N, 3), np.uint8),
        "files": np.zeros(N),
        "images": np.zeros((N, 8, 8, 7), np.uint8),
    }.items():
        yield Case(f"stored {part}.npy", "values that cannot be", npy(array), "holds")


def _predictions(**columns: Any) -> bytes:
    content = io.BytesIO()
    about = {"classes": "cat\x1fdog\x1fcow", "run": "r1", "label_version": "0", "fingerprint": "0"}
    pq.write_table(pa.table(columns).replace_schema_metadata(about), content)
    return content.getvalue()


def _with(value: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**value, **changes}).encode()


def _without(value: dict[str, Any], name: str) -> bytes:
    return json.dumps({key: part for key, part in value.items() if key != name}).encode()


def cases() -> list[Case]:
    """All of them."""
    return [
        case
        for group in (
            pixel_csv,
            tables,
            idx,
            arrays,
            columns,
            archives,
            edits,
            settings,
            stored,
            workspaces,
        )
        for case in group()
    ]
