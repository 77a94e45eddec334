"""What an image tower is fed: the same as open_clip's own transform makes of each image."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
from PIL import Image

from core.embeddings.clip_pixels import Preprocessing, resampling, scaled

MEAN, STD = (0.48, 0.45, 0.40), (0.26, 0.26, 0.27)


@pytest.mark.parametrize("resize", ["squash", "shortest"])
@pytest.mark.parametrize("shape", [(28, 28, 1), (40, 52, 3), (97, 61, 3), (300, 200, 3)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_many_at_once_as_open_clip_one_by_one(
    resize: str, shape: tuple[int, int, int], interpolation: str
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    theirs = open_clip.image_transform(
        64, is_train=False, mean=MEAN, std=STD, resize_mode=resize, interpolation=interpolation
    )
    found = scaled(images, Preprocessing(64, 64, MEAN, STD, resize, interpolation, "given"))
    assert found.shape == (3, 64, 64, 3)
    for ours, image in zip(found, images, strict=True):
        picture = Image.fromarray(image[:, :, 0] if shape[2] == 1 else image)
        wanted = np.asarray(theirs(picture)).transpose(1, 2, 0)
        normalised = (ours / np.float32(255) - MEAN) / STD
        assert np.abs(normalised - wanted).max() < 1.01 / 255 / min(STD)  # one level
        assert np.abs(normalised - wanted).mean() < 0.02 / 255 / min(STD)


def test_weights_of_every_pixel_sum_to_one() -> None:
    for n_in, n_out in ((28, 224), (224, 28), (7, 7)):
        assert resampling(n_in, n_out, "bicubic").sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(resampling(7, 7, "bicubic"), np.eye(7, dtype=np.float32))
