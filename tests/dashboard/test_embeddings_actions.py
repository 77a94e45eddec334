"""Searches of the Embeddings page: by words and by a picture, with a tiny CLIP model and by pixels alone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.dataset import Dataset
from core.embeddings.clip import Encoder
from core.embeddings.clip_models import ClipModel, find_model
from core.embeddings.features import FeatureSource, features_of
from core.errors import DamagedFile
from core.workspace import Workspace
from dashboard.embeddings_actions import N_SIMILAR, clip_of, in_words, like_picture
from tests.core.embeddings.test_embedding_job import part
from tests.tiny_clip import write_tiny_clip

PIXELS = FeatureSource("pixels")


@pytest.fixture
def few(workspace: Workspace, sample: Dataset) -> Dataset:
    return part(workspace, sample, "few", np.arange(150))


@pytest.fixture
def model(workspace: Workspace, tmp_path: Path) -> ClipModel:
    checkpoint, config = write_tiny_clip(tmp_path / "tiny")
    return find_model(workspace, "tiny", checkpoint=checkpoint, config=config)


def as_png(dataset: Dataset, position: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(dataset.images.read(position)[:, :, 0]).save(out, "PNG")
    return out.getvalue()


def test_words_and_pictures_find_what_the_maps_own_clip_model_finds(
    workspace: Workspace, few: Dataset, model: ClipModel
) -> None:
    source = FeatureSource("clip", model.key)
    assert clip_of(workspace, few, source) is None
    assert clip_of(workspace, few, PIXELS) is None
    features = features_of(workspace, few, source)
    assert clip_of(workspace, few, source) == model
    closeness = features.values @ Encoder(workspace, model).texts(("a dress",))[0]
    found = in_words(workspace, few, model, "a dress")
    assert np.allclose(closeness[found], np.sort(closeness)[::-1][:N_SIMILAR], atol=1e-3)
    assert like_picture(workspace, few, model, "shoe.png", as_png(few, 7))[0] == 7


def test_a_picture_is_found_by_its_pixels_and_a_file_that_is_none_is_refused(
    workspace: Workspace, few: Dataset
) -> None:
    found = like_picture(workspace, few, None, "shoe.png", as_png(few, 7))
    assert len(found) == N_SIMILAR
    assert found[0] == 7
    large = Image.open(io.BytesIO(as_png(few, 9))).resize((280, 280)).convert("RGB")
    out = io.BytesIO()
    large.save(out, "PNG")
    assert like_picture(workspace, few, None, "large.png", out.getvalue())[0] == 9
    with pytest.raises(DamagedFile):
        like_picture(workspace, few, None, "notes.png", b"no picture")
