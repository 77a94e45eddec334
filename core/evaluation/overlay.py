"""A heat map laid over an image, as pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_COLD, _HOT = np.array([255, 190, 60], np.float32), np.array([216, 40, 30], np.float32)
_STRENGTH = 0.75


def overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The image with yellow to red where the heat is, nothing where there is none.

    Args:
        pixels: (H, W, C) uint8, C being 1 or 3.
        heat: float32, 0 to 1, of any height and width; it is stretched smoothly over the image.

    Returns:
        (H, W, 3) uint8.
    """
    base = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.float32)
    height, width = pixels.shape[:2]
    stretched = Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR)
    share = np.asarray(stretched, np.float32)[..., None]
    colour = _COLD + (_HOT - _COLD) * share
    weight = _STRENGTH * share
    return np.asarray(base * (1 - weight) + colour * weight, np.uint8)


def enlarged(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A small image blown up by a whole factor, each pixel a square, to at most ``side``; else unchanged."""
    factor = max(1, side // max(pixels.shape[:2]))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)
