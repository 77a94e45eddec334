"""Thumbnails: sheets of 1,024 tiles, so that a screen of pictures is a handful of cacheable requests.

Tile ``p % 1024`` of sheet ``p // 1024`` shows item ``p``: 32 tiles a row, each a square of
``tile_side(dataset)`` pixels, the image fitted into its middle on a transparent ground. Sheets are WebP
files in the data set's ``sheets`` folder, made when first asked for. An image that cannot be decoded gets a
crossed-out tile, so that one bad file costs one tile.
"""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from core.data.dataset import Dataset
from core.errors import DamagedFile, NotFound, StorageFailed
from core.files import write_bytes

TILES = 1024
COLUMNS = 32
MAX_SIDE = 96
LOSSLESS_SIDE = 32
MAX_PICTURE_SIDE = 1600
MADE_AHEAD = 100
"""So many sheets are made with an import, 100,000 images: for more, nobody should have to wait."""

# Many requests for one sheet wait for one maker; different sheets rarely share a lock.
_locks = [threading.Lock() for _ in range(16)]


def tile_side(dataset: Dataset) -> int:
    """Pixels of a tile's edge: the longest side of any image, at most 96."""
    sizes = dataset.images.sizes
    return int(min(sizes.max(), MAX_SIDE)) if len(sizes) else MAX_SIDE


def n_sheets(dataset: Dataset) -> int:
    """How many sheets hold all items."""
    return -(-len(dataset) // TILES)


def sheet_file(dataset: Dataset, number: int) -> Path:
    """The file of sheet ``number``, made now if it is missing.

    Raises:
        NotFound: There is no such sheet.
        StorageFailed: It cannot be kept (disk full or read-only); sheet_bytes works all the same.
    """
    path = _path(dataset, number)
    with _locks[hash(path) % len(_locks)]:
        if not _is_whole(path):
            write_bytes(path, _render_sheet(dataset, number))
    return path


def _is_whole(path: Path) -> bool:
    """Whether a sheet is there and can be decoded, looked at once a process; else it is made again."""
    try:
        about = path.stat()
    except OSError:
        return False
    return _decodes(path, about.st_mtime_ns, about.st_size)


@functools.lru_cache(maxsize=4_096)
def _decodes(path: Path, written_ns: int, n_bytes: int) -> bool:
    try:
        with Image.open(path) as sheet:
            sheet.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    return True


def sheet_bytes(dataset: Dataset, number: int) -> bytes:
    """Sheet ``number`` as WebP. Raises NotFound when there is no such sheet."""
    try:
        return sheet_file(dataset, number).read_bytes()
    except (StorageFailed, OSError):
        return _render_sheet(dataset, number)


def make_sheets(dataset: Dataset, on_progress: Callable[[float], None] = lambda share: None) -> None:
    """Make those of the first MADE_AHEAD sheets that are missing; the others wait until they are looked at.

    Args:
        dataset: The data set.
        on_progress: Called with the share done, 0 to 1, after each sheet.

    Raises:
        StorageFailed: The disk is full or read-only.
    """
    total = min(n_sheets(dataset), MADE_AHEAD)
    for number in range(total):
        sheet_file(dataset, number)
        on_progress((number + 1) / total)


def picture_png(dataset: Dataset, position: int) -> bytes:
    """One whole image as PNG, scaled down when its longer side exceeds 1,600 pixels.

    Raises:
        NotFound: There is no item at that position.
        DamagedFile: The image cannot be decoded.
    """
    if not 0 <= position < len(dataset):
        raise NotFound(
            f"Data set {dataset.name!r} has no item {position}.", f"It has items 0 to {len(dataset) - 1}."
        )
    picture = _as_picture(dataset.images.read(position))
    picture.thumbnail((MAX_PICTURE_SIDE, MAX_PICTURE_SIDE))
    return _encode(picture, "PNG", compress_level=3)


def _path(dataset: Dataset, number: int) -> Path:
    if not 0 <= number < n_sheets(dataset):
        raise NotFound(
            f"Data set {dataset.name!r} has no thumbnail sheet {number}.",
            f"It has sheets 0 to {n_sheets(dataset) - 1}.",
        )
    return dataset.folder / "sheets" / f"{number:05d}.webp"


def _render_sheet(dataset: Dataset, number: int) -> bytes:
    positions = np.arange(number * TILES, min((number + 1) * TILES, len(dataset)))
    side = tile_side(dataset)
    if dataset.images.uniform is not None and dataset.images.uniform[:2] == (side, side):
        sheet = _tiled(dataset.images.resized(positions, side, side, dataset.images.uniform[2]))
    else:
        sheet = _fitted(dataset, positions, side)
    if side <= LOSSLESS_SIDE:
        return _encode(sheet, "WEBP", lossless=True, quality=20, method=0)  # 20 ms, 15 % larger than 100 ms
    return _encode(sheet, "WEBP", quality=80, method=2)


def _tiled(images: NDArray[np.uint8]) -> Image.Image:
    """Square images (n, S, S, C) side by side, without a copy for each of them."""
    n, side, _, channels = images.shape
    rows = -(-n // COLUMNS)
    grid = np.zeros((rows * COLUMNS, side, side, channels), np.uint8)
    grid[:n] = images
    grid = grid.reshape(rows, COLUMNS, side, side, channels).transpose(0, 2, 1, 3, 4)
    return _as_picture(grid.reshape(rows * side, COLUMNS * side, channels)).convert("RGB")


def _fitted(dataset: Dataset, positions: NDArray[np.int64], side: int) -> Image.Image:
    """Images of any size, each scaled into a square of ``side`` pixels."""
    sheet = Image.new("RGBA", (COLUMNS * side, -(-len(positions) // COLUMNS) * side))
    for place, position in enumerate(positions.tolist()):
        tile = thumbnail(dataset, position, side)
        left = place % COLUMNS * side + (side - tile.width) // 2
        top = place // COLUMNS * side + (side - tile.height) // 2
        sheet.paste(tile, (left, top))
    return sheet


def thumbnail(dataset: Dataset, position: int, side: int) -> Image.Image:
    """One image within a square of ``side`` pixels; crossed out where it cannot be read."""
    try:
        picture = _as_picture(dataset.images.read(position)).convert("RGB")
    except DamagedFile:
        return _crossed_out(side)
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if size == picture.size:
        return picture
    smooth = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
    return picture.resize(size, smooth, reducing_gap=2.0)


def _crossed_out(side: int) -> Image.Image:
    picture = Image.new("RGB", (side, side), "#808a94")
    pen = ImageDraw.Draw(picture)
    pen.line([(0, 0), (side, side)], fill="#bd1f01", width=max(1, side // 24))
    pen.line([(0, side), (side, 0)], fill="#bd1f01", width=max(1, side // 24))
    return picture


def _as_picture(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def _encode(picture: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
