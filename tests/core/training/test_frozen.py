from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from core.models import create_model
from core.runs.recipe import Recipe, make_recipe
from core.training.frozen import backbone_maps
from core.training.inference import predict
from core.training.loop import FitResult, fit
from core.training.optimizers import make_optimizer, rate_shares, set_learning_rate
from core.training.pixels import image_shape, pixel_array, pixel_statistics
from core.workspace import Workspace

SMALL = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(timm.create_model(SMALL).state_dict(), path)
    return path


def frozen(weights: Path, **changes: object) -> Recipe:
    return make_recipe(
        {"model": "timm", "timm_model": SMALL, "weights_file": str(weights), "frozen": True, "epochs": 2,
         "learning_rate": 0.01, "batch_size": 32, "threads": 1, "precision": "fp32", "dropout": 0.0} | changes
    )  # fmt: skip


def train(shapes: Any, recipe: Recipe, workspace: Workspace | None = None) -> FitResult:
    def maps_of(*made: Any) -> Any:
        return backbone_maps(workspace or Workspace(Path()), "f", shapes.pixels, *made)

    return fit(
        shapes.pixels,
        shapes.labels,
        shapes.parts,
        shapes.classes,
        recipe,
        maps_of=maps_of if workspace else None,
    )


@pytest.mark.parametrize("head", ["linear", "convolutional"])
def test_kept_features_train_the_same_head_as_running_the_backbone_each_time(
    shapes: Any, weights: Path, workspace: Workspace, head: str
) -> None:
    recipe = frozen(weights, head=head)
    kept, run = train(shapes, recipe, workspace), train(shapes, recipe)
    assert kept.maps is not None
    assert run.maps is None
    test = shapes.parts.test
    one = predict(kept.model, kept.card, shapes.pixels, test, kept.machine, maps=kept.maps).pred_probs
    other = predict(run.model, run.card, shapes.pixels, test, run.machine).pred_probs
    np.testing.assert_allclose(one, other, atol=0.02)  # the kept ones are rounded to float16
    files = list((workspace.cache / "frozen-maps-1").iterdir())
    train(shapes, recipe.with_changes({"seed": 5}), workspace)
    assert list((workspace.cache / "frozen-maps-1").iterdir()) == files


def test_only_what_follows_the_backbone_changes(shapes: Any, weights: Path) -> None:
    result = train(shapes, frozen(weights, head="convolutional"))
    fresh = create_model("timm", 3, 1, (12, 12), head="convolutional", timm_model=SMALL, weights_file=weights)
    before = fresh.trunk.state_dict()
    after = result.model.trunk.cpu().state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())
    trainable = sum(p.numel() for p in result.model.parameters() if p.requires_grad)
    assert result.parameters == trainable < sum(p.numel() for p in result.model.parameters()) / 2


def test_augmentation_needs_the_backbone_each_time(shapes: Any, weights: Path, workspace: Workspace) -> None:
    assert train(shapes, frozen(weights, flip_share=0.5, epochs=1), workspace).maps is None


def test_each_stage_below_the_head_learns_more_slowly() -> None:
    model = create_model("resnet18", 3, 3, (32, 32), head="linear")
    optimizer = make_optimizer(model, make_recipe({"model": "resnet18", "layer_decay": 0.5}))
    set_learning_rate(optimizer, 0.8)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    named = dict(model.named_parameters())
    assert rates[id(named["head.1.weight"])] == 0.8
    assert rates[id(named["body.trunk.layer4.0.conv1.weight"])] == 0.4
    assert rates[id(named["body.trunk.layer3.0.conv1.weight"])] == 0.2
    assert rates[id(named["body.trunk.conv1.weight"])] < 0.05
    assert len(rates) == len(named)
    assert [share for _, share in rate_shares(model, 1.0)] == [1.0]


def test_height_and_width_are_not_confused(sample: Any, workspace: Workspace) -> None:
    recipe = make_recipe({"image_height": 35, "image_width": 45})
    assert image_shape(sample, recipe.input_size) == (35, 45, 1)
    assert pixel_array(workspace, sample, recipe.input_size).shape[1:] == (35, 45, 1)


def test_imagenets_normalisation() -> None:
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    mean, std = pixel_statistics(pixels, np.array([0]), "imagenet")
    assert mean[0] == pytest.approx(123.675)
    assert std[2] == pytest.approx(57.375)
