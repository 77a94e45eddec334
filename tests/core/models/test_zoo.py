from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from core.errors import BadInput, DamagedFile, NotFound, Offline
from core.models import NAMES, create_model, load_model, model_summary, n_parameters, save_model
from core.models.saved import ModelCard
from core.models.weights import fit_first_convolution


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels", "size"), [(1, (28, 28)), (3, (40, 66))])
def test_every_model_takes_small_images_of_any_channels(
    name: str, channels: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    model = create_model(name, 7, channels, size).eval()
    images = torch.randn(2, channels, *size)
    seen: list[torch.Size] = []
    model.cam_layer.register_forward_hook(lambda _m, _i, output: seen.append(output.shape))
    with torch.no_grad():
        features = model.features(images)
        assert features.shape == (2, model.n_features)
        torch.testing.assert_close(model(images), model.head(features))
        assert model.head(features).shape == (2, 7)
    assert len(seen[0]) == 4, "the layer for Grad-CAM has places"


@pytest.mark.parametrize("name", ["plain-cnn", "small-resnet", "vgg11", "alexnet"])
def test_tiny_images_are_scaled_up(name: str) -> None:
    model = create_model(name, 3, 1, (3, 5)).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 1, 3, 5)).shape == (2, 3)


def test_small_resnet_is_the_net_of_the_best_preset() -> None:
    assert n_parameters(create_model("small-resnet", 10, 1, width=32)) == 1_940_970


def test_the_plain_cnn_equals_the_tutorials_order_of_layers() -> None:
    """The pool stands before the ReLU for speed; conv, norm, ReLU, pool gives the same."""
    torch.manual_seed(0)
    model = create_model("plain-cnn", 10, 1)
    block = model.body.block1
    images = torch.randn(4, 1, 28, 28)
    tutorial = block.pool(torch.relu(block.norm(block.conv(images))))
    torch.testing.assert_close(block(images), tutorial)


def test_the_summary_names_layers_shapes_and_the_number_of_parameters() -> None:
    text = model_summary(create_model("plain-cnn", 10, 1), 1, (28, 28))
    assert "body.block1.conv  Conv2d       32 x 28 x 28         288" in text
    assert text.endswith("390,634 parameters")


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"no model 'resnet19'. Choose one of plain-cnn"):
        create_model("resnet19", 10, 1)


def test_an_own_model_has_no_published_weights() -> None:
    with pytest.raises(BadInput, match="plain-cnn has no published weights"):
        create_model("plain-cnn", 10, 1, pretrained=True)


def test_alexnet_says_how_to_convert_its_weights() -> None:
    with pytest.raises(BadInput, match=r"weights_file.*save_file"):
        create_model("alexnet", 10, 3, pretrained=True)


def test_torchvision_weights_are_taken_over_and_the_first_layer_adapted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = models.resnet18().eval()
    save_file(original.state_dict(), tmp_path / "resnet18.safetensors")
    model = create_model("resnet18", 10, 1, (96, 96), weights_file=tmp_path / "resnet18.safetensors").eval()
    grey = torch.randn(2, 1, 96, 96)
    original.fc = torch.nn.Identity()  # type: ignore[assignment]
    with torch.no_grad():
        expected = original(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(model.features(grey), expected, atol=1e-4, rtol=1e-4)


def test_weights_by_timms_names_are_taken_over(tmp_path: Path) -> None:
    """What published files are called; the layers are matched by their order."""
    import timm

    torch.manual_seed(0)
    original = timm.create_model("efficientnet_b0", num_classes=1000).eval()
    save_file(original.state_dict(), tmp_path / "timm.safetensors")
    model = create_model("efficientnet-b0", 5, 3, (96, 96), weights_file=tmp_path / "timm.safetensors").eval()
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        expected = original.forward_head(original.forward_features(images), pre_logits=True)
        torch.testing.assert_close(model.features(images), expected, atol=1e-4, rtol=1e-3)


def test_vgg_takes_its_convolutions_from_a_published_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = models.vgg11_bn()
    save_file(original.state_dict(), tmp_path / "vgg.safetensors")
    model = create_model("vgg11", 10, 3, (32, 32), weights_file=tmp_path / "vgg.safetensors")
    torch.testing.assert_close(model.body.features[4].weight, original.features[4].weight)


def test_weights_of_another_shape_are_named(tmp_path: Path) -> None:
    save_file(models.resnet18().state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(BadInput, match=r"w.safetensors do not fit: .*is missing.* and \d+ more"):
        create_model("resnet50", 10, 3, weights_file=tmp_path / "w.safetensors")
    narrow = create_model("plain-cnn", 10, 1, width=16).state_dict()
    save_file(narrow, tmp_path / "n.safetensors")
    with pytest.raises(BadInput, match=r"block1.conv.weight is \(16, 1, 3, 3\) instead of \(32, 1, 3, 3\)"):
        create_model("plain-cnn", 10, 1, width=32, weights_file=tmp_path / "n.safetensors")


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(DamagedFile, match=r"w.pth is no safetensors file.*converted by"):
        create_model("resnet18", 10, 1, weights_file=tmp_path / "w.pth")
    with pytest.raises(NotFound, match="no weights file"):
        create_model("resnet18", 10, 1, weights_file=tmp_path / "absent.safetensors")


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_first_convolution_answers_grey_images_as_before(channels: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(8, 3, 7, 7)
    fitted = fit_first_convolution(weight, torch.empty(8, channels, 7, 7))
    torch.testing.assert_close(fitted.sum(1), weight.sum(1))
    middle = fit_first_convolution(weight, torch.empty(8, channels, 3, 3))
    torch.testing.assert_close(middle.sum(1), weight.sum(1)[:, 2:5, 2:5])


def test_a_saved_model_is_rebuilt_with_its_card(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model("plain-cnn", 3, 1, (12, 16), width=8).to(memory_format=torch.channels_last).eval()
    card = ModelCard("plain-cnn", 8, ("a", "b", "ü"), 1, 12, 16, (33.0,), (80.5,), True)
    save_model(tmp_path / "m.safetensors", model, card)
    loaded, loaded_card = load_model(tmp_path / "m.safetensors")
    assert loaded_card == card
    assert not loaded.training
    images = torch.randn(2, 1, 12, 16)
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), model(images))


def test_a_run_can_start_from_an_earlier_runs_model(tmp_path: Path) -> None:
    model = create_model("plain-cnn", 3, 1, width=8)
    save_model(
        tmp_path / "m.safetensors",
        model,
        ModelCard("plain-cnn", 8, ("a", "b", "c"), 1, 28, 28, (0.0,), (255.0,)),
    )
    same = create_model("plain-cnn", 3, 1, width=8, weights_file=tmp_path / "m.safetensors")
    torch.testing.assert_close(same.head[1].weight, model.head[1].weight)
    more = create_model("plain-cnn", 4, 1, width=8, weights_file=tmp_path / "m.safetensors")
    torch.testing.assert_close(more.body.hidden.weight, model.body.hidden.weight)
    assert more.head[1].weight.shape == (4, 64)


def test_a_truncated_model_is_a_damaged_file(tmp_path: Path) -> None:
    model = create_model("plain-cnn", 3, 1, width=8)
    card = ModelCard("plain-cnn", 8, ("a", "b", "c"), 1, 28, 28, (0.0,), (255.0,))
    path = tmp_path / "m.safetensors"
    save_model(path, model, card)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedFile, match=r"m.safetensors"):
        load_model(path)
    with pytest.raises(NotFound, match="Let the run finish"):
        load_model(tmp_path / "absent.safetensors")


def test_without_a_network_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Offline, match=r"resnet18 .* could not be fetched.*give that as weights_file"):
        create_model("resnet18", 10, 1, pretrained=True)
