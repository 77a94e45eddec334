"""The one place that opens image files: which formats, how large, turned how, reduced how.

Pillow would run Ghostscript on an EPS file that is called x.png, and reads forty formats of which nobody
needs most; a small file can also decode to gigabytes. So formats are an allow-list, and memory is bounded by
the header, before anything is decoded.
"""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import BadInput

MOST_PIXELS = 128_000_000
MOST_BYTES = 1536 << 20
"""Memory that decoding may take: the image, its copies on the way, and the array that comes of it."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "JPEG2000")
_BY_NAME = {".tga": "TGA"}
"""Formats that no first bytes tell: any file might be one, so the name has to say it."""
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_DEEP_GREY = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
_BYTES_PER_PIXEL = {"1": 2, "L": 2, "P": 12, "RGB": 11, "RGBA": 16, "I;16": 4, "I;16B": 4, "I": 7, "F": 7}
_OTHER_MODES = 16
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_ROWS = 1 << 22
"""Pixels that are scaled at once: as 64-bit numbers they take 32 MiB."""
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the orientation of EXIF 2.3, section 4.6.4."""
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # for what other packages open; _check_size counts bytes too


@dataclass(frozen=True, eq=False)
class Decoded:
    """An image as an array.

    Attributes:
        pixels: (H, W, C) uint8, C being 1 for grey and 3 for all else.
        reductions: What was lost on the way, each in words: "16 bits per channel scaled to 8".
    """

    pixels: NDArray[np.uint8]
    reductions: tuple[str, ...]


@contextmanager
def open_image(source: Path | bytes, formats: tuple[str, ...] = FORMATS) -> Iterator[Image.Image]:
    """Open an image file, or the content of one, for the enclosed block; nothing is decoded yet.

    Raises:
        BadInput: It is HEIC and what reads that is not installed, or decoding takes too much memory.
        Exception: It cannot be read; Pillow's plug-ins raise errors of many kinds.
    """
    chosen = [*formats, *_formats_by_name(source), *_heif(_start_of(source))]
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=chosen) as image:
        _check_size(image)
        yield image


def decode_image(source: Path | bytes) -> Decoded:
    """Decode an image file, or the content of one.

    It is turned as its EXIF data say, as browsers show it; what is transparent lies on white; grey of more
    than eight bits is scaled (see ``_eight_bits``). Of an animation or several pages it is the first.

    Raises:
        BadInput: See ``open_image``.
        Exception: It cannot be read; Pillow's plug-ins raise errors of many kinds.
    """
    try:
        return _decoded(source)
    except ValueError as error:
        if "MAX_TEXT" not in str(error):
            raise
        content = source if isinstance(source, bytes) else source.read_bytes()
        return _decoded(_without_texts(content))


def _decoded(source: Path | bytes) -> Decoded:
    with open_image(source) as image:
        reductions = _bits_lost(image)
        image.load()
        turned = _turned(image)
        if turned.mode in _DEEP_GREY:
            pixels = _eight_bits(turned)
        else:
            if turned.has_transparency_data:
                reductions.append("transparent parts laid on white")
                turned = _on_white(turned)
            elif turned.mode == "CMYK":
                reductions.append("four channels (CMYK) converted to RGB")
            pixels = np.asarray(turned.convert("L" if turned.mode in {"1", "L"} else "RGB"))
        if image.format in ("TIFF", "GIF") and _has_more(image):
            part = "page" if image.format == "TIFF" else "frame"
            reductions.append(f"only the first {part} of several used")
    return Decoded(pixels[:, :, None] if pixels.ndim == 2 else pixels, tuple(reductions))


def _start_of(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:16]
    with source.open("rb") as file:
        return file.read(16)


def _formats_by_name(source: Path | bytes) -> list[str]:
    named = _BY_NAME.get(source.suffix.lower()) if isinstance(source, Path) else None
    return [named] if named else []


def _heif(start: bytes) -> list[str]:
    """The format of HEIC files, where this is one. Raises BadInput where it cannot be read."""
    if start[4:8] != b"ftyp" or start[8:12] not in _HEIF_BRANDS:
        return []
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        said = "HEIC, which needs the package pillow-heif"
        raise BadInput(said, 'Install it (pip install "tidyset[heic]"), or save the image as JPEG.') from None
    return ["HEIF"]


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    n_pixels = width * height
    n_bytes = n_pixels * _BYTES_PER_PIXEL.get(image.mode, _OTHER_MODES)
    if n_pixels > MOST_PIXELS:
        raise BadInput(f"{width:,} x {height:,} pixels, more than {MOST_PIXELS:,}", "Scale it down.")
    if n_bytes > MOST_BYTES:
        said = (
            f"{width:,} x {height:,} pixels of mode {image.mode}, which take {n_bytes >> 20:,} MiB to decode"
        )
        raise BadInput(said, "Scale it down.")


def _turned(image: Image.Image) -> Image.Image:
    """The image as its EXIF data say that it is to be looked at.

    Pillow's own ``exif_transpose`` writes the EXIF data again, and stumbles over fields that are odd.
    """
    try:
        orientation = image.getexif().get(0x0112)
    except Exception:  # odd EXIF data raise errors of many kinds, and say nothing then
        return image
    return image.transpose(_TURNED[orientation]) if orientation in _TURNED else image


def _has_more(image: Image.Image) -> bool:
    try:
        image.seek(1)
    except Exception:  # EOFError where there is no more; a page that cannot be read was not used either
        return False
    return True


def _bits_lost(image: Image.Image) -> list[str]:
    """What eight bits cannot hold, by the header: Pillow keeps only eight of each channel of a colour."""
    raw = str(getattr(image, "tile", ""))
    if image.mode == "F":
        return ["floating-point grey scaled to 8 bits"]
    if image.mode == "I" and ";16" not in raw and image.format != "PNG":
        return ["32 bits per channel scaled to 8"]
    if image.mode in _DEEP_GREY or ";16" in raw:
        return ["16 bits per channel scaled to 8"]
    return []


def _on_white(image: Image.Image) -> Image.Image:
    """What is seen of an image with transparent parts on a white page."""
    grey = image.mode in {"LA", "La", "L", "1"}
    seen = image.convert("RGBA")
    page = Image.new("RGBA", seen.size, "white")
    return Image.alpha_composite(page, seen).convert("L" if grey else "RGB")


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W) uint8 of grey with 16 or 32 bits a pixel, or floats.

    16 bits by all that they can say, and floats from 0 to 1 by that: so one grey is the same in all images.
    What fits into eight bits stays. Of other ranges nobody knows the ends: each image by its own.
    """
    values = np.asarray(image)
    rows = max(1, _ROWS // max(values.shape[1], 1))
    blocks = [slice(start, start + rows) for start in range(0, len(values), rows)]
    low = min(float(np.nan_to_num(values[block].astype(np.float64)).min()) for block in blocks)
    high = max(float(np.nan_to_num(values[block].astype(np.float64)).max()) for block in blocks)
    ranges = [(0, 65_535)] if image.mode.startswith("I;16") else [(0, 255), (0, 65_535)]
    ranges = [(0, 1), (0, 255)] if image.mode == "F" else ranges
    start, end = next((known for known in ranges if known[0] <= low and high <= known[1]), (low, high))
    scale = 255 / max(end - start, 1e-12)
    out = np.empty(values.shape, np.uint8)
    for block in blocks:
        out[block] = np.rint((np.nan_to_num(values[block].astype(np.float64)) - start) * scale)
    return out


def _without_texts(content: bytes) -> bytes:
    """A PNG without its texts, which may be long and say nothing of the pixels."""
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        if content[at + 4 : at + 8] not in _PNG_TEXTS:
            kept.append(content[at : at + 12 + length])
        at += 12 + length
    return b"".join(kept)
