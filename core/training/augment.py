"""Augmentation of a whole batch at once, as tensors; each kind for its share of the images.

What only moves pixels (flips, shifts, erasing) works on uint8; crops, rotation, bending and sharpness on
float. All draws come from the given generator in a fixed order, and for a whole batch: who has a part of
the batch draws for all of it and uses its own rows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from core.runs.recipe import Recipe


class Draws:
    """Random numbers for the images of a batch, one or more each.

    Args:
        generator: On the images' device.
        n: Images of the whole batch.
        rows: Those of them that are augmented here.
    """

    def __init__(self, generator: torch.Generator, n: int, rows: slice = slice(None)) -> None:
        self._generator, self._n, self._rows = generator, n, rows

    def uniform(self) -> Tensor:
        """(m,) float32 in 0 to 1."""
        return self._own(torch.rand(self._n, generator=self._generator, device=self._generator.device))

    def three_uniform(self) -> Tensor:
        """(3, m) float32 in 0 to 1."""
        drawn = torch.rand(3, self._n, generator=self._generator, device=self._generator.device)
        return drawn[:, self._rows]

    def normal(self, *shape: int) -> Tensor:
        """(m, ...) float32."""
        device = self._generator.device
        return self._own(torch.randn(self._n, *shape, generator=self._generator, device=device))

    def chosen(self, share: float) -> Tensor:
        """(m,) bool, true with probability ``share``."""
        return self.uniform() < share

    def integers(self, low: int, high: int) -> Tensor:
        """(m,) int64, from ``low`` to ``high`` inclusive."""
        device, shape = self._generator.device, (self._n,)
        return self._own(torch.randint(low, high + 1, shape, generator=self._generator, device=device))

    def _own(self, drawn: Tensor) -> Tensor:
        return drawn[self._rows]


def augment(images: Tensor, recipe: Recipe, source: torch.Generator | Draws) -> Tensor:
    """Augment a batch.

    Args:
        images: (n, C, H, W) uint8.
        recipe: Its augmentation fields are used.
        source: A generator on the images' device; draws, where these are only some images of a batch.

    Returns:
        (n, C, H, W), uint8 or float32 in 0 to 255; may share memory with ``images``.
    """
    draws = source if isinstance(source, Draws) else Draws(source, len(images))
    out = _move(images, recipe, draws)
    if recipe.crop_share > 0:
        out = _crop(out.float(), recipe.crop_share, recipe.crop_least, draws)
    if recipe.rotation_share > 0 and recipe.rotation_degrees > 0:
        out = _rotate(out.float(), recipe.rotation_share, recipe.rotation_degrees, draws)
    if recipe.elastic_share > 0:
        out = _bend(out.float(), recipe, draws)
    if recipe.sharpness_share > 0:
        out = _sharpen(out.float(), recipe.sharpness_share, recipe.sharpness_factor, draws)
    if recipe.erasing_share > 0:
        out = _erase(out, recipe.erasing_share, recipe.erasing_size, draws)
    return out


def _move(images: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """Flips and shifts as one gather; what comes in from outside is black."""
    n, _, height, width = images.shape
    device = images.device
    rows = torch.arange(height, device=device).expand(n, height)
    columns = torch.arange(width, device=device).expand(n, width)
    if recipe.flip_share > 0:
        flipped = draws.chosen(recipe.flip_share)[:, None]
        columns = torch.where(flipped, width - 1 - columns, columns)
    if recipe.vertical_flip_share > 0:
        flipped = draws.chosen(recipe.vertical_flip_share)[:, None]
        rows = torch.where(flipped, height - 1 - rows, rows)
    reach = recipe.shift_pixels if recipe.shift_share > 0 else 0
    if reach > 0:
        moved = draws.chosen(recipe.shift_share)
        rows = rows + (draws.integers(-reach, reach) * moved)[:, None]
        columns = columns + (draws.integers(-reach, reach) * moved)[:, None]
        rows, columns = rows + reach, columns + reach
        images = F.pad(images, (reach, reach, reach, reach))
    elif recipe.flip_share == 0 and recipe.vertical_flip_share == 0:
        return images
    return _gather(images, rows, columns)


def _gather(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """out[i, :, y, x] = images[i, :, rows[i, y], columns[i, x]], in channels-last order."""
    n, channels, height, width = images.shape
    pixels = images.permute(0, 2, 3, 1).reshape(n * height * width, channels)
    first = torch.arange(n, device=images.device) * (height * width)
    index = ((rows * width + first[:, None])[:, :, None] + columns[:, None, :]).flatten()
    moved = pixels.index_select(0, index) if channels > 1 else pixels[:, 0].take(index)
    return moved.view(n, rows.shape[1], columns.shape[1], channels).permute(0, 3, 1, 2)


def _rotate(images: Tensor, share: float, degrees: float, draws: Draws) -> Tensor:
    """Turn about the centre by up to ``degrees`` either way, bilinear, black outside."""
    _, _, height, width = images.shape
    chosen = draws.chosen(share)
    angles = (draws.uniform() * 2 - 1) * math.radians(degrees)
    rows = chosen.nonzero()[:, 0] if share < 1 else slice(None)
    turned, angle = images[rows], angles[rows]
    if not len(turned):
        return images
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # affine_grid's coordinates run from -1 to 1 along both axes, whatever the aspect
    matrix = torch.stack([cos, -sin * (height / width), zero, sin * (width / height), cos, zero], dim=1).view(
        -1, 2, 3
    )
    grid = F.affine_grid(matrix, list(turned.shape), align_corners=False)
    turned = F.grid_sample(turned, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return _with_rows(images, rows, turned)


def _crop(images: Tensor, share: float, least: float, draws: Draws) -> Tensor:
    """Cut out a part, its sides from ``least`` to all of the image's, and scale it up, bilinear."""
    chosen = draws.chosen(share)
    drawn = draws.three_uniform()
    rows = chosen.nonzero()[:, 0] if share < 1 else slice(None)
    part, (side, across, down) = images[rows], drawn[:, rows]
    if not len(part):
        return images
    scale = least + (1 - least) * side
    zero, room = torch.zeros_like(scale), 1 - scale
    at = (scale, zero, room * (2 * across - 1), zero, scale, room * (2 * down - 1))
    grid = F.affine_grid(torch.stack(at, dim=1).view(-1, 2, 3), list(part.shape), align_corners=False)
    cut = F.grid_sample(part, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return _with_rows(images, rows, cut)


def _bend(images: Tensor, recipe: Recipe, draws: Draws) -> Tensor:
    """Move a coarse lattice of points at random, and what lies between smoothly with it; black outside."""
    _, _, height, width = images.shape
    device = images.device
    chosen = draws.chosen(recipe.elastic_share)
    lattice = [max(2, round(side / recipe.elastic_spacing)) + 1 for side in (height, width)]
    moves = draws.normal(2, *lattice) * recipe.elastic_pixels
    rows = chosen.nonzero()[:, 0] if recipe.elastic_share < 1 else slice(None)
    part = images[rows]
    if not len(part):
        return images
    smooth = F.interpolate(moves[rows], size=(height, width), mode="bicubic", align_corners=True)
    per_pixel = torch.tensor([2 / width, 2 / height], device=device)
    still = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], device=device).expand(len(part), 2, 3)
    grid = F.affine_grid(still, list(part.shape), align_corners=False)
    grid = grid + smooth.permute(0, 2, 3, 1) * per_pixel
    bent = F.grid_sample(part, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return _with_rows(images, rows, bent)


def _sharpen(images: Tensor, share: float, factor: float, draws: Draws) -> Tensor:
    """Away from (or, below 1, towards) a smoothed copy, as in PIL; the outermost pixels stay."""
    _, channels, height, width = images.shape
    chosen = draws.chosen(share)
    if min(height, width) < 3:
        return images
    rows = chosen.nonzero()[:, 0] if share < 1 else slice(None)
    sharp = images[rows].clone()
    kernel = torch.ones(3, 3, device=images.device)
    kernel[1, 1] = 5
    kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    smooth = F.conv2d(sharp, kernel, groups=channels)
    inner = sharp[:, :, 1:-1, 1:-1]
    inner.copy_((smooth + factor * (inner - smooth)).clamp_(0, 255))
    return _with_rows(images, rows, sharp)


def _with_rows(images: Tensor, rows: Tensor | slice, changed: Tensor) -> Tensor:
    if isinstance(rows, slice):
        return changed
    out = images.clone()
    out[rows] = changed
    return out


def _erase(images: Tensor, share: float, size: float, draws: Draws) -> Tensor:
    """Blacken a rectangle anywhere; each side is 0.3 to 1 times ``size`` of the image's."""
    _, _, height, width = images.shape
    chosen = draws.chosen(share)
    inside = []
    for length in (height, width):
        longest = max(1, round(size * length))
        extent = draws.integers(max(1, round(0.3 * longest)), longest)
        start = draws.integers(0, length - 1) - extent // 2
        along = torch.arange(length, device=images.device)
        inside.append((along >= start[:, None]) & (along < (start + extent)[:, None]))
    mask = (inside[0] & chosen[:, None])[:, :, None] & inside[1][:, None, :]
    return images.masked_fill(mask[:, None], 0)
