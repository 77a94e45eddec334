from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from core.runs.recipe import Recipe, make_recipe
from core.training.augment import augment

CPU = torch.device("cpu")


def images(n: int = 64, channels: int = 2, height: int = 9, width: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(1, 256, (n, channels, height, width), dtype=torch.uint8, generator=generator)


def apply(batch: Tensor, **changes: float) -> Tensor:
    return augment(batch, make_recipe(changes), torch.Generator().manual_seed(1))


def test_nothing_switched_on_changes_nothing() -> None:
    batch = images()
    assert torch.equal(augment(batch, Recipe(), torch.Generator()), batch)


@pytest.mark.parametrize(("field", "axis"), [("flip_share", 3), ("vertical_flip_share", 2)])
def test_flips_mirror_their_share(field: str, axis: int) -> None:
    batch = images(400)
    assert torch.equal(apply(batch, **{field: 1.0}), batch.flip(axis))
    half = apply(batch, **{field: 0.5})
    mirrored = (half == batch.flip(axis)).flatten(1).all(1)
    untouched = (half == batch).flatten(1).all(1)
    assert (mirrored | untouched).all()
    assert 150 < mirrored.sum() < 250


def test_a_shift_moves_all_channels_by_the_same_whole_pixels() -> None:
    batch = images(300, channels=3)
    moved = apply(batch, shift_share=1.0, shift_pixels=2)
    padded = torch.nn.functional.pad(batch, (2, 2, 2, 2))
    windows = [padded[:, :, y : y + 9, x : x + 12] for y in range(5) for x in range(5)]
    matches = torch.stack([(moved == window).flatten(1).all(1) for window in windows])
    assert matches.any(0).all()
    assert (matches.sum(1) > 0).all(), "every one of the 25 moves occurs"


def test_a_rotation_by_a_full_angle_range_keeps_the_centre_and_the_aspect() -> None:
    batch = torch.zeros(50, 1, 21, 41, dtype=torch.uint8)
    batch[:, :, 10, 20] = 200  # the centre
    batch[:, :, 10, 26] = 200  # six pixels right of it
    turned = apply(batch, rotation_share=1.0, rotation_degrees=180)
    assert turned.dtype == torch.float32
    torch.testing.assert_close(turned[:, 0, 10, 20], torch.full((50,), 200.0), atol=1e-2, rtol=0)
    y, x = torch.meshgrid(torch.arange(21) - 10.0, torch.arange(41) - 20.0, indexing="ij")
    outer = turned[:, 0] * ((y**2 + x**2) > 4)
    radius = (outer * (y**2 + x**2).sqrt()).sum((1, 2)) / outer.sum((1, 2))
    torch.testing.assert_close(radius, torch.full((50,), 6.0), atol=0.2, rtol=0)


def test_a_rotation_turns_only_its_share() -> None:
    batch = images(400)
    turned = apply(batch, rotation_share=0.25)
    changed = (turned != batch).flatten(1).any(1)
    assert 70 < changed.sum() < 130


def test_sharpness_is_pils() -> None:
    batch = images(3, channels=3)
    sharp = apply(batch, sharpness_share=1.0, sharpness_factor=2.0)
    for before, after in zip(batch, sharp, strict=True):
        picture = Image.fromarray(before.permute(1, 2, 0).numpy())
        expected = np.asarray(ImageEnhance.Sharpness(picture).enhance(2.0), np.float32)
        np.testing.assert_allclose(after.permute(1, 2, 0).numpy(), expected, atol=1.5)


def test_erasing_blackens_one_rectangle_of_its_share() -> None:
    batch = images(400, height=20, width=20)
    erased = apply(batch, erasing_share=0.5, erasing_size=0.5)
    black = (erased == 0).all(1)
    assert torch.equal(erased[~black[:, None].expand_as(erased)], batch[~black[:, None].expand_as(batch)])
    touched = black.flatten(1).any(1)
    assert 150 < touched.sum() < 250
    rows, columns = black.any(2).sum(1), black.any(1).sum(1)
    assert torch.equal(black.flatten(1).sum(1), rows * columns), "it is a rectangle"
    assert rows.max() <= 10
    assert columns.max() <= 10


def test_the_same_generator_gives_the_same_images() -> None:
    changes = {"flip_share": 0.5, "shift_share": 0.5, "rotation_share": 0.5, "erasing_share": 0.5}
    assert torch.equal(apply(images(), **changes), apply(images(), **changes))


def test_bending_moves_points_by_about_so_many_pixels_and_more_where_asked() -> None:
    batch = torch.zeros(400, 1, 41, 61, dtype=torch.uint8)
    batch[:, :, 20, 30] = 200
    y, x = torch.meshgrid(torch.arange(41) - 20.0, torch.arange(61) - 30.0, indexing="ij")

    def spread(**changes: float) -> tuple[float, float]:
        bent = apply(batch, elastic_share=1.0, **changes)[:, 0]
        weight = bent.sum((1, 2)).clamp_min(1e-6)
        found = weight > 50  # a single pixel may fall between two others
        down, across = ((bent * at).sum((1, 2)) / weight for at in (y, x))
        return float(down[found].std()), float(across[found].std())

    for pixels in (1.0, 2.0):
        for moved in spread(elastic_pixels=pixels, elastic_spacing=10.0):
            assert 0.5 * pixels < moved < 1.2 * pixels, "between the points of the lattice it is less"
    flat = images(8).float().mul(0).add(7).to(torch.uint8)
    inner = apply(flat, elastic_share=1.0, elastic_pixels=0.3)[:, :, 3:-3, 3:-3]
    torch.testing.assert_close(inner, torch.full_like(inner, 7.0))


def test_only_the_share_is_bent() -> None:
    batch = images(400)
    bent = apply(batch, elastic_share=0.25)
    same = (bent == batch).flatten(1).all(1)
    assert 260 < same.sum() < 340
