"""torchvision's networks, adapted to small images and to any number of channels.

They were made for 224 x 224 colour photographs and reduce the side 32-fold. For sides up to 64 they enter
at full resolution instead: ResNets get a 3 x 3 stem of stride 1 and no first pool, AlexNet a 5 x 5 stem of
stride 1, MobileNet and EfficientNet a stem of stride 1, VGG loses its last two pools. So they work on
28 x 28 as on 224 x 224. The fully connected layers of AlexNet and VGG (over 100 million weights made for
224 x 224) become an average pool and one layer of 512. VGG is the variant with batch norm, since the one
without rarely learns from scratch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import nn

from core.models.classifier import Classifier, linear_head

SMALL_SIDE = 64


def _stem(old: nn.Conv2d, channels: int, small: bool, kernel: int) -> nn.Conv2d:
    """The first convolution for ``channels``; for small images with ``kernel`` and stride 1."""
    if not small:
        size: Any = {"kernel_size": old.kernel_size, "stride": old.stride, "padding": old.padding}
        return nn.Conv2d(channels, old.out_channels, **size, bias=old.bias is not None)
    return nn.Conv2d(channels, old.out_channels, kernel, 1, kernel // 2, bias=old.bias is not None)


def _resnet(make: Callable[..., Any], channels: int, small: bool) -> tuple[nn.Module, int, str, int]:
    net = make()
    net.conv1 = _stem(net.conv1, channels, small, 3)
    if small:
        net.maxpool = nn.Identity()
    n_features = net.fc.in_features
    net.fc = nn.Identity()
    return net, n_features, "layer3" if small else "layer4", 8


def _hidden(n_in: int) -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        avgpool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        hidden=nn.Linear(n_in, 512),
        relu=nn.ReLU(inplace=True),
    )


def _vgg(make: Callable[..., Any], channels: int, small: bool) -> tuple[nn.Module, int, str, int]:
    features = make().features
    features[0] = _stem(features[0], channels, False, 3)
    pools = [index for index, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    for index in pools[-2:] if small else []:
        features[index] = nn.Identity()  # keeps the names of the others
    norm = max(index for index, layer in enumerate(features) if isinstance(layer, nn.BatchNorm2d))
    _not_in_place(features)
    return nn.Sequential(OrderedDict(features=features, **_hidden(512))), 512, f"features.{norm}", 8


def _alexnet(make: Callable[..., Any], channels: int, small: bool) -> tuple[nn.Module, int, str, int]:
    features = make().features
    features[0] = _stem(features[0], channels, small, 5)
    _not_in_place(features)
    body = nn.Sequential(OrderedDict(features=features, **_hidden(256)))
    return body, 512, "features.10", 16 if small else 63


def _mobile(make: Callable[..., Any], channels: int, small: bool) -> tuple[nn.Module, int, str, int]:
    """MobileNet and EfficientNet: ``features``, an average pool and a classifier."""
    net = make()
    net.features[0][0] = _stem(net.features[0][0], channels, small, 3)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        features=net.features, avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten()
    )
    n_features = net.features[-1].out_channels
    if isinstance(net.classifier[0], nn.Linear):  # MobileNet has a hidden layer
        layers["classifier"] = net.classifier[:2]
        n_features = net.classifier[0].out_features
    return nn.Sequential(layers), n_features, f"features.{len(net.features) - 1}", 8


def _not_in_place(layers: nn.Module) -> None:
    """Keep the layer's output that Grad-CAM looks at from being overwritten by the ReLU after it."""
    for layer in layers.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False


_FAMILIES: dict[str, tuple[Callable[..., tuple[nn.Module, int, str, int]], str]] = {
    "resnet18": (_resnet, "resnet18"),
    "resnet50": (_resnet, "resnet50"),
    "vgg11": (_vgg, "vgg11_bn"),
    "vgg19": (_vgg, "vgg19_bn"),
    "alexnet": (_alexnet, "alexnet"),
    "mobilenet-v3": (_mobile, "mobilenet_v3_large"),
    "efficientnet-b0": (_mobile, "efficientnet_b0"),
}
NAMES = tuple(_FAMILIES)
BUILDERS = {name: builder for name, (_, builder) in _FAMILIES.items()}


def published_model(
    name: str, n_classes: int, channels: int, image_size: tuple[int, int], dropout: float
) -> Classifier:
    """One of NAMES with fresh weights, for images (height, width) of ``channels``."""
    from torchvision import models

    adapt, builder = _FAMILIES[name]
    body, n_features, cam_layer, smallest = adapt(
        getattr(models, builder), channels, min(image_size) <= SMALL_SIDE
    )
    for layer in body.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1  # MobileNet's 0.01 needs thousands of steps until evaluation means anything
    return Classifier(body, linear_head(n_features, n_classes, dropout), n_features, cam_layer, smallest)
