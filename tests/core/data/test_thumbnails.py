"""Thumbnail sheets: the right tile in the right place, for arrays and files, made once and atomically."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import thumbnails
from core.data.dataset import Dataset
from core.errors import NotFound
from tests.core.data.photographs import DAMAGED, photographs


def tile(sheet: bytes, position: int, side: int) -> np.ndarray:
    """The tile of an item, cut as the browser cuts it: RGBA."""
    place = position % thumbnails.TILES
    left, top = place % thumbnails.COLUMNS * side, place // thumbnails.COLUMNS * side
    picture = Image.open(io.BytesIO(sheet)).convert("RGBA")
    return np.asarray(picture.crop((left, top, left + side, top + side)))


@pytest.mark.parametrize("position", [0, 31, 32, 1023, 1024, 5999])
def test_small_tiles_are_the_images_themselves(sample: Dataset, position: int) -> None:
    sheet = thumbnails.sheet_bytes(sample, position // thumbnails.TILES)
    shown = tile(sheet, position, 28)
    assert (shown[:, :, 0] == sample.images.read(position)[:, :, 0]).all()
    assert (shown[:, :, 3] == 255).all()


def test_the_last_sheet_is_only_as_high_as_it_must_be(sample: Dataset) -> None:
    last = Image.open(io.BytesIO(thumbnails.sheet_bytes(sample, thumbnails.n_sheets(sample) - 1)))
    n_tiles = len(sample) % thumbnails.TILES
    assert last.size == (32 * 28, -(-n_tiles // 32) * 28)


def test_files_of_any_size_are_fitted_into_the_middle_of_a_square(tmp_path: Path) -> None:
    dataset = photographs(tmp_path)
    side = thumbnails.tile_side(dataset)
    assert side == 96
    shown = tile(thumbnails.sheet_bytes(dataset, 0), 7, side)
    opaque = np.flatnonzero(shown[:, side // 2, 3] > 128)
    assert len(opaque) == pytest.approx(40 * 96 / 200, abs=2)
    assert opaque.mean() == pytest.approx((side - 1) / 2, abs=1)
    assert shown[side // 2, :, 3].min() > 200


def test_a_file_that_cannot_be_decoded_costs_one_tile(tmp_path: Path) -> None:
    dataset = photographs(tmp_path)
    sheet = thumbnails.sheet_bytes(dataset, 0)
    crossed = tile(sheet, DAMAGED, 96)
    assert crossed[48, 48, 0] > crossed[48, 48, 2] + 60, "a red cross in the middle"
    assert tile(sheet, 4, 96)[48, 48, :3].max() < 130, "its neighbour is a picture"


def test_many_requests_for_one_sheet_leave_one_file(sample: Dataset) -> None:
    with ThreadPoolExecutor(8) as pool:
        sheets = set(pool.map(lambda _: thumbnails.sheet_bytes(sample, 2), range(16)))
    assert len(sheets) == 1
    assert os.listdir(sample.folder / "sheets") == ["00002.webp"]


def test_all_sheets_report_their_progress(sample: Dataset) -> None:
    shares: list[float] = []
    thumbnails.make_sheets(sample, shares.append)
    assert len(os.listdir(sample.folder / "sheets")) == thumbnails.n_sheets(sample) == 6
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_of_a_very_large_set_only_the_first_are_made_ahead(
    sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "MADE_AHEAD", 2)
    thumbnails.make_sheets(sample)
    assert sorted(os.listdir(sample.folder / "sheets")) == ["00000.webp", "00001.webp"]
    assert thumbnails.sheet_bytes(sample, 5)


def test_a_sheet_is_shown_even_where_it_cannot_be_kept(sample: Dataset) -> None:
    (sample.folder / "sheets").write_text("a file where the folder would be")
    assert tile(thumbnails.sheet_bytes(sample, 0), 3, 28).shape == (28, 28, 4)


@pytest.mark.parametrize("number", [-1, 6])
def test_there_is_no_other_sheet(sample: Dataset, number: int) -> None:
    with pytest.raises(NotFound, match=f"no thumbnail sheet {number}"):
        thumbnails.sheet_bytes(sample, number)


def test_a_picture_is_the_whole_image_as_png(sample: Dataset) -> None:
    picture = Image.open(io.BytesIO(thumbnails.picture_png(sample, 17)))
    assert picture.format == "PNG"
    assert (np.asarray(picture) == sample.images.read(17)[:, :, 0]).all()
    with pytest.raises(NotFound, match="no item 6000"):
        thumbnails.picture_png(sample, 6000)
