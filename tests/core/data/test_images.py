"""Image files as people have them: turned, transparent, deep, animated."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.images import decode
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
