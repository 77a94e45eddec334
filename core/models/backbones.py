"""Published networks as a backbone that ends in a map of features, with a small head on top of it.

The backbone can be frozen: then only what follows it is trained, and what it makes of an image can be kept
(core.training.frozen). With ``head="convolutional"`` two convolutions stand between the map and the last
layer, as many do who have few images.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from core.errors import BadInput
from core.models.classifier import Classifier, linear_head
from core.models.published import BUILDERS

ALIASES = {"efficientnet-lite0": "tf_efficientnet_lite0", "xception": "legacy_xception"}
"""Names of the zoo that are networks of timm."""

TIMM = "timm"
HIDDEN = 128
SMALLEST_SIDE = 32


def backbone_model(
    name: str, timm_name: str, n_classes: int, channels: int, head: str, dropout: float
) -> Classifier:
    """A published network without its own head, and a new head on its last map of features.

    Args:
        name: One of core.models.published.NAMES or ALIASES, or "timm".
        timm_name: Which network of timm, for name "timm".
        n_classes: K.
        channels: C of the images.
        head: "linear" (average pool, one layer) or "convolutional".
        dropout: Before the last layer.

    Returns:
        A Classifier whose body is ``trunk`` and ``neck``.

    Raises:
        BadInput: There is no such network, or it makes no map of features (as transformers do not).
    """
    if name in BUILDERS:
        trunk, layer = _torchvision_trunk(BUILDERS[name], channels)
    else:
        trunk, layer = _timm_trunk(ALIASES.get(name, timm_name), channels)
    n_maps = _n_maps(trunk, channels, name if name in BUILDERS else ALIASES.get(name, timm_name))
    neck, n_features = _neck(n_maps, head)
    body = nn.Sequential(OrderedDict(trunk=trunk, neck=neck))
    cam_layer = "neck.mix.relu" if head == "convolutional" else f"trunk.{layer}" if layer else "trunk"
    return Classifier(body, linear_head(n_features, n_classes, dropout), n_features, cam_layer, SMALLEST_SIDE)


def _torchvision_trunk(builder: str, channels: int) -> tuple[nn.Module, str]:
    """The convolutions under torchvision's own names, and the last of them."""
    from torchvision import models

    net = getattr(models, builder)()
    if hasattr(net, "features"):
        trunk = nn.Sequential(OrderedDict(features=net.features))
        _adapt(net.features, channels)
        _not_in_place(trunk)
        return trunk, "features"
    layers = [(name, part) for name, part in net.named_children() if name not in ("avgpool", "fc")]
    trunk = nn.Sequential(OrderedDict(layers))
    _adapt(trunk, channels)
    return trunk, "layer4"


def _timm_trunk(name: str, channels: int) -> tuple[nn.Module, str]:
    import timm

    if name not in timm.list_models():
        near = timm.list_models(f"*{name[:6]}*")[:6] if name else []
        like = f" Perhaps {', '.join(near)}?" if near else ""
        raise BadInput(f"timm has no network {name!r}.{like}", "`timm.list_models()` lists those it has.")
    trunk: nn.Module = timm.create_model(name, num_classes=0, global_pool="", in_chans=channels)
    return trunk, ""


def _adapt(layers: nn.Module, channels: int) -> None:
    """Let the first convolution take ``channels``; its weights come later, adapted likewise."""
    if channels == 3:
        return
    for parent in layers.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d):
                size: Any = {"stride": child.stride, "padding": child.padding, "bias": child.bias is not None}
                setattr(parent, name, nn.Conv2d(channels, child.out_channels, child.kernel_size, **size))  # type: ignore[arg-type]
                return


def _not_in_place(layers: nn.Module) -> None:
    for layer in layers.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False


def _n_maps(trunk: nn.Module, channels: int, name: str) -> int:
    """How many maps the trunk makes, found by running it once on a grey image."""
    training = trunk.training
    try:
        with torch.no_grad():
            shape = trunk.eval()(torch.zeros(1, channels, 96, 128)).shape
    except (AssertionError, RuntimeError):
        shape = torch.Size()
    finally:
        trunk.train(training)
    if len(shape) != 4 or shape[2] < 2:
        raise BadInput(
            f"{name} makes no map of features from images of any size.", "Choose a convolutional network."
        )
    return int(shape[1])


def _neck(n_maps: int, head: str) -> tuple[nn.Module, int]:
    """What turns the maps into one row of features, and how long that is."""
    pool = OrderedDict[str, nn.Module](pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    if head == "linear":
        return nn.Sequential(pool), n_maps
    reduce = nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(n_maps, HIDDEN, 1, bias=False), norm=nn.BatchNorm2d(HIDDEN), relu=nn.ReLU()
        )
    )
    mix = nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(HIDDEN),
            relu=nn.ReLU(),
        )
    )
    return nn.Sequential(OrderedDict(reduce=reduce, mix=mix, **pool)), HIDDEN
