"""A heat map over an image: coloured where it is hot, untouched where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.overlay import enlarged, overlaid


@pytest.mark.parametrize("channels", [1, 3])
def test_only_hot_places_are_coloured(channels: int) -> None:
    pixels = np.full((8, 8, channels), 100, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[:, 6:] = 1
    shown = overlaid(pixels, heat)
    assert shown.shape == (8, 8, 3)
    assert (shown[:, :5] == 100).all()
    assert (shown[:, 7, 0] > shown[:, 7, 2] + 50).all()


def test_small_heat_is_stretched_over_a_large_image() -> None:
    heat = np.array([[0, 1], [0, 1]], np.float32)
    shown = overlaid(np.zeros((40, 60, 3), np.uint8), heat)
    assert shown.shape == (40, 60, 3)
    assert shown[:, 0].max() == 0
    assert shown[:, -1, 0].min() > 100


def test_a_small_image_is_enlarged_by_whole_pixels() -> None:
    pixels = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    assert enlarged(pixels, 7).shape == (6, 6, 1)
    assert (enlarged(pixels, 7)[:3, 3:, 0] == 1).all()
    assert enlarged(pixels, 1).shape == (2, 2, 1)
