"""Grad-CAM equals its definition, marks what decides, and is computed once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.cache import cache_path
from core.data.dataset import Dataset
from core.errors import BadInput, NotFound
from core.evaluation.explain import explanation, grad_cam
from core.evaluation.lime import lime
from core.evaluation.seen import shown_to
from core.models import NAMES, ModelCard, create_model, save_model
from core.runs.recipe import make_recipe
from core.runs.store import create_run
from core.training.pixels import Normaliser
from core.workspace import Workspace
from tests.finished_runs import finished_run


def card_of(model: str, side: int = 28) -> ModelCard:
    return ModelCard(model, 8, tuple("abcd"), 1, side, side, (72.0,), (90.0,))


@pytest.mark.parametrize("name", ["plain-cnn", "small-resnet", "vgg11"])
def test_it_equals_its_definition(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, 4, 1, width=8).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 1), np.uint8)
    card = card_of(name)
    kept: list[torch.Tensor] = []
    handle = model.cam_layer.register_forward_hook(lambda _m, _i, out: kept.append(out.clone()) or kept[-1])
    images = torch.from_numpy(pixels[None]).permute(0, 3, 1, 2)
    score = model(Normaliser(card.mean, card.std, torch.device("cpu"))(images))[0, 2]
    handle.remove()
    (slopes,) = torch.autograd.grad(score, kept[0])
    small = torch.relu((slopes.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True))
    expected = torch.nn.functional.interpolate(small, (28, 28), mode="bilinear")[0, 0].detach().numpy()
    top = expected.max()
    expected = expected / top if top > 0 else expected
    np.testing.assert_allclose(grad_cam(model, card, pixels, 2), expected, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_every_model_of_the_zoo_can_be_explained(name: str) -> None:
    model = create_model(name, 4, 1, width=8)
    pixels = np.random.default_rng(1).integers(0, 256, (28, 28, 1), np.uint8)
    heat = grad_cam(model, card_of(name), pixels, 1, (56, 40))
    assert heat.shape == (56, 40)
    assert heat.dtype == np.float32
    assert 0 <= heat.min() <= heat.max() <= 1


def test_an_unknown_class_is_refused() -> None:
    model = create_model("plain-cnn", 4, 1, width=8)
    with pytest.raises(BadInput, match="class 4"):
        grad_cam(model, card_of("plain-cnn"), np.zeros((28, 28, 1), np.uint8), 4)


def test_a_run_explains_an_image_once(workspace: Workspace, sample: Dataset) -> None:
    run = finished_run(workspace, sample, "r1")
    heat = explanation(workspace, run, sample, 5123, 1)
    assert heat.shape == (28, 28)
    assert heat.max() == pytest.approx(1.0)
    files = list((workspace.cache / "grad-cam-1").iterdir())
    assert len(files) == 1
    with np.load(files[0]) as stored:
        np.testing.assert_array_equal(stored["heat"], heat)
    np.testing.assert_array_equal(explanation(workspace, run, sample, 5123, 1), heat)
    assert list(cache_path(workspace, "grad-cam-1", {}).parent.iterdir()) == files


def test_a_cleaned_image_is_explained_as_the_network_saw_it(workspace: Workspace, sample: Dataset) -> None:
    cleaned = make_recipe({"cleaning": "threshold 0 | extract 1 20 | align 20 | reassemble", "width": 4})
    run = create_run(workspace, sample, cleaned)
    raw = sample.images.read(7)
    seen = shown_to(run, sample, 7)
    assert raw.shape == (28, 28, 1)
    assert seen.shape == (20, 20, 1)
    model = create_model("plain-cnn", 10, 1, image_size=(20, 20), width=4)
    save_model(run.model_file, model, ModelCard("plain-cnn", 4, sample.classes, 1, 20, 20, (72.0,), (90.0,)))
    assert explanation(workspace, run, sample, 7, 3).shape == (20, 20)
    assert lime(workspace, run, sample, 7, 3).patches.shape == (8, 8)


def test_a_run_without_a_model_says_so(workspace: Workspace, sample: Dataset) -> None:
    run = create_run(workspace, sample, None, name="empty")
    with pytest.raises(NotFound, match="no model"):
        explanation(workspace, run, sample, 0, 0)
