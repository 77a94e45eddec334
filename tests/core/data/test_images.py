"""Image files as people have them: turned, transparent, deep, animated."""

from __future__ import annotations

import contextlib
import struct
import sys
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from core.data.images import decode, decoded
from core.errors import DamagedFile

RAMP = np.linspace(0, 65_535, 64).reshape(8, 8)


def saved(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RAMP.astype(np.uint16), "PNG"),
        (RAMP.astype(np.uint16), "TIFF"),
        (RAMP.astype(np.int32), "TIFF"),
        ((RAMP / 65_535).astype(np.float32), "TIFF"),
        ((RAMP / 257).astype(np.float32), "TIFF"),
        ((RAMP * 3_000).astype(np.int32), "TIFF"),
        ((RAMP - 30_000).astype(np.float32), "TIFF"),
    ],
)
def test_deep_grey_is_scaled_and_not_cut_off(values: np.ndarray, kind: str) -> None:
    pixels = decode(saved(Image.fromarray(values), kind))
    assert pixels.shape == (8, 8, 1)
    np.testing.assert_allclose(pixels[..., 0], RAMP / 257, atol=1)


def test_one_grey_of_16_bits_is_the_same_in_all_images() -> None:
    dark = np.full((4, 4), 25_700, np.uint16)
    assert (decode(saved(Image.fromarray(dark))) == 100).all()
    assert (decode(saved(Image.fromarray(np.full((4, 4), 7, np.int32)), "TIFF")) == 7).all()
    assert decode(saved(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF")).shape == (4, 4, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_says(orientation: int) -> None:
    upright = Image.new("RGB", (16, 8), "black")
    upright.paste("white", (0, 0, 8, 4))  # the corner at the top left
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(saved(stored, "PNG", exif=exif))
    assert pixels.shape == (8, 16, 3)
    assert pixels[:4, :8].min() == 255
    assert pixels[4:].max() == pixels[:, 8:].max() == 0


def test_what_is_transparent_lies_on_white() -> None:
    red = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    red.putpixel((1, 2), (0, 0, 255, 255))
    pixels = decode(saved(red))
    assert pixels[2, 1].tolist() == [0, 0, 255]
    assert (pixels[0] == 255).all()
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert (decode(saved(palette, transparency=0)) == 255).all()
    assert decode(saved(palette))[0, 0].tolist() == [10, 20, 30]
    grey = decode(saved(Image.new("LA", (4, 4), (50, 0))))
    assert grey.shape == (4, 4, 1)
    assert (grey == 255).all()


def test_other_kinds_become_grey_or_colour(tmp_path: Path) -> None:
    assert decode(saved(Image.new("CMYK", (4, 4)), "JPEG")).shape == (4, 4, 3)
    assert decode(saved(Image.new("1", (4, 4), 1))).tolist() == np.full((4, 4, 1), 255).tolist()
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    moving = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(moving)[0, 0, 0] > 250, "the first frame"
    with pytest.raises(DamagedFile, match="cannot be decoded"):
        decode(tmp_path / "none.png")


def exif_of(fields: list[tuple[int, int, int, bytes]]) -> bytes:
    """One little-endian directory of (tag, type, count, bytes), as in the APP1 segment of a JPEG."""
    after = 8 + 2 + 12 * len(fields) + 4
    entries = rest = b""
    for tag, kind, count, value in sorted(fields):
        place = value.ljust(4, b"\0")
        if len(value) > 4:
            place, rest = struct.pack("<I", after + len(rest)), rest + value
        entries += struct.pack("<HHI", tag, kind, count) + place
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + rest


TURNED = (0x0112, 3, 1, struct.pack("<H", 6))
PHOTOGRAPH = saved(Image.fromarray(np.repeat(np.arange(0, 240, 8, np.uint8)[None], 20, axis=0)), "JPEG")


def with_exif(block: bytes) -> bytes:
    return PHOTOGRAPH[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + PHOTOGRAPH[2:]


@pytest.mark.parametrize(
    "odd",
    [
        (0x9999, 16, 1, struct.pack("<Q", 1 << 40)),  # a LONG8
        (0x8298, 5, 1, struct.pack("<II", 1, 2)),  # Copyright as a fraction
        (0x011A, 2, 8, b"72 dpi\0\0"),  # XResolution as text
    ],
)
def test_a_photograph_with_an_odd_exif_field_is_turned_all_the_same(
    odd: tuple[int, int, int, bytes],
) -> None:
    pixels = decode(with_exif(exif_of([TURNED, odd])))
    assert pixels.shape == (30, 20, 1)
    assert pixels[0].mean() < 10 < 200 < pixels[-1].mean()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_no_exif_data_end_in_a_traceback() -> None:
    rng = np.random.default_rng(0)
    block = exif_of([TURNED, (0x011A, 5, 1, struct.pack("<II", 72, 1)), (0x010F, 2, 6, b"maker\0")])
    png, webp = (saved(Image.open(BytesIO(PHOTOGRAPH)), kind, exif=block) for kind in ("PNG", "WEBP"))
    turned = 0
    for _ in range(300):
        for content in (with_exif(block), png, webp):
            spoiled = bytearray(content)
            start = spoiled.index(b"II*\0")
            for at in rng.integers(start, start + len(block) - 6, rng.integers(1, 4)):
                spoiled[at] = rng.integers(256)
            try:
                turned += decode(bytes(spoiled)).shape[:2] == (30, 20)
            except DamagedFile:
                continue  # one bad row
    assert turned > 100


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "JPEG2000", "TGA"])
def test_no_spoiled_file_ends_in_a_traceback(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(1)
    content = saved(Image.fromarray(rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)), kind)
    path = tmp_path / ("x.tga" if kind == "TGA" else "x")
    for _ in range(60):
        spoiled = bytearray(content)
        for at in rng.integers(0, min(len(content), 400), rng.integers(1, 6)):
            spoiled[at] = rng.integers(256)
        path.write_bytes(spoiled[: rng.integers(10, len(content) + 1)])
        with contextlib.suppress(DamagedFile):
            assert decode(path).dtype == np.uint8


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("JPEG", "x.jfif"),
        ("JPEG", "x.jpe"),
        ("AVIF", "x.avif"),
        ("JPEG2000", "x.jp2"),
        ("TGA", "x.tga"),
        ("PNG", "x"),
    ],
)
def test_formats_are_read_by_their_content(tmp_path: Path, kind: str, name: str) -> None:
    Image.new("RGB", (8, 6), "red").save(tmp_path / name, kind)
    pixels = decode(tmp_path / name)
    assert pixels.shape == (6, 8, 3)
    assert pixels[3, 4, 0] > 240


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n",
        b"\xd7\xcd\xc6\x9a" + bytes(100),  # WMF
        b"/* XPM */\nstatic char * x[] = {\n",
        b"#define a_width 8\n#define a_height 8\n",
    ],
)
def test_what_is_not_on_the_list_of_formats_is_not_opened(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*args: object, **options: object) -> None:
        pytest.fail("a program was started")

    monkeypatch.setattr("subprocess.Popen", started)
    monkeypatch.setattr("subprocess.check_call", started)
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DamagedFile, match="of no known kind"):
        decode(tmp_path / "x.png")


def test_heic_is_named_where_it_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(DamagedFile, match="needs the package pillow-heif") as caught:
        decode(tmp_path / "x.heic")
    assert "tidyset[heic]" in caught.value.mend


def header(width: int, height: int, depth: int, colour: int) -> bytes:
    """A PNG that says its size, and no more."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + body
        + struct.pack(">I", zlib.crc32(body))
        + b"\0\0\0\0IDAT"
    )


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("size", "colour", "message"),
    [((12_000, 12_000), 0, "128,000,000"), ((11_000, 11_000), 6, "MiB to decode")],
)
def test_what_would_take_too_much_memory_is_refused_by_its_header(
    size: tuple[int, int], colour: int, message: str
) -> None:
    tracemalloc.start()
    with pytest.raises(DamagedFile, match=message):
        decode(header(*size, 8, colour))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_large_grey_of_16_bits_is_scaled_in_parts() -> None:
    content = saved(Image.fromarray(np.full((3_000, 4_000), 25_700, np.uint16)), compress_level=1)
    tracemalloc.start()
    assert (decode(content) == 100).all()
    assert tracemalloc.get_traced_memory()[1] < 160 << 20  # as 64-bit numbers it would be 288 MB
    tracemalloc.stop()


def test_long_texts_are_no_reason_to_refuse_a_picture() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("prompt", "x" * (3 << 20), zip=True)
    content = saved(Image.new("RGB", (8, 8), "red"), pnginfo=texts)
    assert decode(content)[4, 4].tolist() == [255, 0, 0]


def test_what_was_reduced_is_said() -> None:
    pages = [Image.new("L", (8, 8), grey) for grey in (0, 128)]
    tiff = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert decoded(tiff).reductions == ("only the first page of several used",)
    assert decoded(saved(Image.fromarray(RAMP.astype(np.uint16)))).reductions == (
        "16 bits per channel scaled to 8",
    )
    float_grey = decoded(saved(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"))
    assert float_grey.reductions == ("floating-point grey scaled to 8 bits",)
    assert decoded(saved(Image.new("RGBA", (4, 4)))).reductions == ("transparent parts laid on white",)
    assert "CMYK" in decoded(saved(Image.new("CMYK", (4, 4)), "JPEG")).reductions[0]
    assert decoded(PHOTOGRAPH).reductions == ()
    deep = b"".join(b"\0" + struct.pack(">12H", *range(12)) for _ in range(4))
    body = b"IDAT" + zlib.compress(deep)
    colour = (
        header(4, 4, 16, 2)[:-8]
        + struct.pack(">I", len(body) - 4)
        + body
        + struct.pack(">I", zlib.crc32(body))
    )
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    assert decoded(colour + end).reductions == ("16 bits per channel scaled to 8",)
