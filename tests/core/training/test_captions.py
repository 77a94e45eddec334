from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.explain import grad_cam
from core.evaluation.predictions import load_predictions
from core.runs.recipe import PRESETS, Recipe
from core.runs.store import RunState, create_run, status
from core.training.augment import augment
from core.training.captions import encoded, forgotten
from core.training.loop import fit
from core.training.parts import Parts
from core.training.pixels import blank_pixels
from core.worker import work
from core.workspace import Workspace
from tests.tagged import tagged

SMALL = {"width": 4, "epochs": 6, "batch_size": 16, "learning_rate": 0.01, "threads": 1, "image_size": 0}


def caption_recipe(**changes: object) -> Recipe:
    return PRESETS["caption"].with_changes({**SMALL, "caption_width": 16, "dropout": 0.0, **changes})


@pytest.fixture
def clothes(workspace: Workspace, sample: Dataset) -> Dataset:
    return tagged(workspace, sample, 160, captions=True)


def parts_of(dataset: Dataset) -> Parts:
    everything = np.arange(len(dataset))
    return Parts(everything[:110], everything[110:135], everything[135:])


@pytest.mark.parametrize("caption_model", ["lstm-transformer", "gated-words"])
def test_captions_alone_tell_what_they_say(clothes: Dataset, caption_model: str) -> None:
    parts = parts_of(clothes)
    result = fit(
        blank_pixels(len(clothes)),
        np.array(clothes.labels),
        parts,
        clothes.classes,
        caption_recipe(caption_model=caption_model),
        captions=clothes.captions,
    )
    assert result.history[-1]["valid_macro_auc"] > 0.85  # every tenth caption is empty
    assert "zebra" not in result.card.words
    strange = encoded(result.card, ["a zebra", ""])
    assert strange is not None
    with torch.no_grad():
        scores = result.model.cpu()(torch.zeros(2, 1, 1, 1), torch.from_numpy(strange.astype(np.int64)))
    assert torch.isfinite(scores).all()


def test_a_broken_off_hybrid_ends_like_an_unbroken_one(clothes: Dataset, tmp_path: Path) -> None:
    pixels, labels, parts = np.array(clothes.images.pixels), np.array(clothes.labels), parts_of(clothes)
    recipe = caption_recipe(
        inputs="both", caption_model="lstm-transformer", epochs=1, caption_dropout=0.3, flip_share=0.5
    )
    args = (pixels, labels, parts, clothes.classes, recipe)
    whole = fit(*args, captions=clothes.captions)
    steps = iter(range(100))
    file = tmp_path / "checkpoint.safetensors"
    fit(*args, captions=clothes.captions, checkpoint_file=file, should_stop=lambda: next(steps) == 3)
    resumed = fit(*args, captions=clothes.captions, checkpoint_file=file)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    heat = grad_cam(resumed.model.cpu(), resumed.card, pixels[0], 0, caption="a shirt")
    assert heat.shape == (28, 28)


def test_without_captions_it_says_what_to_do(clothes: Dataset) -> None:
    with pytest.raises(BadInput, match="Set inputs to image"):
        fit(blank_pixels(160), np.array(clothes.labels), parts_of(clothes), clothes.classes, caption_recipe())


def test_a_run_reads_captions_and_keeps_its_words(workspace: Workspace, clothes: Dataset) -> None:
    recipe = caption_recipe(inputs="both", epochs=1)
    run = create_run(workspace, clothes, recipe)
    assert work(run.folder) == 0
    now = status(run)
    assert now.state is RunState.FINISHED
    assert 0 < now.summary["mean_f1"] <= 1
    assert load_predictions(run.predictions_file).pred_probs.shape == (160, 3)


def test_some_captions_are_forgotten() -> None:
    words = torch.full((1000, 4), 7)
    kept = (forgotten(words, 0.25, torch.Generator().manual_seed(0)) == 7).all(dim=1).float().mean()
    assert 0.7 < kept < 0.8


def test_a_random_crop_keeps_shape_and_range() -> None:
    images = torch.arange(64.0).view(1, 1, 8, 8).repeat(50, 1, 1, 1).to(torch.uint8)
    recipe = Recipe(crop_share=1.0, crop_least=0.5)
    cut = augment(images, recipe, torch.Generator().manual_seed(0))
    assert cut.shape == images.shape
    assert cut.min() >= 0
    assert cut.max() <= 63
    assert cut.amax(dim=(1, 2, 3)).std() > 1  # another part each time
