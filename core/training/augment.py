"""Augmentation of a whole batch at once, as tensors; each kind for its share of the images.

What only moves pixels (flips, shifts, erasing) works on uint8; crops, rotation, bending and sharpness on
float. All draws come from the given generator in a fixed order.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from core.runs.recipe import Recipe


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Augment a batch.

    Args:
        images: (n, C, H, W) uint8.
        recipe: Its augmentation fields are used.
        generator: On the images' device.

    Returns:
        (n, C, H, W), uint8 or float32 in 0 to 255; may share memory with ``images``.
    """
    out = _move(images, recipe, generator)
    if recipe.crop_share > 0:
        out = _crop(out.float(), recipe.crop_share, recipe.crop_least, generator)
    if recipe.rotation_share > 0 and recipe.rotation_degrees > 0:
        out = _rotate(out.float(), recipe.rotation_share, recipe.rotation_degrees, generator)
    if recipe.elastic_share > 0:
        out = _bend(out.float(), recipe, generator)
    if recipe.sharpness_share > 0:
        out = _sharpen(out.float(), recipe.sharpness_share, recipe.sharpness_factor, generator)
    if recipe.erasing_share > 0:
        out = _erase(out, recipe.erasing_share, recipe.erasing_size, generator)
    return out


def _chosen(n: int, share: float, generator: torch.Generator) -> Tensor:
    """(n,) bool, true with probability ``share``."""
    return torch.rand(n, generator=generator, device=generator.device) < share


def _integers(n: int, low: int, high: int, generator: torch.Generator) -> Tensor:
    """(n,) int64, from ``low`` to ``high`` inclusive."""
    return torch.randint(low, high + 1, (n,), generator=generator, device=generator.device)


def _move(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Flips and shifts as one gather; what comes in from outside is black."""
    n, _, height, width = images.shape
    device = images.device
    rows = torch.arange(height, device=device).expand(n, height)
    columns = torch.arange(width, device=device).expand(n, width)
    if recipe.flip_share > 0:
        flipped = _chosen(n, recipe.flip_share, generator)[:, None]
        columns = torch.where(flipped, width - 1 - columns, columns)
    if recipe.vertical_flip_share > 0:
        flipped = _chosen(n, recipe.vertical_flip_share, generator)[:, None]
        rows = torch.where(flipped, height - 1 - rows, rows)
    reach = recipe.shift_pixels if recipe.shift_share > 0 else 0
    if reach > 0:
        moved = _chosen(n, recipe.shift_share, generator)
        rows = rows + (_integers(n, -reach, reach, generator) * moved)[:, None]
        columns = columns + (_integers(n, -reach, reach, generator) * moved)[:, None]
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


def _rotate(images: Tensor, share: float, degrees: float, generator: torch.Generator) -> Tensor:
    """Turn about the centre by up to ``degrees`` either way, bilinear, black outside."""
    n, _, height, width = images.shape
    chosen = _chosen(n, share, generator)
    angles = (torch.rand(n, generator=generator, device=images.device) * 2 - 1) * math.radians(degrees)
    rows = chosen.nonzero()[:, 0] if share < 1 else slice(None)
    turned, angle = images[rows], angles[rows]
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # affine_grid's coordinates run from -1 to 1 along both axes, whatever the aspect
    matrix = torch.stack([cos, -sin * (height / width), zero, sin * (width / height), cos, zero], dim=1).view(
        -1, 2, 3
    )
    grid = F.affine_grid(matrix, list(turned.shape), align_corners=False)
    turned = F.grid_sample(turned, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return _with_rows(images, rows, turned)


def _crop(images: Tensor, share: float, least: float, generator: torch.Generator) -> Tensor:
    """Cut out a part, its sides from ``least`` to all of the image's, and scale it up, bilinear."""
    n = len(images)
    chosen = _chosen(n, share, generator)
    drawn = torch.rand(3, n, generator=generator, device=images.device)
    rows = chosen.nonzero()[:, 0] if share < 1 else slice(None)
    part, (side, across, down) = images[rows], drawn[:, rows]
    scale = least + (1 - least) * side
    zero, room = torch.zeros_like(scale), 1 - scale
    at = (scale, zero, room * (2 * across - 1), zero, scale, room * (2 * down - 1))
    grid = F.affine_grid(torch.stack(at, dim=1).view(-1, 2, 3), list(part.shape), align_corners=False)
    cut = F.grid_sample(part, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return _with_rows(images, rows, cut)


def _bend(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Move a coarse lattice of points at random, and what lies between smoothly with it; black outside."""
    n, _, height, width = images.shape
    device = images.device
    chosen = _chosen(n, recipe.elastic_share, generator)
    lattice = [max(2, round(side / recipe.elastic_spacing)) + 1 for side in (height, width)]
    moves = torch.randn(n, 2, *lattice, generator=generator, device=device) * recipe.elastic_pixels
    rows = chosen.nonzero()[:, 0] if recipe.elastic_share < 1 else slice(None)
    part = images[rows]
    smooth = F.interpolate(moves[rows], size=(height, width), mode="bicubic", align_corners=True)
    per_pixel = torch.tensor([2 / width, 2 / height], device=device)
    still = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], device=device).expand(len(part), 2, 3)
    grid = F.affine_grid(still, list(part.shape), align_corners=False)
    grid = grid + smooth.permute(0, 2, 3, 1) * per_pixel
    bent = F.grid_sample(part, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return _with_rows(images, rows, bent)


def _sharpen(images: Tensor, share: float, factor: float, generator: torch.Generator) -> Tensor:
    """Away from (or, below 1, towards) a smoothed copy, as in PIL; the outermost pixels stay."""
    n, channels, height, width = images.shape
    chosen = _chosen(n, share, generator)
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


def _erase(images: Tensor, share: float, size: float, generator: torch.Generator) -> Tensor:
    """Blacken a rectangle anywhere; each side is 0.3 to 1 times ``size`` of the image's."""
    n, _, height, width = images.shape
    chosen = _chosen(n, share, generator)
    inside = []
    for length in (height, width):
        longest = max(1, round(size * length))
        extent = _integers(n, max(1, round(0.3 * longest)), longest, generator)
        start = _integers(n, 0, length - 1, generator) - extent // 2
        along = torch.arange(length, device=images.device)
        inside.append((along >= start[:, None]) & (along < (start + extent)[:, None]))
    mask = (inside[0] & chosen[:, None])[:, :, None] & inside[1][:, None, :]
    return images.masked_fill(mask[:, None], 0)
