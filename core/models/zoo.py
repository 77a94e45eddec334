"""The model zoo behind one function."""

from __future__ import annotations

from pathlib import Path

from core.errors import BadInput
from core.models.backbones import ALIASES, TIMM, backbone_model
from core.models.classifier import Classifier
from core.models.own import plain_cnn, small_resnet
from core.models.published import NAMES as PUBLISHED_NAMES
from core.models.published import published_model
from core.models.weights import load_weights, published_weights, read_weights

_OWN = {"plain-cnn": plain_cnn, "small-resnet": small_resnet}
NAMES = (*_OWN, *PUBLISHED_NAMES, *ALIASES)


def create_model(
    name: str,
    num_classes: int,
    in_channels: int,
    image_size: tuple[int, int] = (28, 28),
    *,
    width: int = 32,
    dropout: float = 0.0,
    pretrained: bool = False,
    weights_file: str | Path | None = None,
    head: str = "",
    timm_model: str = "",
) -> Classifier:
    """Make a network.

    Args:
        name: One of NAMES, or "timm".
        num_classes: K, at least 1.
        in_channels: C of the images.
        image_size: Height and width of the images, which the network is adapted to.
        width: Channels of the first block, for the two own networks.
        dropout: Share of features dropped before the last layer in training.
        pretrained: Start a torchvision network from its ImageNet weights.
        weights_file: Start from a local .safetensors file instead: torchvision's or timm's weights, or the
            model.safetensors of an earlier run.
        head: "linear" or "convolutional" for a published network as a backbone (core.models.backbones); ""
            for one adapted to the size of the images. timm's are always backbones.
        timm_model: Which network of timm, for name "timm".

    Returns:
        A Classifier in training mode: ``features(x)``, ``head``, ``cam_layer``, ``n_features``.

    Raises:
        BadInput: An unknown name, or weights that do not fit; says which layers differ.
        NotFound, DamagedFile: There is no such weights file, or it cannot be read.
        Offline: Published weights are needed and cannot be reached.
    """
    if name in _OWN:
        if pretrained:
            raise BadInput(
                f"{name} has no published weights.", "Set pretrained to false, or choose a torchvision model."
            )
        model = _OWN[name](num_classes, in_channels, image_size, width, dropout)
    elif name in (*ALIASES, TIMM) or (head and name in PUBLISHED_NAMES):
        model = backbone_model(name, timm_model, num_classes, in_channels, head or "linear", dropout)
    elif name in PUBLISHED_NAMES:
        model = published_model(name, num_classes, in_channels, image_size, dropout)
    else:
        raise BadInput(f"There is no model {name!r}.", f"Choose one of {', '.join(NAMES)}.")
    if weights_file:
        path = Path(weights_file).expanduser()
        load_weights(model, read_weights(path), name, path.name)
    elif pretrained:
        weights = published_weights(name, ALIASES.get(name, timm_model))
        load_weights(model, weights, name, "ImageNet weights")
    return model
