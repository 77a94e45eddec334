"""Image stores: one uint8 array for small images of one size, files decoded on demand for the rest."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import DamagedFile
from core.files import confined

_DEEP_GREY = {"I;16", "I;16L", "I;16B", "I;16N", "I", "F"}
Image.MAX_IMAGE_PIXELS = 64_000_000  # a decompression bomb is an error, not a warning, above twice this


def as_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Grey (..., 1) to colour (..., 3) by repetition, colour to grey by ITU-R 601 luma; else unchanged."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(luma)[..., None].astype(np.uint8)


def decode(path: Path | bytes) -> NDArray[np.uint8]:
    """Decode an image file, or the content of one, to (H, W, C) uint8, C being 1 for grey and 3 for all else.

    It is turned as its EXIF data say, as browsers show it; what is transparent lies on white; grey of more
    than eight bits is scaled (see ``_eight_bits``). Of an animation it is the first frame.

    Raises:
        DamagedFile: The file is missing, truncated, not an image or too large.
    """
    try:
        with Image.open(io.BytesIO(path) if isinstance(path, bytes) else path) as image:
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode in _DEEP_GREY:
                converted = _eight_bits(image)
            else:
                visible = _on_white(image) if image.has_transparency_data else image
                converted = np.asarray(visible.convert("L" if visible.mode in {"1", "L"} else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow's own words would name the file once more, which for an upload is a temporary one.
        why = "of no known kind" if isinstance(error, UnidentifiedImageError) else error
        raise DamagedFile(
            f"{'The image' if isinstance(path, bytes) else path} cannot be decoded ({why}).",
            "Replace the file, or leave the image out.",
        ) from error
    return converted[:, :, None] if converted.ndim == 2 else converted


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
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    low, high = float(values.min()), float(values.max())
    ranges = [(0, 65_535)] if image.mode.startswith("I;16") else [(0, 255), (0, 65_535)]
    ranges = [(0, 1), (0, 255)] if image.mode == "F" else ranges
    start, end = next((known for known in ranges if known[0] <= low and high <= known[1]), (low, high))
    return np.rint((values - start) / max(end - start, 1e-12) * 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """N images of one size in one uint8 array (N, H, W, C), usually a memory map.

    Attributes:
        pixels: The array itself, for work on all images at once.
    """

    pixels: NDArray[np.uint8]

    @property
    def uniform(self) -> tuple[int, int, int] | None:
        _, height, width, channels = self.pixels.shape
        return height, width, channels

    @cached_property
    def sizes(self) -> NDArray[np.int32]:
        return np.broadcast_to(np.array(self.pixels.shape[1:3], np.int32), (len(self.pixels), 2))

    def read(self, position: int) -> NDArray[np.uint8]:
        return np.asarray(self.pixels[position])

    def resized(
        self, positions: NDArray[np.int64], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        chosen = as_channels(np.asarray(self.pixels[positions]), channels)
        if chosen.shape[1:3] == (height, width):
            return chosen
        return np.stack([resize(image, height, width) for image in chosen])


@dataclass(frozen=True, eq=False)
class FileImages:
    """N image files below a folder, decoded when asked for.

    Attributes:
        folder: The folder that confines them.
        files: (N,) str, paths relative to it.
        sizes: (N, 2) int32, height and width.
    """

    folder: Path
    files: NDArray[np.str_]
    sizes: NDArray[np.int32]

    @property
    def uniform(self) -> tuple[int, int, int] | None:
        return None

    def read(self, position: int) -> NDArray[np.uint8]:
        try:
            path = confined(self.folder, str(self.files[position]))
        except (ValueError, SystemError) as error:  # characters that are none, or NUL
            raise DamagedFile(
                f"The name of image {position} is garbled ({error}).", "Import the data set again."
            ) from error
        return decode(path)

    def resized(
        self, positions: NDArray[np.int64], height: int, width: int, channels: int
    ) -> NDArray[np.uint8]:
        out = np.empty((len(positions), height, width, channels), np.uint8)
        for row, position in enumerate(positions):
            out[row] = as_channels(resize(self.read(int(position)), height, width), channels)
        return out


def resize(image: NDArray[Any], height: int, width: int) -> NDArray[np.uint8]:
    """The image (H, W, C) scaled bilinearly to (height, width, C)."""
    if image.shape[:2] == (height, width):
        return image
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    resized = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.uint8)
    return resized.reshape(height, width, image.shape[2])
