from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.dataset import Dataset
from core.data.images import FileImages
from core.errors import DamagedFile
from core.runs.recipe import make_recipe
from core.training.pixels import (
    Normaliser,
    gather,
    image_shape,
    images_on,
    pixel_array,
    pixel_statistics,
    run_pixels,
)
from core.workspace import Workspace


@pytest.fixture
def files(sample: Dataset, tmp_path: Path) -> Dataset:
    """Twelve PNG files of three sizes, one of them grey."""
    rng = np.random.default_rng(0)
    sizes = [(30, 40), (60, 80), (45, 60)] * 4
    names = []
    for number, (height, width) in enumerate(sizes):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels)
        names.append(f"{number}.png")
        (picture.convert("L") if number == 0 else picture).save(tmp_path / names[-1])
    images = FileImages(tmp_path, np.array(names), np.array(sizes, np.int32))
    return replace(sample, images=images, item_ids=sample.item_ids[:12], fingerprint="f1")


def test_small_images_of_one_size_are_used_as_they_are(workspace: Workspace, sample: Dataset) -> None:
    assert pixel_array(workspace, sample) is sample.images.pixels  # type: ignore[attr-defined]


def test_files_are_scaled_once_with_progress(workspace: Workspace, files: Dataset) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    report = lambda type_, **fields: events.append((type_, fields))  # noqa: E731
    first = pixel_array(workspace, files, 0, report)
    assert first.shape == (12, 45, 60, 3), "the median size, in colour"
    assert [type_ for type_, _ in events] == ["note", "progress"]
    assert np.array_equal(first, files.images.resized(np.arange(12), 45, 60, 3))
    second = pixel_array(workspace, files, 0, report)
    assert len(events) == 2
    assert np.array_equal(first, second)
    assert isinstance(second, np.memmap)


def test_a_recipe_can_ask_for_a_size(workspace: Workspace, sample: Dataset, files: Dataset) -> None:
    assert pixel_array(workspace, files, 16).shape == (12, 16, 16, 3)
    assert image_shape(sample, 14) == (14, 14, 1)
    large = replace(files.images, sizes=np.array([[900, 450]] * 12, np.int32))  # type: ignore[type-var]
    assert image_shape(replace(files, images=large), 0) == (224, 112, 3)


def test_published_networks_look_closer_than_those_that_start_from_nothing(
    workspace: Workspace, files: Dataset
) -> None:
    own, published = (make_recipe({"model": name}) for name in ("plain-cnn", "resnet18"))
    wide = replace(files.images, sizes=np.array([[45, 200]] * 12, np.int32))  # type: ignore[type-var]
    photographs = replace(files, images=wide, fingerprint="f2")
    assert run_pixels(workspace, photographs, own).shape == (12, 25, 112, 3)
    assert run_pixels(workspace, photographs, published).shape == (12, 45, 200, 3)


def test_a_file_that_cannot_be_decoded_is_named_and_nothing_is_kept(
    workspace: Workspace, files: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "7.png").write_bytes(b"no picture")
    with pytest.raises(DamagedFile, match=r"7\.png cannot be decoded"):
        pixel_array(workspace, files)
    assert not list(workspace.cache.rglob("*.npy*"))


def test_the_statistics_are_those_of_the_given_images() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 6, 5, 2), dtype=np.uint8)
    pixels[..., 1] = 7
    chosen = np.arange(10, 40)
    mean, std = pixel_statistics(pixels, chosen, "standard")
    assert mean == pytest.approx([pixels[10:40, ..., 0].mean(), 7])
    assert std == pytest.approx([pixels[10:40, ..., 0].std(), 1]), "a constant channel is not divided by 0"
    assert pixel_statistics(pixels, chosen, "minus-one-to-one") == ((127.5, 127.5), (127.5, 127.5))


@pytest.mark.parametrize(
    ("normalisation", "low", "high"), [("minus-one-to-one", -1.0, 1.0), ("zero-to-one", 0.0, 1.0)]
)
def test_pixels_are_normalised(normalisation: str, low: float, high: float) -> None:
    pixels = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    cpu = torch.device("cpu")
    normalise = Normaliser(*pixel_statistics(pixels, np.arange(1), normalisation), cpu)
    images = gather(pixels, np.array([0]), cpu)
    assert images.shape == (1, 1, 1, 2)
    assert normalise(images).flatten().tolist() == pytest.approx([low, high])
    as_float = images.float()
    normalise(as_float)
    assert as_float.flatten().tolist() == [0, 255], "the caller's images are left alone"


@pytest.mark.parametrize("n_used", [30, 100])
def test_images_come_the_same_from_the_processor_and_from_a_gpu(n_used: int) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (100, 8, 6, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    positions = np.array([3, 99, 0, 3])
    given = images_on(device, pixels, n_used)(positions)
    assert given.device.type == device.type
    assert given.dtype == torch.uint8
    assert given.stride() == gather(pixels, positions, torch.device("cpu")).stride()
    assert np.array_equal(given.cpu().permute(0, 2, 3, 1).numpy(), pixels[positions])
