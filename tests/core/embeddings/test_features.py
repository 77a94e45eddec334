"""Features from each source: which images they cover, when they are computed anew, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.data.dataset import Dataset
from core.embeddings import networks
from core.embeddings.features import FeatureSource, features_of, finite, mapped_features, parse_source
from core.embeddings.networks import SIDE
from core.embeddings.similar import similar_to_these
from core.errors import BadInput, DamagedFile, NotFound
from core.files import read_array, write_array
from core.models import create_model
from core.workspace import Workspace
from tests.core.data.photographs import photographs
from tests.finished_runs import finished_run
from tests.part_of import part_of

LITE0 = Path(__file__).resolve().parents[4] / "shared" / "data" / "efficientnet_lite0"


@pytest.fixture
def few(workspace: Workspace, sample: Dataset) -> Dataset:
    """The first 60 images of the sample as a data set of their own."""
    rows = np.arange(60)
    return part_of(workspace, sample, rows, "few")


def test_a_runs_features_are_those_it_kept_in_the_order_of_the_data(
    workspace: Workspace, sample: Dataset
) -> None:
    run = finished_run(workspace, sample, "base")
    found = features_of(workspace, sample, FeatureSource("run", "base"))
    assert np.array_equal(found.positions, np.arange(len(sample)))
    from core.evaluation.predictions import load_predictions

    kept = read_array(run.features_file)
    ids = load_predictions(run.predictions_file).item_ids.tolist()
    assert np.array_equal(found.values[sample.positions(ids)], kept.astype(np.float32))


@pytest.mark.parametrize("source", [FeatureSource("run", "base"), FeatureSource("pixels")])
def test_a_search_among_mapped_features_finds_the_same(
    workspace: Workspace, sample: Dataset, source: FeatureSource
) -> None:
    finished_run(workspace, sample, "base")
    mapped = mapped_features(workspace, sample, source)
    assert mapped.values.base is not None  # on the disk
    chosen = np.array([3, 77])
    expected = similar_to_these(features_of(workspace, sample, source), chosen, 5)
    assert similar_to_these(mapped, chosen, 5).tolist() == expected.tolist()


def test_a_run_also_says_something_of_images_it_was_not_trained_on(
    workspace: Workspace, sample: Dataset, few: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished_run(workspace, sample, "base")
    kept = features_of(workspace, sample, FeatureSource("run", run.id))
    found = features_of(workspace, few, FeatureSource("run", run.id))
    assert np.allclose(found.values, kept.values[:60], rtol=0.03, atol=0.15)  # kept in half precision

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(networks, "run_network", never)
    again = features_of(workspace, few, FeatureSource("run", run.id))
    assert again.digest == found.digest
    assert np.array_equal(again.values, found.values)


def test_pixels_are_the_image_and_large_images_are_scaled(
    workspace: Workspace, few: Dataset, tmp_path: Path
) -> None:
    found = features_of(workspace, few, FeatureSource("pixels"))
    pixels = np.asarray(few.images.pixels)  # type: ignore[attr-defined]
    assert np.allclose(found.values, pixels.reshape(60, -1) / 255)
    files = photographs(tmp_path)
    with pytest.raises(DamagedFile, match=r"5\.png cannot be decoded"):
        features_of(workspace, files, FeatureSource("pixels"))
    shutil.copy(tmp_path / "images" / "6.png", tmp_path / "images" / "5.png")
    told: list[float] = []
    scaled = features_of(
        workspace, files, FeatureSource("pixels"), on_progress=lambda share, _: told.append(share)
    )
    assert scaled.values.shape == (len(files), 32 * 32 * 3)
    assert told[-1] == 1
    assert scaled.values.std() > 0.05


def test_images_without_finite_features_are_left_out_and_counted(
    workspace: Workspace, sample: Dataset
) -> None:
    run = finished_run(workspace, sample, "base")
    broken = np.array(read_array(run.features_file))
    broken[[3, 7]] = np.nan
    broken[11, 0] = np.inf
    write_array(run.features_file, broken)
    found = features_of(workspace, sample, FeatureSource("run", run.id))
    assert len(found) == len(sample) - 3
    assert found.n_left_out == 3
    assert np.isfinite(found.values).all()


def test_features_that_are_all_nan_are_refused() -> None:
    values = np.full((4, 3), np.nan, np.float32)
    with pytest.raises(BadInput, match="not finite for any of 4 images"):
        finite(np.arange(4), values, FeatureSource("pixels"), "key")


def test_a_backbone_with_weights_from_a_file(workspace: Workspace, few: Dataset, tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "resnet18.safetensors"
    save_file(
        {f"body.{k}": v for k, v in create_model("resnet18", 2, 3, (SIDE, SIDE)).body.state_dict().items()},
        weights,
    )
    found = features_of(workspace, few, FeatureSource("backbone", "resnet18", str(weights)))
    assert found.values.shape == (60, 512)
    assert found.values.std(axis=0).max() > 0
    other = tmp_path / "other.safetensors"
    save_file({"body.conv1.weight": torch.zeros(1)}, other)
    with pytest.raises(BadInput, match=r"other\.safetensors do not fit"):
        features_of(workspace, few, FeatureSource("backbone", "resnet18", str(other)))
    with pytest.raises(NotFound, match="no weights file"):
        features_of(workspace, few, FeatureSource("backbone", "resnet18", str(tmp_path / "none")))
    with pytest.raises(BadInput, match="There is no network 'resnet19'"):
        features_of(workspace, few, FeatureSource("backbone", "resnet19", str(weights)))


@pytest.mark.skipif(not LITE0.is_dir(), reason="needs ../shared/data/efficientnet_lite0")
def test_a_published_network_tells_the_classes_apart(workspace: Workspace, few: Dataset) -> None:
    weights = str(LITE0 / "tf_efficientnet_lite0.safetensors")
    found = features_of(workspace, few, FeatureSource("backbone", "tf_efficientnet_lite0", weights))
    assert found.values.shape == (60, 1280)
    unit = found.values / np.linalg.norm(found.values, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -1)
    labels = np.asarray(few.labels)
    assert (labels[alike.argmax(axis=1)] == labels).mean() > 0.5, "chance is 0.1"


def test_sources_as_they_are_typed() -> None:
    assert parse_source("run:r1") == FeatureSource("run", "r1")
    assert parse_source("pixels") == FeatureSource("pixels")
    for text in ("", "runs:r1", "run", "backbone:"):
        with pytest.raises(BadInput, match="names no features"):
            parse_source(text)
