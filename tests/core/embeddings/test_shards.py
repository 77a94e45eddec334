"""Features in shards: those of one go, none twice, and what another process cannot do is the map's error."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.embeddings import networks, shards
from core.embeddings.blocks import BLOCK
from core.embeddings.clip_models import find_model
from core.embeddings.features import FeatureSource, features_of
from core.embeddings.maps import MapRequest, create_map
from core.embeddings.shards import Sharer, are_computed, maker_of, missing_shards
from core.files import delete_file, write_array
from core.models import ModelCard, create_model, save_model
from core.runs.store import Run, create_run, find_run
from core.worker.parts import do_part
from core.workspace import Workspace
from tests.core.data.photographs import photographs
from tests.finished_runs import small_recipe
from tests.part_of import part_of
from tests.tiny_clip import write_tiny_clip


@pytest.fixture
def others(workspace: Workspace, sample: Dataset) -> Dataset:
    """1,100 images of the sample as a data set that no run was trained on."""
    rows = np.arange(1_100)
    return part_of(workspace, sample, rows, "others")


@pytest.fixture
def source(workspace: Workspace, sample: Dataset) -> FeatureSource:
    """A run's network, as it is before it has learned anything."""
    run = create_run(workspace, sample, small_recipe(), name="base")
    card = ModelCard("plain-cnn", 8, sample.classes, 1, 28, 28, mean=(73.0,), std=(90.0,))
    save_model(run.model_file, create_model("plain-cnn", 10, 1, width=8), card)
    return FeatureSource("run", run.id)


def a_map(workspace: Workspace, dataset: Dataset, source: FeatureSource) -> Run:
    return create_map(workspace, dataset, MapRequest(source, method="pca"))


def test_shards_of_a_runs_network_are_the_features_of_one_go(
    workspace: Workspace, others: Dataset, source: FeatureSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_one_go = features_of(workspace, others, source)
    (workspace.cache / "network-images-1").rename(workspace.cache / "other")
    run = a_map(workspace, others, source)
    names = missing_shards(others, maker_of(workspace, source))
    assert names == ["blocks-0-1", "blocks-1-2", "blocks-2-3"]
    for name in reversed(names):
        assert do_part(run.folder, name)["state"] == "done"
    assert missing_shards(others, maker_of(workspace, source)) == []

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(networks, "run_network", never)
    spread = features_of(workspace, others, source)
    assert np.array_equal(spread.values, in_one_go.values)
    assert spread.digest == in_one_go.digest


def test_only_the_blocks_that_are_missing_are_computed(
    workspace: Workspace, others: Dataset, source: FeatureSource
) -> None:
    features_of(workspace, others, source)
    first, second, _ = sorted((workspace.cache / "network-images-1").iterdir())
    delete_file(first)
    second.write_bytes(second.read_bytes()[:200])
    assert len(missing_shards(others, maker_of(workspace, source))) == 2, "one is gone, one is damaged"
    told: list[str] = []
    features_of(workspace, others, source, on_progress=lambda _, text: told.append(text))
    assert told[-1] in (f"images {n:,} of {n:,}" for n in (2 * BLOCK, BLOCK + 1_100 - 2 * BLOCK))


def test_shards_of_clip_and_of_pixels(workspace: Workspace, others: Dataset, tmp_path: Path) -> None:
    checkpoint, config = write_tiny_clip(tmp_path / "tiny")
    find_model(workspace, "tiny", checkpoint=checkpoint, config=config)
    assert not are_computed(workspace, others, FeatureSource("pixels")), "they are what lies there"
    files = photographs(tmp_path)
    shutil.copy(tmp_path / "images" / "6.png", tmp_path / "images" / "5.png")
    sharer, told = Sharer(), []
    for dataset, source in ((others, FeatureSource("clip", "tiny")), (files, FeatureSource("pixels"))):
        names = missing_shards(dataset, maker_of(workspace, source))
        assert names
        for name in names:
            sharer.compute(workspace, dataset, maker_of(workspace, source), name, lambda _, text: None)
        assert missing_shards(dataset, maker_of(workspace, source)) == []
        features_of(workspace, dataset, source, on_progress=lambda _, text: told.append(text))
        assert told == [], "nothing was left to do"


def test_a_larger_set_has_larger_shards(
    workspace: Workspace, others: Dataset, source: FeatureSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "MOST_SHARDS", 2)
    assert missing_shards(others, maker_of(workspace, source)) == ["blocks-0-2", "blocks-2-3"]


def test_what_is_kept_with_a_run_is_not_computed(
    workspace: Workspace, sample: Dataset, source: FeatureSource
) -> None:
    assert len(missing_shards(sample, maker_of(workspace, source))) == 12
    assert are_computed(workspace, sample, source)
    write_array(find_run(workspace, source.name).features_file, np.zeros((6_000, 2), np.float16))
    assert not are_computed(workspace, sample, source)


def test_what_a_worker_cannot_do_is_told_to_the_job(
    workspace: Workspace, others: Dataset, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"no weights")
    run = a_map(workspace, others, FeatureSource("backbone", "resnet18", str(weights)))
    answer = do_part(run.folder, "blocks-0-1")
    assert answer["state"] == "failed"
    assert "weights.safetensors" in answer["problem"]
