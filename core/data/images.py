"""Image stores: one uint8 array for small images of one size, files decoded on demand for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from core.data.image_opening import Decoded, decode_image
from core.errors import BadInput, DamagedFile
from core.files import confined


def as_channels(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Grey (..., 1) to colour (..., 3) by repetition, colour to grey by ITU-R 601 luma; else unchanged."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(luma)[..., None].astype(np.uint8)


def decode(path: Path | bytes) -> NDArray[np.uint8]:
    """The pixels of ``decoded``."""
    return decoded(path).pixels


def decoded(path: Path | bytes) -> Decoded:
    """Decode an image file, or the content of one: see core.data.image_opening.decode_image.

    Raises:
        DamagedFile: The file is missing, truncated, not an image or too large.
    """
    try:
        return decode_image(path)
    except MemoryError:
        why, mend = "there is not enough memory", "Scale it down, or leave the image out."
    except BadInput as error:
        why, mend = error.problem, error.mend
    except UnidentifiedImageError:
        # Pillow's own words would name the file once more, which for an upload is a temporary one.
        why, mend = "of no known kind", "Replace the file, or leave the image out."
    except Exception as error:  # decoders of damaged files raise errors of many kinds
        why, mend = str(error) or type(error).__name__, "Replace the file, or leave the image out."
    raise DamagedFile(f"{'The image' if isinstance(path, bytes) else path} cannot be decoded ({why}).", mend)


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
