"""Image statistics and class portraits against plain NumPy on the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from core.data.dataset import Dataset
from core.data.importer import ImportOptions, import_source
from core.data.portraits import EXAMPLES, ORDERS, portraits
from core.data.statistics import BINS, image_statistics
from core.workspace import Workspace
from tests.core.data.photographs import DAMAGED, N, photographs


def test_each_image_is_described_exactly(workspace: Workspace, sample: Dataset) -> None:
    statistics = image_statistics(workspace, sample)
    pixels = np.asarray(sample.images.pixels).reshape(len(sample), -1).astype(float)  # type: ignore[attr-defined]
    assert statistics.mean == pytest.approx(pixels.mean(axis=1), rel=1e-5)
    assert statistics.deviation == pytest.approx(pixels.std(axis=1), rel=1e-4)
    counts = np.array([np.histogram(row, BINS, (0, 256))[0] for row in pixels[:50]]) / 784
    assert statistics.histogram[:50] == pytest.approx(counts, abs=1e-3)
    assert np.shares_memory(statistics.small, sample.images.pixels), "small images are not copied"  # type: ignore[attr-defined]


def test_files_are_decoded_once_and_then_read_from_the_cache(workspace: Workspace, tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "set")
    first = image_statistics(workspace, dataset)
    assert first.mean[2] == pytest.approx(45, abs=0.5)
    assert first.deviation[2] == pytest.approx(5, abs=0.5)
    assert first.unreadable.tolist() == [DAMAGED]
    assert first.small.shape[0] == N
    assert max(first.small.shape[1:3]) == 32
    for file in (tmp_path / "set" / "images").iterdir():
        file.unlink()
    again = image_statistics(workspace, dataset)
    assert np.array_equal(again.mean, first.mean, equal_nan=True)
    assert np.array_equal(again.small, first.small)


def test_a_cleared_cache_is_filled_again(workspace: Workspace, tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "set")
    first = image_statistics(workspace, dataset)
    next(workspace.cache.glob("small-images-1/*.npy")).unlink()
    assert np.array_equal(image_statistics(workspace, dataset).small, first.small)


def test_progress_goes_up_while_the_images_are_read(workspace: Workspace, sample: Dataset) -> None:
    shares: list[float] = []
    image_statistics(workspace, sample, shares.append)
    assert shares
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1


def test_portraits_are_the_mean_and_deviation_of_the_chosen_items(
    workspace: Workspace, sample: Dataset
) -> None:
    chosen = sample.in_split("test")
    statistics = image_statistics(workspace, sample)
    drawn = portraits(workspace, statistics, chosen, sample.given, {"of": "test"})
    shirts = chosen[sample.labels[chosen] == 6]
    pixels = np.asarray(sample.images.pixels[shirts], float)  # type: ignore[attr-defined]
    assert drawn.n.tolist() == [100] * 10
    assert drawn.mean[6] == pytest.approx(pixels.mean(axis=0), abs=1e-3)
    assert drawn.deviation[6] == pytest.approx(pixels.std(axis=0), abs=0.05)


def test_typical_images_are_nearest_to_the_mean_and_atypical_ones_farthest(
    workspace: Workspace, sample: Dataset
) -> None:
    everything = np.arange(len(sample))
    statistics = image_statistics(workspace, sample)
    drawn = portraits(workspace, statistics, everything, sample.given, {})
    pixels = sample.images.pixels.reshape(len(sample), -1).astype(float)  # type: ignore[attr-defined]
    for k in range(10):
        of_class = np.flatnonzero(sample.labels == k)
        distance = np.linalg.norm(pixels[of_class] - pixels[of_class].mean(axis=0), axis=1)
        order = of_class[np.argsort(distance)]
        assert drawn.examples["typical"][k].tolist() == order[:EXAMPLES].tolist()
        assert drawn.examples["atypical"][k].tolist() == order[::-1][:EXAMPLES].tolist()
        assert drawn.examples["first"][k].tolist() == of_class[:EXAMPLES].tolist()
        assert set(drawn.examples["random"][k]) <= set(of_class)


def test_neighbours_find_the_pair_that_models_confuse(workspace: Workspace, sample: Dataset) -> None:
    statistics = image_statistics(workspace, sample)
    drawn = portraits(workspace, statistics, np.arange(len(sample)), sample.given, {})
    shares = drawn.nearest / drawn.nearest.sum(axis=1, keepdims=True)
    both = np.triu(shares + shares.T, 1)
    assert drawn.nearest.sum() == 3000
    assert np.unravel_index(both.argmax(), both.shape) == (0, 6), "T-shirt/top and Shirt"


def test_an_item_with_several_labels_counts_in_each_class(workspace: Workspace, tmp_path: Path) -> None:
    dataset = photographs(tmp_path / "set")
    statistics = image_statistics(workspace, dataset)
    drawn = portraits(workspace, statistics, np.arange(N), dataset.given, {})
    assert drawn.n.tolist() == [4, 3, 3], "the damaged file is left out"
    assert drawn.examples["first"][1].tolist()[:4] == [4, 6, 7, -1]
    assert not drawn.nearest.any()


def test_classes_without_items_are_empty_not_wrong(workspace: Workspace, sample: Dataset) -> None:
    only = np.flatnonzero(sample.labels == 3)[:5]
    statistics = image_statistics(workspace, sample)
    drawn = portraits(workspace, statistics, only, sample.given, {"few": True})
    assert drawn.n.tolist() == [0, 0, 0, 5, 0, 0, 0, 0, 0, 0]
    assert not drawn.mean[0].any()
    assert all((drawn.examples[order][0] == -1).all() for order in ORDERS)
    none = portraits(workspace, statistics, only[:0], sample.given, {"none": True})
    assert not none.n.any()


def test_blurring_costs_sharpness_and_contrast_does_not(workspace: Workspace, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (6, 8), np.uint8)).resize((64, 48), Image.Resampling.NEAREST)
    folder = tmp_path / "set" / "a"
    folder.mkdir(parents=True)
    image.save(folder / "0.png")
    image.point(lambda value: value // 2 + 60).save(folder / "1.png")
    image.filter(ImageFilter.GaussianBlur(1)).save(folder / "2.png")
    image.resize((640, 480), Image.Resampling.NEAREST).save(folder / "3.png")
    Image.new("L", (64, 48), 90).save(folder / "4.png")
    dataset = import_source(workspace, tmp_path / "set", "sharp", ImportOptions()).dataset
    order = np.argsort(dataset.item_ids)
    sharp, duller, blurred, larger, flat = image_statistics(workspace, dataset).sharpness[order]
    assert duller == pytest.approx(sharp, rel=0.05)
    assert blurred < 0.5 * sharp
    assert larger > 0.3 * sharp, "a large image is scaled down first"
    assert np.isnan(flat)
